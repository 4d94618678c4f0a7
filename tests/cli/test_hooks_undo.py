"""`flask hooks undo`: one command for changes and removals."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from sqlalchemy import select

from callevents.db.models import Extension, Hook, Pbx
from callevents.db.session import begin_write
from callevents.enums import EventType
from callevents.extensions import db
from callevents.ingest.accept import accept
from callevents.ingest.report import Report
from callevents.pbxs.extensions import delete_extension
from tests.cli.conftest import Run
from tests.cli.test_commands import check_failure
from tests.conftest import Configure

BY_HOST = ("--where", "host=old.example.com")


@pytest.fixture
def hooks(configure: Configure) -> Sequence[Hook]:
    """Requests of an extension and of all."""
    configure.extension("101")
    return [
        configure.hook("101", EventType.DIAL_IN, "https://old.example.com/in"),
        configure.hook("*", EventType.HANGUP, "https://old.example.com/end"),
    ]


@pytest.fixture
def listed(answer: Callable[..., Any]) -> Callable[[], Any]:
    """Returns all requests, by Event ID."""
    return lambda: sorted(answer("hooks", "list"), key=lambda hook: hook["event_id"])


def command_of(output: str, limit: str) -> Sequence[str]:
    """Return the command with which a change can be undone, as its last line says."""
    return output.splitlines()[-1].removeprefix(f"To undo this within {limit}: flask ").split()


def report_call(pbx: Pbx) -> None:
    """Let a delivery wait for the request for dialed calls of 101."""
    begin_write()
    accept(pbx, [Report(event_type=EventType.DIAL_IN, extension="101")])
    db.session.commit()


def test_changes(
    run: Run, answer: Callable[..., Any], listed: Callable[[], Any], hooks: Sequence[Hook]
) -> None:
    """The line that a change prints undoes it, once."""
    before = listed()
    replace = ("hooks", "replace-url", "--find", "old.", "--replace-with", "new.", *BY_HOST)
    command = command_of(run(*replace).stdout, "half an hour")
    assert listed() != before
    assert run(*command).stdout == "Undone: 2 requests.\n"
    assert listed() == before
    check_failure(
        run(*command),
        "There is nothing to undo: it has been undone already, or it is too late. Clearing and "
        "deleting can be undone for 30 seconds, other changes for half an hour.",
    )
    change = answer(*replace)["change"]
    answer("hooks", "set", "head-office", "*", "hangup", "--url", "http://a/")
    assert answer("hooks", "undo", change) == {
        "extension": None,
        "requests": 1,
        "left_out": 1,
        "held": 0,
        "released": 0,
    }


def test_changes_of_what_waits(
    run: Run, answer: Callable[..., Any], pbx: Pbx, hooks: Sequence[Hook]
) -> None:
    """Undoing says what goes on, and what is held again."""
    report_call(pbx)
    disabled = answer("hooks", "disable", *BY_HOST)["change"]
    assert run("hooks", "undo", disabled).stdout == (
        "Undone: 2 requests. 1 waiting delivery goes on.\n"
    )
    answer("hooks", "disable", *BY_HOST)
    enabled = answer("hooks", "enable", *BY_HOST)["change"]
    assert run("hooks", "undo", enabled).stdout == (
        "Undone: 2 requests. 1 waiting delivery held.\n"
    )


@pytest.mark.parametrize("chosen", [("head-office", "101"), BY_HOST], ids=["few", "many"])
def test_clearing(
    run: Run,
    answer: Callable[..., Any],
    listed: Callable[[], Any],
    pbx: Pbx,
    hooks: Sequence[Hook],
    chosen: tuple[str, ...],
) -> None:
    """However requests were cleared: they and what waited for them are back."""
    report_call(pbx)
    before, [delivery] = listed(), answer("deliveries", "list")
    command = command_of(run("hooks", "clear", *chosen).stdout, "30 seconds")
    shown = answer("deliveries", "show", delivery["id"])
    assert (shown["state"], shown["held_because"]) == ("held", "the request has just been removed")
    assert run(*command).stdout.endswith(". 1 waiting delivery goes on.\n")
    assert listed() == before
    assert answer("deliveries", "list") == [delivery]
    twice = run(*command)
    assert (twice.exit_code, "There is nothing to undo" in twice.stderr) == (1, True)


def test_what_a_clearing_ends(
    run: Run, answer: Callable[..., Any], pbx: Pbx, hooks: Sequence[Hook]
) -> None:
    """It says how many deliveries end with the requests, as text and as JSON."""
    report_call(pbx)
    text = run("hooks", "clear", "head-office", "101").stdout
    assert text.startswith("Cleared 1 request. 1 waiting delivery cancelled.\n")
    assert run(*command_of(text, "30 seconds")).exit_code == 0
    [cleared] = answer("hooks", "clear", "head-office", "101")
    assert cleared["waiting"] == 1
    assert answer("hooks", "undo", cleared["removal"])["released"] == 1


def test_removed_extensions(
    run: Run, listed: Callable[[], Any], pbx: Pbx, hooks: Sequence[Hook]
) -> None:
    """An extension that a page or the API has removed is back, with its requests."""
    before = listed()
    begin_write()
    removed = delete_extension(db.session.scalars(select(Extension)).one())
    db.session.commit()
    assert run("hooks", "undo", removed.id).stdout == "Undone: extension 101 with 1 request.\n"
    assert listed() == before


@pytest.mark.parametrize("wrong", ["x", "01932c07-209f-7c3e-8f0e-0f6d1c5b8a11"])
def test_unknown(run: Run, pbx: Pbx, wrong: str) -> None:
    """No ID of any change."""
    result = run("hooks", "undo", wrong)
    assert (result.exit_code, "There is nothing to undo" in result.stderr) == (1, True)
