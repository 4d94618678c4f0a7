"""Commands for PBXs, extensions, deliveries and users: effects, text and JSON output, errors."""

from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result
from flask import Flask

from callevents.db.models import Delivery, Pbx
from callevents.db.session import begin_write
from callevents.enums import DeliveryState, EventType, Method
from callevents.extensions import db
from callevents.ingest.accept import accept
from callevents.ingest.report import Report
from callevents.pbxs import pbxs
from callevents.users import users
from callevents.users.delays import Client
from callevents.users.sign_in import finish, verify_password
from tests.cli.conftest import Run
from tests.conftest import Configure


def check_failure(result: Result, sentence: str) -> None:
    """Check that the command failed with exactly this message and printed nothing else."""
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"Error: {sentence}\n"


def test_pbxs(run: Run, answer: Callable[..., Any]) -> None:
    """Adding a PBX prints its token once."""
    assert run("pbx", "list").stdout == "No results.\n"
    added = answer("pbx", "add", "Head office")
    assert (added["slug"], added["name"]) == ("head-office", "Head office")
    assert added["token"].startswith("cet_")
    result = run("pbx", "add", "Branch")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "Added PBX 'Branch'. Its name in URLs and commands is branch."
    assert lines[1] == "Ingest token, shown only once:"
    assert lines[2].startswith("cet_")
    assert answer("pbx", "list") == [
        {"slug": "branch", "name": "Branch", "format": "generic"},
        {"slug": "head-office", "name": "Head office", "format": "generic"},
    ]
    assert run("pbx", "list").stdout == (
        "slug         name         format\n"
        "branch       Branch       generic\n"
        "head-office  Head office  generic\n"
    )


def test_format_of_a_pbx(run: Run, answer: Callable[..., Any]) -> None:
    """The format is set with a new PBX or later; the secret is stored encrypted and not printed."""
    added = answer("pbx", "add", "Edge", "--format", "kamailio")
    assert added["format"] == "kamailio"
    assert run("pbx", "set", "edge", "--format", "yeastar").stdout == (
        "Report format of Edge: Yeastar P-Series.\n"
    )
    set_secret = run("pbx", "set", "edge", "--format-secret", "-", input="s3cret\n")
    assert set_secret.stdout == "Report format of Edge: Yeastar P-Series, signed.\n"
    assert "s3cret" not in pbxs.get_pbx("edge").format_secret
    assert pbxs.find_format_secret(pbxs.get_pbx("edge")) == "s3cret"
    answer("pbx", "set", "edge", "--format", "yeastar")
    assert pbxs.find_format_secret(pbxs.get_pbx("edge")) == "s3cret"
    # Only a format that can be signed keeps a secret.
    answer("pbx", "set", "edge", "--format", "generic")
    assert pbxs.get_pbx("edge").format_secret == ""
    assert run("pbx", "add", "Other", "--format", "fax").exit_code == 2
    check_failure(run("pbx", "set", "nobody"), "There is no PBX 'nobody'.")


def test_token_of_the_command_works(app: Flask, answer: Callable[..., Any], redis_url: str) -> None:
    """The printed token is valid for the ingest route."""
    token = answer("pbx", "add", "Head office")["token"]
    url = f"/ingest/head-office?event=0&ext=1&token={token}"
    assert app.test_client().get(url).status_code == 202


def test_extensions(run: Run, pbx: Pbx, answer: Callable[..., Any]) -> None:
    """Extensions are added with or without a name, and listed by number."""
    assert answer("extensions", "add", "head-office", "102") == {"number": "102", "name": ""}
    added = run("extensions", "add", "head-office", "0003*210", "--name", "Ștefan")
    assert added.stdout == "Added extension 0003*210.\n"
    assert answer("extensions", "list", "head-office") == [
        {"number": "102", "name": ""},
        {"number": "0003*210", "name": "Ștefan"},
    ]
    assert run("extensions", "list", "head-office").stdout == (
        "number    name\n102\n0003*210  Ștefan\n"
    )


def test_deliveries(run: Run, pbx: Pbx, configure: Configure, answer: Callable[..., Any]) -> None:
    """Deliveries are listed newest first, filtered by state, with all fields in JSON."""
    assert run("deliveries", "list").stdout == "No results.\n"
    hook = configure.hook("*", EventType.DIAL_IN, "http://a/", Method.POST)
    event_id = hook.event_id
    begin_write()
    accepted = accept(
        pbx, [Report(event_type=EventType.DIAL_IN, extension=str(n)) for n in range(3)]
    )
    db.session.commit()
    newest = db.session.query(Delivery).order_by(Delivery.id.desc()).first()
    assert newest is not None
    newest.state, newest.attempts = DeliveryState.FAILED, 2
    newest.status_code, newest.error = 500, "The receiver returned 500."
    delivery_id, created_at = newest.id, newest.created_at
    found = answer("deliveries", "list")
    assert [one["extension"] for one in found] == ["2", "1", "0"]
    assert found[0] == {
        "id": delivery_id,
        "pbx": "head-office",
        "event": "dial-in",
        "extension": "2",
        "call_event_id": accepted[2].id,
        "call": "",
        "event_id": event_id,
        "method": "POST",
        "url": "http://a/",
        "state": "failed",
        "attempts": 2,
        "status_code": 500,
        "error": "The receiver returned 500.",
        "created_at": created_at.isoformat(timespec="milliseconds"),
    }
    assert found[1]["status_code"] is None
    assert len(answer("deliveries", "list", "--limit", "2")) == 2
    assert [one["extension"] for one in answer("deliveries", "list", "--state", "failed")] == ["2"]
    assert answer("deliveries", "list", "--state", "delivered") == []
    header, *lines = run("deliveries", "list").stdout.splitlines()
    assert header.split() == [
        *("created_at", "id", "pbx", "event", "extension", "state", "attempts", "status_code"),
        "url",
    ]
    assert len(lines) == 3
    assert max(map(len, lines)) <= 140


