"""API tokens: created, found by their text, listed, revoked."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import func, select

from callevents.api_access import api_tokens
from callevents.api_access.api_tokens import MAX_TOKENS, add_api_token, find_api_token
from callevents.api_access.scopes import INSTALLATION_SCOPES, V1_SCOPES
from callevents.db.models import ApiToken, AuditEntry, Pbx, User, utc_now
from callevents.db.session import begin_write
from callevents.errors import ConflictError, InvalidError, NotFoundError
from callevents.extensions import db
from callevents.pbxs.removal import begin_removal
from callevents.users import lifecycle
from tests.api_access.adding import add_token, add_user

NOW = datetime(2026, 3, 1, 10, 0, 0, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


def is_valid(text: str) -> bool:
    """Return True if the text is that of a valid token."""
    db.session.rollback()
    return find_api_token(text) is not None


def count_tokens() -> int:
    """Return the number of rows."""
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(ApiToken)) or 0


def test_only_the_digest_is_stored(ana: User) -> None:
    """The text finds the token, and nothing of it but the beginning is in the row or history."""
    token, text = add_token(ana, " Nightly export ", "calls:read", "hooks:read")
    found = find_api_token(text)
    assert found is token
    assert (found.name, found.scopes, found.pbx_id) == (
        *("Nightly export", "hooks:read calls:read", None),
    )
    assert text.startswith(token.hint)
    assert len(text) == 47
    assert text not in f"{vars(token)}"
    [entry] = db.session.scalars(
        select(AuditEntry).where(AuditEntry.action == "api_token.added")
    ).all()
    assert (entry.object_id, entry.object_name) == (token.id, "Nightly export")
    assert entry.after == {"owner": "ana", "scopes": ["hooks:read", "calls:read"]}
    assert find_api_token(text[:-1]) is None
    assert find_api_token("cea_\ud800") is None


def test_all_invalid_values_are_reported_at_once(ana: User, pbx: Pbx) -> None:
    """Each field has its sentence, and nothing is stored."""
    bob = add_user("bob", "viewer")
    begin_write()
    bob.grants = []
    db.session.flush()
    with pytest.raises(InvalidError) as caught:
        add_api_token(bob, " ", ["hooks"], pbx=pbx, expires_at=utc_now())
    assert {name: messages[0][:30] for name, messages in caught.value.errors.items()} == {
        "name": "Enter a name.",
        "scopes": "There is no scope 'hooks'. Use",
        "pbx": "bob has no role for Head offic",
        "expires_at": "Must be in the future.",
    }
    assert count_tokens() == 0


@pytest.mark.parametrize("scopes", [(), ("uapi",), ("hooks:read", ""), ("HOOKS:READ",)])
def test_scopes_of_the_management_api_only(ana: User, scopes: tuple[str, ...]) -> None:
    """VoipNow's API takes no API tokens; a token without a scope would be of no use."""
    with pytest.raises(InvalidError) as caught:
        add_api_token(ana, "x", scopes)
    assert list(caught.value.errors) == ["scopes"]


@pytest.mark.parametrize("scope", V1_SCOPES)
def test_scopes_for_one_pbx(ana: User, pbx: Pbx, scope: str) -> None:
    """Users and configuration are not those of one PBX."""
    if scope not in INSTALLATION_SCOPES:
        assert add_token(ana, "x", scope, pbx=pbx)[0].scopes == scope
        return
    with pytest.raises(InvalidError, match=r"is for all PBXs together\."):
        add_api_token(ana, "x", [scope], pbx=pbx)


@pytest.mark.parametrize(
    ("role", "is_possible"),
    [
        ("viewer", True),
        ("viewer:head-office", True),
        ("self-service:head-office:101", True),
        ("admin:branch", False),
    ],
)
def test_pbx_must_be_one_of_the_owner(
    pbx: Pbx, other_pbx: Pbx, configure: object, role: str, is_possible: bool
) -> None:
    """A role for a part of the PBX is enough."""
    configure.extension("101")  # type: ignore[attr-defined]  # a Configure
    user = add_user("bob", role)
    if is_possible:
        token, _ = add_token(user, pbx=pbx)
        assert token.pbx_id == pbx.id
    else:
        with pytest.raises(InvalidError, match=r"^bob has no role for Head office\.$"):
            add_token(user, pbx=pbx)


