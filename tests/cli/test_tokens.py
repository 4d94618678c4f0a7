"""The commands for API tokens: text and JSON, errors, and what they change."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask

from callevents.api_access import api_tokens
from callevents.api_access.scopes import V1_SCOPES
from callevents.db.models import Pbx, utc_now
from callevents.db.session import begin_write
from callevents.extensions import db
from tests.api_access.adding import add_user
from tests.cli.conftest import Run
from tests.cli.test_commands import check_failure

Answer = Callable[..., Any]
ADD = ("tokens", "add", "Export", "--user", "olga", "--scope", "hooks:read")


@pytest.fixture(autouse=True)
def _olga(app: Flask, pbx: Pbx) -> None:
    """A user."""
    add_user("olga", "operator:head-office")


def test_add(run: Run, answer: Answer) -> None:
    """The token is printed once, and works."""
    result = run(*ADD)
    first, text = result.stdout.splitlines()
    assert first == "New API token Export of olga, shown only once:"
    assert api_tokens.find_api_token(text) is not None
    made = answer(*ADD, "--scope", "calls:read", "--pbx", "head-office", "--expires", "90d")
    token = made.pop("token")
    found = api_tokens.find_api_token(token)
    assert found is not None
    assert found.expires_at is not None
    left = found.expires_at - utc_now()
    assert timedelta(days=89) < left <= timedelta(days=90)
    assert made == {
        "id": found.id,
        "begins_with": token[:9],
        "name": "Export",
        "user": "olga",
        "pbx": "head-office",
        "scopes": ["hooks:read", "calls:read"],
        "created_at": found.created_at.isoformat(timespec="milliseconds"),
        "expires_at": found.expires_at.isoformat(timespec="milliseconds"),
        "last_used_at": None,
        "last_used_address": "",
        "expired": False,
    }


def test_add_for_one_pbx(run: Run) -> None:
    """Scopes for all PBXs together are left out, with a note; there must be another one."""
    limited = ("--pbx", "head-office", "--json")
    result = run(*ADD, "--scope", "users:read", "--scope", "config:read", *limited)
    assert json.loads(result.stdout)["scopes"] == ["hooks:read"]
    note = "Left out, because they are for all PBXs together: users:read, config:read.\n"
    assert result.stderr == note
    alone = ("tokens", "add", "Export", "--user", "olga", "--scope", "users:read", *limited)
    sentence = "users:read is for all PBXs together. Leave it out, or choose all PBXs."
    check_failure(run(*alone), f"scopes: {sentence}")


def test_list(run: Run, answer: Answer) -> None:
    """Of all users or of one, newest first, without the tokens; expired ones are marked."""
    assert run("tokens", "list").stdout == "No results.\n"
    add_user("ben", "viewer")
    first, second = answer(*ADD), answer(*ADD, "--user", "ben", "--scope", "calls:read")
    begin_write()
    used = api_tokens.get_api_token(first["id"])
    used.last_used_at = used.expires_at = datetime.fromisoformat("2026-01-02T03:04:05Z")
    used.last_used_address = "192.0.2.7"
    db.session.commit()
    listed = answer("tokens", "list")
    assert [one["id"] for one in listed] == [second["id"], first["id"]]
    assert [one["expired"] for one in listed] == [False, True]
    assert answer("tokens", "list", "--user", "olga") == listed[1:]
    assert "token" not in listed[0]
    result = run("tokens", "list")
    assert first["token"] not in result.stdout
    assert result.stdout.splitlines() == [
        f"{'begins_with':11}  name    user  pbx  {'expires_at':29}  {'last_used_at':29}  scopes",
        f"{second['begins_with']:11}  Export  ben        {'':29}  {'':29}  hooks:read calls:read",
        f"{first['begins_with']:11}  Export  olga       2026-01-02T03:04:05.000+00:00  "
        "2026-01-02T03:04:05.000+00:00  hooks:read",
    ]


def test_revoke(run: Run, answer: Answer) -> None:
    """By ID or by beginning; the token does not work any more."""
    first, second = answer(*ADD), answer(*ADD)
    assert answer("tokens", "revoke", first["id"]) == {"revoked": first["id"]}
    result = run("tokens", "revoke", second["begins_with"])
    assert result.stdout == "Revoked the API token Export of olga.\n"
    assert answer("tokens", "list") == []
    assert api_tokens.find_api_token(second["token"]) is None


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            "add Export --user olga --scope hooks",
            f"scopes: There is no scope 'hooks'. Use {', '.join(V1_SCOPES)}.",
        ),
        (
            "add Export --user olga --scope users:read --pbx head-office",
            "scopes: users:read is for all PBXs together. Leave it out, or choose all PBXs.",
        ),
        (
            "add Export --user olga --scope hooks:read --pbx branch --expires 0d",
            "pbx: olga has no role for Branch.\nexpires_at: Must be in the future.",
        ),
        ("add Export --user nobody --scope hooks:read", "There is no user 'nobody'."),
        ("add Export --user olga --scope hooks:read --pbx x", "There is no PBX 'x'."),
        ("list --user nobody", "There is no user 'nobody'."),
        ("revoke cea_xxxxx", "There is no API token 'cea_xxxxx'."),
    ],
)
def test_errors_are_messages(run: Run, other_pbx: Pbx, arguments: str, sentence: str) -> None:
    """An error is a message on stderr with a non-zero exit code, and changes nothing."""
    for more in ((), ("--json",)):
        check_failure(run("tokens", *arguments.split(" "), *more), sentence)
    assert api_tokens.list_api_tokens() == []


@pytest.mark.parametrize(
    "arguments",
    [
        "add Export --user olga",
        "add Export --scope hooks:read",
        "add Export --user olga --scope hooks:read --expires soon",
        "revoke",
    ],
)
def test_wrong_usage(run: Run, arguments: str) -> None:
    """Missing and invalid options print the usage."""
    result = run("tokens", *arguments.split(" "))
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Usage: " in result.stderr
