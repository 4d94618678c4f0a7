"""No secret is in the history, in any form: as it is, encrypted, hashed, or as its length."""

import dataclasses
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from callevents.audit.differences import Hidden, Masked, find_differences
from callevents.config.settings import Settings
from callevents.db.models import Connector, Hook, IngestToken, Pbx, User
from callevents.db.session import begin_write
from callevents.delivery.hook_values import hook_values
from callevents.enums import AuthKind, ConnectorKind, EventType, Format, Role
from callevents.extensions import db
from callevents.hooks import hooks, signing_secret
from callevents.hooks.options import Credentials, CustomHeader, HookOptions
from callevents.pbxs import connectors, pbxs, tokens
from callevents.pbxs.connectors import ConnectorConfig
from callevents.users import users
from callevents.users.hashing import hash_password
from tests.audit.conftest import entries
from tests.web.conftest import PASSWORD, Visitor

FIRST = {
    "query": "querygeheim1",
    "path": "T0kenInThePath4you8andMe2nobody5",
    "header": "headergeheim1",
    "basic": "basicgeheim1",
    "format": "formatgeheim1",
    "connector": "connectorgeheim1",
    "password": "a long passwordgeheim1",
}
SECOND = {name: value.replace("1", "2").replace("T0", "T3") for name, value in FIRST.items()}


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    """Settings with a file that mirrors the history."""
    return settings.model_copy(update={"audit_file": tmp_path / "history.jsonl"})


def hook_data(secrets: dict[str, str]) -> hooks.HookData:
    """Return a hook's values with these secrets wherever one can be."""
    url = f"https://crm.example.com/{secrets['path']}/pop?token={secrets['query']}"
    options = HookOptions(
        headers=(CustomHeader("X-Key", secrets["header"]),),
        credentials=Credentials(AuthKind.BASIC, "ana", secrets["basic"]),
    )
    return hooks.HookData(url=url, options=options)


def configure_all(pbx: Pbx, secrets: dict[str, str], hook: Hook | None) -> tuple[Hook, list[str]]:
    """Set all kinds of secrets; return the hook, and the secrets that were generated."""
    begin_write()
    data = hook_data(secrets)
    if hook is None:
        hook = hooks.create_hook(pbx, None, EventType.HANGUP, data)
    else:
        hooks.update_hook(hook, data)
    made = [signing_secret.rotate_secret(hook)]
    access = {"kind": ConnectorKind.FREESWITCH, "host": "pbx", "port": 8021}
    connectors.set_connector(pbx, ConnectorConfig(**access, secret=secrets["connector"]))
    pbxs.set_format(pbx, Format.YEASTAR, secrets["format"])
    db.session.commit()
    return hook, made


def stored_forms(pbx: Pbx) -> set[str]:
    """Return how secrets are stored: encrypted or hashed."""
    db.session.rollback()
    found: list[Any] = []
    for hook in db.session.query(Hook):
        found += [hook.auth_secret, hook.signing_secret, hook.previous_signing_secret]
        found += [hook.custom_headers, hook.url]
    found += [one.secret for one in db.session.query(Connector)]
    found += [one.digest for one in db.session.query(IngestToken)]
    found += [one.password_hash for one in db.session.query(User)]
    found.append(db.session.get_one(Pbx, pbx.id).format_secret)
    return {one for one in found if one}