def test_expiry(ana: User) -> None:
    """A token is valid until that moment, and is listed afterwards."""
    with time_machine.travel(NOW, tick=False) as clock:
        token, text = add_token(ana, expires_at=NOW + timedelta(days=30))
        _, forever = add_token(ana)
        clock.move_to(NOW + timedelta(days=30) - MILLISECOND)
        assert is_valid(text)
        assert not token.is_expired
        assert api_tokens.count_valid_tokens(ana) == 2
        clock.move_to(NOW + timedelta(days=30))
        assert not is_valid(text)
        assert token.is_expired
        assert api_tokens.count_valid_tokens(ana) == 1
        assert len(api_tokens.list_api_tokens(ana)) == 2
        clock.move_to(NOW + timedelta(days=9999))
        assert is_valid(forever)


def test_disabled_users_tokens_come_back(ana: User) -> None:
    """Disabling the owner stops the token, and enabling brings it back."""
    bob = add_user("bob", "viewer")
    _, text = add_token(bob)
    for change, expected in ((lifecycle.disable_user, False), (lifecycle.enable_user, True)):
        begin_write()
        change(bob)
        db.session.commit()
        assert is_valid(text) is expected


def test_removed_users_tokens_are_gone(ana: User) -> None:
    """The rows go with the owner."""
    bob = add_user("bob", "viewer")
    _, text = add_token(bob)
    _, other = add_token(ana)
    begin_write()
    lifecycle.remove_user(bob)
    db.session.commit()
    assert not is_valid(text)
    assert is_valid(other)
    assert count_tokens() == 1


def test_removed_pbxs_tokens_stop_at_once(ana: User, pbx: Pbx) -> None:
    """Those for it are invalid before its rows are deleted; others stay."""
    _, text = add_token(ana, pbx=pbx)
    _, other = add_token(ana)
    begin_write()
    begin_removal(pbx, "head-office")
    db.session.commit()
    assert not is_valid(text)
    assert is_valid(other)


def test_list_and_find(ana: User) -> None:
    """Newest first, of all or of one user; found by ID or beginning."""
    bob = add_user("bob", "viewer")
    first, _ = add_token(ana, "first")
    second, _ = add_token(bob, "second")
    assert [token.name for token in api_tokens.list_api_tokens()] == ["second", "first"]
    assert list(api_tokens.list_api_tokens(bob)) == [second]
    assert api_tokens.get_api_token(first.id) is first
    assert api_tokens.get_api_token(second.hint, bob) is second
    for text, user in ((first.id, bob), ("cea_", None), ("\0", None), ("x" * 99, ana)):
        with pytest.raises(NotFoundError):
            api_tokens.get_api_token(text, user)
    begin_write()
    second.hint = first.hint
    db.session.commit()
    with pytest.raises(ConflictError, match=r"Pass the ID of one\.$"):
        api_tokens.get_api_token(first.hint)


def test_revoked_token(ana: User) -> None:
    """It is invalid at once; revoking it twice is an error and one entry in the history."""
    token, text = add_token(ana)
    begin_write()
    api_tokens.revoke_api_token(token)
    db.session.commit()
    assert not is_valid(text)
    begin_write()
    with pytest.raises(NotFoundError):
        api_tokens.get_api_token(token.id)
    entries = select(AuditEntry.before).where(AuditEntry.action == "api_token.revoked")
    assert list(db.session.scalars(entries)) == [{"owner": "ana"}]


def test_revoked_by_two_at_once(app: Flask, ana: User) -> None:
    """One revokes it, the other is told so, and there is one entry in the history."""
    token_id = add_token(ana)[0].id
    barrier, results = threading.Barrier(2, timeout=30), []

    def revoke() -> None:
        with app.app_context():
            begin_write()
            try:
                token = api_tokens.get_api_token(token_id)
                # Where writers do not wait at their beginning, both have read it.
                if db.engine.dialect.name == "postgresql":
                    barrier.wait()
                api_tokens.revoke_api_token(token)
            except NotFoundError:
                results.append("gone")
            else:
                results.append("revoked")
            db.session.commit()

    db.session.rollback()
    threads = [threading.Thread(target=revoke) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["gone", "revoked"]
    entries = select(AuditEntry.id).where(AuditEntry.action == "api_token.revoked")
    assert len(db.session.scalars(entries).all()) == 1


def test_number_of_tokens_is_limited(ana: User) -> None:
    """A script that creates one on each run ends with a sentence."""
    begin_write()
    for _ in range(MAX_TOKENS):
        add_api_token(ana, "x", ["hooks:read"])
    with pytest.raises(ConflictError, match=r"^ana has 100 tokens\. Revoke others first\.$"):
        add_api_token(ana, "x", ["hooks:read"])
