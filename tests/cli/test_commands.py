"""The commands: effects, text and JSON output, errors."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import text

from callevents import create_app
from callevents.config.settings import Settings
from callevents.db.models import Delivery, Hook, Pbx
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
from tests.support.database_faults import lost_connection, missing_table
from tests.support.programs import find_free_port


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


def test_setting_hooks(
    run: Run, pbx: Pbx, configure: Configure, answer: Callable[..., Any]
) -> None:
    """A hook is created, then updated under its Event ID; --add creates another one."""
    configure.extension("101")
    where = ("head-office", "101", "dial-out")
    made = answer("hooks", "set", *where, "--url", "http://A/x")
    event_id = made.pop("event_id")
    assert len(event_id) == 30
    assert made == {
        "pbx": "head-office",
        "extension": "101",
        "event": "dial-out",
        "method": "GET",
        "url": "http://a/x",
        "active": True,
        "suspended": False,
        "note": "",
        "give_up_after": "24h",
        "in_order": True,
        "body": "form",
        "parameters": "all",
        "headers": [],
        "auth": "none",
        "content_type": "",
        "template": "",
        "maps": [],
        "once_per_call": False,
        "only_if": [],
        "keep": {},
        "if_missing": "fail",
        "receiver": "",
        "signed": False,
    }
    changed = run(
        "hooks",
        "set",
        *where,
        "--url",
        "http://b/",
        "--method",
        "post",
        "--note",
        "n",
        "--inactive",
    )
    assert changed.stdout == event_id + "\n"
    [listed] = answer("hooks", "list")
    assert (listed["url"], listed["method"], listed["note"], listed["active"]) == (
        *("http://b/", "POST", "n", False),
    )
    plain = run("hooks", "set", *where, "--url", "http://b/?key=geheim", "--inactive")
    assert plain.stdout == f"{event_id}\n"
    assert plain.stderr == "dial-out of 101: GET http://b/?key=••••, disabled. Event ID:\n"
    added = answer("hooks", "set", *where, "--url", "http://c/", "--add")
    assert added["event_id"] != event_id
    assert len(answer("hooks", "list", "head-office")) == 2
    check_failure(
        run("hooks", "set", *where, "--url", "http://d/"),
        "This event has 2 requests. Edit one of them in its dialog.",
    )


@pytest.mark.parametrize("event", EventType)
def test_every_event_by_name_and_code(
    pbx: Pbx, answer: Callable[..., Any], event: EventType
) -> None:
    """An event is given by name, in any spelling, or by code; * stands for all extensions."""
    spellings = (event.slug, event.name, event.slug.replace("-", ""), str(event.value))
    for spelling in spellings:
        made = answer("hooks", "set", "head-office", "*", spelling, "--url", "http://a/")
        assert (made["event"], made["extension"]) == (event.slug, "*")
    assert len(answer("hooks", "list")) == 1


def test_switching_hooks(
    run: Run, pbx: Pbx, configure: Configure, answer: Callable[..., Any]
) -> None:
    """A hook is disabled, which holds its pending deliveries, and enabled again."""
    hook = configure.hook("*", EventType.DIAL_IN, "http://a/")
    event_id = hook.event_id
    begin_write()
    accept(pbx, [Report(event_type=EventType.DIAL_IN, extension="1")])
    db.session.commit()
    disabled = answer("hooks", "disable", event_id)
    assert (disabled["active"], disabled["held"], disabled["cancelled"]) == (False, 1, 0)
    [listed] = answer("deliveries", "list", "--state", "held")
    shown = answer("deliveries", "show", listed["id"])
    assert (shown["state"], shown["held_because"]) == ("held", "the request is disabled")
    enabled = f"Enabled {event_id}. 1 waiting delivery goes on.\n"
    assert run("hooks", "enable", event_id).stdout == enabled
    held = f"Disabled {event_id}. 1 waiting delivery held.\n"
    assert run("hooks", "disable", event_id).stdout == held
    assert answer("hooks", "enable", event_id)["released"] == 1
    cancelled = f"Disabled {event_id}. 1 waiting delivery cancelled.\n"
    assert run("hooks", "disable", event_id, "--cancel").stdout == cancelled
    assert [one["state"] for one in answer("deliveries", "list")] == ["cancelled"]
    assert run("hooks", "disable", event_id).stdout == f"Disabled {event_id}.\n"
    assert answer("hooks", "enable", event_id)["active"] is True
    line = run("hooks", "list").stdout.splitlines()[1]
    assert line.split() == [
        event_id,
        "head-office",
        "*",
        "dial-in",
        "GET",
        "http://a/",
        "yes",
        "no",
    ]


def test_clearing_hooks(
    run: Run, pbx: Pbx, configure: Configure, answer: Callable[..., Any]
) -> None:
    """Some events' hooks are removed, or all of an extension; others stay."""
    configure.extension("101")
    for event in EventType:
        configure.hook("101", event, f"http://a/{event.value}")
    for_all = configure.hook("*", EventType.DIAL_IN, "http://all/").event_id
    removed = answer("hooks", "clear", "head-office", "101", "dial-in", "4")
    assert {one["url"] for one in removed} == {"http://a/0", "http://a/4"}
    lines = run("hooks", "clear", "head-office", "101", "hangup").stdout.splitlines()
    assert lines[0] == "Cleared 1 request."
    assert run("hooks", "clear", "head-office", "101", "hangup").stdout == "Cleared 0 requests.\n"
    lines = run("hooks", "clear", "head-office", "101").stdout.splitlines()
    assert lines[0] == "Cleared 2 requests."
    assert [one["event_id"] for one in answer("hooks", "list")] == [for_all]