def test_no_secret_is_stored(
    app: Flask, settings: Settings, pbx: Pbx, token: str, admin: Visitor
) -> None:
    """Neither the table nor its mirror has one, after each kind was set, changed and removed."""
    forms = {PASSWORD, token}
    begin_write()
    olga = users.add_user("olga", FIRST["password"], Role.VIEWER)
    db.session.commit()
    hook, made = configure_all(pbx, FIRST, None)
    forms |= {*made, *stored_forms(pbx)}
    admin.get(f"/pbxs/head-office/extensions/all/requests/{hook.event_id}")
    hook, made = configure_all(pbx, SECOND, hook)
    forms |= {*made, *stored_forms(pbx)}
    begin_write()
    users.change_password(olga, hash_password(SECOND["password"]))
    forms.add(tokens.add_token(pbx))
    signing_secret.remove_secret(hook)
    connectors.remove_connector(pbx)
    pbxs.set_format(pbx, Format.YEASTAR, "")
    db.session.commit()
    forms |= stored_forms(pbx)
    begin_write()
    hooks.clear_hooks([hook])
    for one in tokens.list_tokens(pbx):
        tokens.revoke_token(pbx, one.public_id)
    db.session.commit()
    admin.post("/sign-out")
    admin.get("/sign-in")
    # Somebody types the password into the wrong field.
    admin.post("/sign-in", username=SECOND["password"], password="x")

    rows = db.session.execute(text("SELECT * FROM audit_entry")).all()
    assert len(rows) >= 20
    mirrored = settings.audit_file.read_text() if settings.audit_file else ""
    assert len(mirrored.splitlines()) == len(entries())
    secrets = {*forms, *FIRST.values(), *SECOND.values()} - {""}
    hashed = {sha256(secret.encode()).hexdigest() for secret in secrets}
    for place in (repr(rows), mirrored):
        assert "crm.example.com" in place
        found = {one for one in secrets | hashed if one.lower() in place.lower()}
        assert found == set()


def test_a_changed_secret_is_recorded_as_changed(pbx: Pbx) -> None:
    """That it was set, changed or removed is recorded, also where the shown URL is the same."""
    hook, _ = configure_all(pbx, FIRST, None)
    configure_all(pbx, SECOND, hook)
    [entry] = entries(action="hook.changed")
    assert entry.before["credentials"] == "set"
    assert entry.after["credentials"] == entry.after["header X-Key"] == "changed"
    assert entry.after["url"] == f"{entry.before['url']} (the masked part changed)"
    assert [one.after for one in entries(action="hook.signing_changed")] == [
        {"signing_secret": "set"},
        {"signing_secret": "changed"},
    ]


@pytest.mark.parametrize(
    ("before", "after", "stored"),
    [
        ({}, {"a": Hidden("x")}, ({}, {"a": "set"})),
        ({"a": Hidden("x")}, {"a": Hidden("y")}, ({"a": "set"}, {"a": "changed"})),
        ({"a": Hidden("x")}, {"a": Hidden("")}, ({"a": "set"}, {"a": "removed"})),
        ({"a": Hidden("x")}, {"a": Hidden("x")}, ({}, {})),
        ({"a": Hidden("x")}, {}, ({"a": "set"}, {})),
        ({"a": Masked("x1", "x•")}, {"a": Masked("y", "y")}, ({"a": "x•"}, {"a": "y"})),
        ({"a": 1, "b": True}, {"a": 2, "b": True}, ({"a": 1}, {"a": 2})),
        ({"a": "", "b": True}, {"a": "", "b": False}, ({"b": True}, {"b": False})),
        ({}, {"a": "", "b": [], "c": None, "d": 0}, ({}, {"d": 0})),
        ({}, {"e": EventType.DIAL_IN}, ({}, {"e": "dial-in"})),
    ],
)
def test_differences(
    before: dict[str, Any], after: dict[str, Any], stored: tuple[object, object]
) -> None:
    """Only what differs is kept, without empty values and without secrets."""
    assert find_differences(before, after) == stored


def test_every_value_of_a_hook_is_in_its_history(pbx: Pbx) -> None:
    """No option can be added to hooks without its place in the history."""
    hook, _ = configure_all(pbx, FIRST, None)
    names = {one.name for kind in (HookOptions, hooks.HookData) for one in dataclasses.fields(kind)}
    recorded = set(hook_values(hook))
    ids = {"receiver_id"}
    not_changed = {"recipe_request", "keeps_receiver"}
    assert names - recorded == {"active", "headers", "options"} | ids | not_changed
    assert {"receiver", "credentials"} <= recorded
    assert "header X-Key" in recorded