def test_users(run: Run, app: Flask, answer: Callable[..., Any]) -> None:
    """The password of a new user is prompted for twice, given, or in the environment."""
    asked = run("users", "add", "Ana", "--role", "admin", input="a good password\n" * 2)
    assert asked.exit_code == 0
    assert asked.stdout.endswith("Added user ana (admin of all PBXs).\n")
    assert "a good password" not in asked.output
    given = answer("users", "add", "bob", "--password", "b good password")
    assert (given["username"], given["roles"]) == ("bob", ["viewer"])
    env = {"CALLEVENTS_USER_PASSWORD": "c good password"}
    assert answer("users", "add", "eve", env=env)["username"] == "eve"
    for name, password in (("ana", "a"), ("bob", "b"), ("eve", "c")):
        user = finish(verify_password(name, f"{password} good password", Client("192.0.2.1")))
        assert (user.username, user.is_admin) == (name, name == "ana")


def test_passwords_that_differ(run: Run, app: Flask) -> None:
    """Two different passwords add no user."""
    result = run("users", "add", "ana", input="first password\nsecond password\n")
    assert result.exit_code == 1
    assert "do not match" in result.output
    assert not users.has_users()


def test_refused_passwords(run: Run, app: Flask) -> None:
    """A common password or the username adds no user, and the message names the rule."""
    for password, rule in (
        ("short", "Must be 10 to 200 characters."),
        ("Password123", "This password is too common. Attackers try it first."),
        ("Ana.Maria-1", "Must not consist of the username, digits and punctuation only."),
    ):
        check_failure(run("users", "add", "ana.maria", "--password", password), f"password: {rule}")
    assert not users.has_users()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("pbx add Branch", "name: Another PBX has this name. Choose a different one."),
        ("extensions add nobody 101", "There is no PBX 'nobody'."),
        ("extensions list nobody", "There is no PBX 'nobody'."),
        ("extensions add head-office *", "number: The number * stands for all extensions."),
        ("extensions add head-office 101", "number: Head office has an extension '101' already."),
        (
            "hooks set head-office 999 hangup --url http://a/",
            "Head office has no extension '999'.",
        ),
        ("hooks set nobody * hangup --url http://a/", "There is no PBX 'nobody'."),
        (
            "hooks set head-office * ring --url http://a/",
            "Unknown event 'ring'. The events are dial-out, dial-in, hangup, answer-in, "
            "answer-out.",
        ),
        (
            f"hooks set head-office * hangup --url ftp://a/ --note {'x' * 501}",
            "url: The URL must begin with http:// or https://.\n"
            "note: Must be at most 500 characters (got 501).",
        ),
        ("hooks list nobody", "There is no PBX 'nobody'."),
        ("hooks enable nobody", "There is no request with the Event ID 'nobody'."),
        ("hooks disable nobody", "There is no request with the Event ID 'nobody'."),
        ("hooks clear nobody *", "There is no PBX 'nobody'."),
        ("hooks clear head-office 999", "Head office has no extension '999'."),
        (
            "hooks clear head-office * ring",
            "Unknown event 'ring'. The events are dial-out, dial-in, hangup, answer-in, "
            "answer-out.",
        ),
        ("users add bob --password short", "password: Must be 10 to 200 characters."),
    ],
)
def test_errors_are_messages(run: Run, configure: Configure, arguments: str, sentence: str) -> None:
    """An error is a message on stderr with a non-zero exit code."""
    configure.extension("101")
    run("pbx", "add", "Branch")
    for more in ((), ("--json",)):
        check_failure(run(*arguments.split(" "), *more), sentence)


@pytest.mark.parametrize(
    "arguments",
    [
        "hooks set head-office * hangup",
        "hooks set head-office * hangup --url http://a/ --method HEAD",
        "deliveries list --state lost",
        "deliveries list --limit 0",
        "deliveries list --limit 10001",
        "pbx add",
        "pbx delete x",
    ],
)
def test_wrong_usage(run: Run, pbx: Pbx, arguments: str) -> None:
    """Unknown commands and options print the usage."""
    result = run(*arguments.split(" "))
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Usage: " in result.stderr
