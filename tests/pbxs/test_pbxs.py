"""PBXs and their ingest tokens."""

from datetime import UTC, datetime

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from callevents.db.models import IngestToken, Pbx, new_id
from callevents.db.session import begin_write
from callevents.enums import EventType
from callevents.errors import ConflictError, InvalidError, NotFoundError
from callevents.extensions import db
from callevents.ingest.accept import accept
from callevents.ingest.report import Report
from callevents.operations import key_rotation
from callevents.pbxs import pbxs, tokens


def add(name: str) -> Pbx:
    """Add a PBX."""
    begin_write()
    pbx, _ = pbxs.add_pbx(name)
    db.session.commit()
    return pbx


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Head office", "head-office"),
        ("  Zürich & Büro #2 ", "zurich-buro-2"),
        ("日本", "pbx"),
        ("---", "pbx"),
        ("new", "new-2"),
        ("x" * 100, "x" * 48),
        ("a" * 47 + " b", "a" * 47),
    ],
)
def test_slug_is_made_of_the_name(app: Flask, name: str, slug: str) -> None:
    """The slug is plain, short, and never the path of a page."""
    assert add(name).slug == slug


def test_slugs_are_unique(app: Flask) -> None:
    """Names with the same slug are numbered."""
    assert [add(name).slug for name in ("A b", "A-b", "a_b")] == ["a-b", "a-b-2", "a-b-3"]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "Enter a name."),
        (" \t", "Enter a name."),
        ("x" * 101, "Must be at most 100 characters (got 101)."),
        ("a\x00b", "Must not contain control characters."),
        ("a\u202eb", "Must not contain control characters."),
        ("HEAD OFFICE ", "Another PBX has this name. Choose a different one."),
        ("Straße", "Another PBX has this name. Choose a different one."),
    ],
)
def test_wrong_names_are_refused(pbx: Pbx, name: str, sentence: str) -> None:
    """Invalid names are rejected, and names that differ only in case."""
    add("STRASSE")
    begin_write()
    with pytest.raises(InvalidError) as caught:
        pbxs.add_pbx(name)
    assert caught.value.errors == {"name": [sentence]}
    with pytest.raises(InvalidError):
        pbxs.rename_pbx(add("Third"), name)


def test_renaming_keeps_the_address(pbx: Pbx) -> None:
    """Renaming, also to another case, keeps the slug."""
    begin_write()
    for name in ("HEAD OFFICE", "Elsewhere"):
        pbxs.rename_pbx(pbx, name)
        assert (pbx.name, pbx.slug) == (name, "head-office")
    db.session.commit()


def test_list_is_sorted_by_name(app: Flask) -> None:
    """Names sort without regard to case."""
    for name in ("b", "C", "a"):
        add(name)
    assert [pbx.name for pbx in pbxs.list_pbxs()] == ["a", "b", "C"]


@pytest.mark.parametrize("slug", ["", "nobody", "\x00", "HEAD-OFFICE", "head-office\x00"])
def test_unknown_pbx(pbx: Pbx, slug: str) -> None:
    """An unknown slug raises NotFoundError on every database."""
    with pytest.raises(NotFoundError, match="There is no PBX"):
        pbxs.get_pbx(slug)


def test_token_opens_its_own_pbx_only(pbx: Pbx, other_pbx: Pbx, token: str) -> None:
    """A token is valid for its PBX only, and compared exactly."""
    [known] = tokens.list_tokens(pbx)
    assert tokens.look_up(pbx.slug, token) == (pbx.id, known.id)
    assert tokens.look_up(other_pbx.slug, token).token_id is None
    for wrong in ("", token[:-1], token + " ", token.upper(), "\x00", "\ud800", "x" * 10_000):
        assert tokens.look_up(pbx.slug, wrong).token_id is None


def test_tokens_are_not_stored(pbx: Pbx, token: str) -> None:
    """The database stores a digest, and a hint too short to be useful."""
    [row] = tokens.list_tokens(pbx)
    assert token.startswith("cet_")
    assert len(token) >= 4 + 43
    assert row.hint == token[:9]
    stored = [str(getattr(row, column.key)) for column in IngestToken.__table__.columns]
    assert not any(token in value or token[10:] in value for value in stored)


def test_two_tokens_while_one_is_replaced(pbx: Pbx, token: str) -> None:
    """A second token can be created, not a third; the old one is valid until it is revoked."""
    begin_write()
    second = tokens.add_token(pbx)
    with pytest.raises(ConflictError, match=r"^Two tokens are valid already\. Revoke the one"):
        tokens.add_token(pbx)
    db.session.commit()
    assert second != token
    for valid in (token, second):
        assert tokens.look_up(pbx.slug, valid).token_id in [
            one.id for one in tokens.list_tokens(pbx)
        ]
    begin_write()
    tokens.revoke_token(pbx, tokens.list_tokens(pbx)[0].id)
    db.session.commit()
    assert tokens.look_up(pbx.slug, token).token_id is None
    assert [tokens.look_up(pbx.slug, second).token_id] == [
        one.id for one in tokens.list_tokens(pbx)
    ]
    begin_write()
    tokens.revoke_token(pbx, tokens.list_tokens(pbx)[0].id)
    db.session.commit()
    assert tokens.look_up(pbx.slug, second).token_id is None


def test_revoking_what_is_not_there(pbx: Pbx, other_pbx: Pbx) -> None:
    """Neither an unknown token nor another PBX's can be revoked."""
    for token_id in (new_id(), "x", tokens.list_tokens(other_pbx)[0].id):
        with pytest.raises(NotFoundError, match=r"^That token is not valid any more\.$"):
            tokens.revoke_token(pbx, token_id)
    assert len(db.session.scalars(select(IngestToken)).all()) == 2


def test_last_events(pbx: Pbx, other_pbx: Pbx) -> None:
    """Each PBX has the time of its last event; PBXs without events are left out."""
    for hour in (10, 12, 11):
        with time_machine.travel(datetime(2026, 3, 1, hour, tzinfo=UTC), tick=False):
            begin_write()
            accept(pbx, [Report(event_type=EventType.HANGUP, extension="1")])
            db.session.commit()
    assert pbxs.last_event_times([pbx, other_pbx]) == {pbx.id: datetime(2026, 3, 1, 12, tzinfo=UTC)}
    assert pbxs.last_event_times([]) == {}


def test_format_secrets_are_reencrypted(pbx: Pbx) -> None:
    """Key rotation re-encrypts format secrets and names those that no key decrypts."""
    begin_write()
    pbxs.set_format(pbx, "yeastar", "s3cret")
    before = pbx.format_secret
    assert key_rotation.reencrypt_format_secrets() == key_rotation.RotationResult(1, [], 0)
    assert pbx.format_secret != before
    assert pbxs.find_format_secret(pbx) == "s3cret"
    pbx.format_secret = "nonsense"
    assert key_rotation.reencrypt_format_secrets().unreadable == ["the format of head-office"]
