"""`flask apps`: add, list, replace the secret, remove; text, JSON and errors."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from callevents.api_access.last_use import note_use
from callevents.db.models import OAuthApp, Pbx, utc_now
from callevents.db.session import begin_write
from callevents.extensions import db
from tests.cli.conftest import Run
from tests.cli.test_commands import check_failure
from tests.support.oauth_app import add_user, scopes_of

Answer = Callable[..., Any]
BACK = "https://crm.example.com/back"


@pytest.fixture
def ana(app: Flask) -> None:
    """A user."""
    add_user("ana")


def get_token(client: FlaskClient, added: dict[str, Any]) -> str:
    """Get a token with what a command has printed; return it, or the error."""
    fields = {name: added[name] for name in ("client_id", "client_secret")}
    answer = client.post("/oauth/token.php", data={**fields, "grant_type": "client_credentials"})
    found = answer.get_json()
    return str(found.get("access_token") or found["error"])


def test_add(answer: Answer, client: FlaskClient, ana: None) -> None:
    """The printed ID and secret get a token for VoipNow's API; the rest are the defaults."""
    added = answer("apps", "add", " CRM ", "--user", "Ana")
    token = get_token(client, added)
    assert scopes_of(token) == "uapi"
    assert added.pop("client_secret").isalnum()
    assert added.pop("client_id").isalnum()
    created = datetime.fromisoformat(added.pop("created_at"))
    assert created <= utc_now()
    assert added == {
        "name": "CRM",
        "owner": "ana",
        "pbx": None,
        "scopes": ["uapi"],
        "redirect_uris": [],
        "last_used_at": None,
        "last_used_address": "",
    }


def test_options(answer: Answer, ana: None, pbx: Pbx) -> None:
    """A PBX, several scopes and several redirect URIs."""
    more = ["--scope", "hooks:read", "--scope", "uapi", "--redirect-uri", BACK]
    more += ["--redirect-uri", "http://127.0.0.1:8080/", "--pbx", "head-office"]
    added = answer("apps", "add", "CRM", "--user", "ana", *more)
    assert (added["pbx"], added["scopes"]) == ("head-office", ["uapi", "hooks:read"])
    assert added["redirect_uris"] == [BACK, "http://127.0.0.1:8080/"]
    [listed] = answer("apps", "list")
    del added["client_secret"]
    assert listed == added


def test_text(run: Run, ana: None, pbx: Pbx) -> None:
    """What people read."""
    assert run("apps", "list").stdout == "No results.\n"
    lines = run("apps", "add", "CRM", "--user", "ana", "--pbx", "head-office").stdout.splitlines()
    assert lines[0] == "Added the app CRM of ana."
    client_id = lines[1].removeprefix("client_id: ")
    secret = lines[2].removeprefix("client_secret, shown only once: ")
    header, row = run("apps", "list").stdout.splitlines()
    assert header.split()[:4] == ["client_id", "name", "owner", "pbx"]
    assert row.split()[:5] == [client_id, "CRM", "ana", "head-office", "uapi"]
    assert secret not in row
    lines = run("apps", "rotate-secret", client_id).stdout.splitlines()
    assert lines[0] == "Replaced the secret of the app CRM."
    assert lines[1] == f"client_id: {client_id}"
    assert not lines[2].endswith(secret)
    assert run("apps", "remove", client_id).stdout == "Removed the app CRM.\n"


def test_rotate_secret(answer: Answer, client: FlaskClient, ana: None) -> None:
    """The old secret and the tokens that it got are invalid at once."""
    added = answer("apps", "add", "CRM", "--user", "ana")
    before = get_token(client, added)
    rotated = answer("apps", "rotate-secret", added["client_id"])
    assert {**rotated, "client_secret": added["client_secret"]} == added
    assert scopes_of(before) is None
    assert get_token(client, added) == "invalid_client"
    assert scopes_of(get_token(client, rotated)) == "uapi"


def test_remove(answer: Answer, client: FlaskClient, ana: None) -> None:
    """Its tokens go with it; another app stays."""
    added, other = (answer("apps", "add", name, "--user", "ana") for name in ("CRM", "Fax"))
    token = get_token(client, added)
    assert answer("apps", "remove", added["client_id"]) == {"removed": added["client_id"]}
    assert scopes_of(token) is None
    assert get_token(client, added) == "invalid_client"
    assert [one["client_id"] for one in answer("apps", "list")] == [other["client_id"]]


def test_last_use(answer: Answer, ana: None) -> None:
    """The list says when and from where each app was last used."""
    added = answer("apps", "add", "CRM", "--user", "ana")
    app = db.session.get_one(OAuthApp, added["client_id"])
    note_use(app, "192.0.2.7")
    [listed] = answer("apps", "list")
    assert listed["last_used_address"] == "192.0.2.7"
    assert datetime.fromisoformat(listed["last_used_at"]) <= utc_now()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["add", " ", "--user", "ana"], "name: Enter a name."),
        (["add", "CRM", "--user", "olga"], "There is no user 'olga'."),
        (["add", "CRM", "--user", "ana", "--pbx", "x"], "There is no PBX 'x'."),
        (
            ["add", "CRM", "--user", "ana", "--redirect-uri", "http://crm.example.com/"],
            "redirect_uris: URI 1: Use https; http is only for apps on the user's own machine.",
        ),
        (["remove", "x"], "There is no app with the ID 'x'."),
        (["rotate-secret", "\0"], "There is no app with the ID '\\x00'."),
    ],
)
def test_errors(run: Run, ana: None, arguments: list[str], sentence: str) -> None:
    """What is wrong is said, and nothing is added."""
    check_failure(run("apps", *arguments), sentence)
    assert run("apps", "list").stdout == "No results.\n"


def test_unknown_scope(run: Run, ana: None) -> None:
    """The error lists the scopes that there are."""
    failed = run("apps", "add", "CRM", "--user", "ana", "--scope", "everything")
    assert failed.stderr.startswith("Error: scopes: There is no scope 'everything'. Use uapi, ")
    assert run("apps", "list").stdout == "No results.\n"


def test_pbx_that_is_being_removed(run: Run, ana: None, pbx: Pbx) -> None:
    """No app is added for it."""
    begin_write()
    db.session.get_one(Pbx, pbx.id).removing_at = utc_now()
    db.session.commit()
    failed = run("apps", "add", "CRM", "--user", "ana", "--pbx", "head-office")
    check_failure(failed, "The PBX 'head-office' is being removed.")