def test_undoing_a_removal(
    run: Run, pbx: Pbx, configure: Configure, answer: Callable[..., Any]
) -> None:
    """`clear` says how many deliveries end with the hooks, and `undo` brings both back."""
    hook = configure.hook("*", EventType.DIAL_IN, "http://a/")
    configure.hook("*", EventType.HANGUP, "http://b/")
    begin_write()
    accept(pbx, [Report(event_type=EventType.DIAL_IN, extension="1")])
    db.session.commit()
    [delivery] = answer("deliveries", "list")
    before = answer("hooks", "list")
    first, second = run("hooks", "clear", "head-office", "*").stdout.splitlines()
    assert first == "Cleared 2 requests. 1 waiting delivery cancelled."
    command = second.removeprefix("To undo this within 30 seconds: flask ").split()
    shown = answer("deliveries", "show", delivery["id"])
    assert (shown["state"], shown["held_because"]) == ("held", "the request has just been removed")
    assert run(*command).stdout == "2 requests are back. 1 waiting delivery.\n"
    assert answer("hooks", "list") == before
    assert answer("deliveries", "list") == [delivery]
    twice = run(*command)
    assert twice.exit_code == 1
    assert twice.stderr.startswith("Error: There is nothing to undo")
    cleared = answer("hooks", "clear", "head-office", "*")
    waiting = {one["event_id"]: one["waiting"] for one in cleared}
    assert waiting[hook.event_id] == 1
    [removal] = {one["removal"] for one in cleared}
    assert answer("hooks", "undo", "head-office", removal) == {"requests": 2, "waiting": 1}


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


@pytest.mark.parametrize("command", ["web", "worker", "listen"])
def test_processes_refuse_a_database_of_a_development_version(
    run: Run, app: Flask, command: str
) -> None:
    """They would write to tables that mean something else."""
    begin_write()
    known = db.session.scalar(text("SELECT version_num FROM alembic_version"))
    db.session.execute(text("UPDATE alembic_version SET version_num = '0007'"))
    db.session.commit()
    try:
        result = run(command)
    finally:
        begin_write()
        db.session.execute(text("UPDATE alembic_version SET version_num = :v"), {"v": known})
        db.session.commit()
    assert result.exit_code == 1
    assert "was created by an unreleased development version" in result.stderr


def test_database_that_is_not_set_up(run: Run, pbx: Pbx) -> None:
    """A configured database without this version's tables is not changed; the message says so."""
    db.session.rollback()
    with missing_table(db.engine, "alembic_version"):
        result = run("pbx", "list")
    check_failure(result, "The database is not set up for this version. Run: flask db upgrade")


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Flask]:
    """An application on a new SQLite file in its data folder."""
    app = create_app(Settings(data_dir=tmp_path))
    yield app
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


def test_own_database_is_set_up_by_the_first_command(alone: Flask) -> None:
    """The first command creates the tables of SQLite in the data folder."""
    result = alone.test_cli_runner().invoke(args=["pbx", "list", "--json"])
    assert (result.exit_code, result.stdout) == (0, "[]\n")
    with alone.app_context():
        assert db.session.query(Hook).all() == []


def test_database_that_does_not_answer(tmp_path: Path) -> None:
    """The message names host and database, not the password."""
    port = find_free_port()
    url = f"postgresql://robot:geheim@127.0.0.1:{port}/calls"
    app = create_app(Settings(data_dir=tmp_path, database_url=url))
    result = app.test_cli_runner().invoke(args=["pbx", "list"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"The database calls on 127.0.0.1:{port} cannot be used: " in result.stderr
    assert "geheim" not in result.stderr
    with app.app_context():
        db.engine.dispose()


def test_database_that_fails_during_the_command(run: Run, pbx: Pbx) -> None:
    """A database failure during the command is a message too."""
    db.session.rollback()
    if db.engine.dialect.name == "sqlite":
        with missing_table(db.engine, "pbx"):
            result = run("pbx", "list")
    else:
        with lost_connection(db.engine, "SELECT pbx."):
            result = run("pbx", "list")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: The database is unavailable: ")
    assert "Traceback" not in result.stderr


def test_urls_are_printed_without_secrets(run: Run, pbx: Pbx, answer: Callable[..., Any]) -> None:
    """Commands mask secrets in URLs; only a list that is asked to shows them."""
    url = "https://hooks.slack.com/services/T0/B0/abcdefgh?token=s3cret"
    masked = "https://hooks.slack.com/services/T0/B0/••••?token=••••"
    made = answer("hooks", "set", "head-office", "*", "dial-in", "--url", url)
    assert made["url"] == masked
    assert [one["url"] for one in answer("hooks", "list")] == [masked]
    assert masked in run("hooks", "list").stdout
    assert answer("hooks", "disable", made["event_id"])["url"] == masked
    assert [one["url"] for one in answer("hooks", "list", "--show-secrets")] == [url]
    assert url in run("hooks", "list", "--show-secrets").stdout
    assert answer("hooks", "clear", "head-office", "*")[0]["url"] == masked
