"""Commands that change many requests: --where, --dry-run, --json."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from sqlalchemy import select

from callevents.conditions import Conditions, describe
from callevents.db.models import Hook, Receiver
from callevents.db.session import begin_write
from callevents.enums import EventType
from callevents.extensions import db
from tests.cli.conftest import Run
from tests.conftest import Configure

HOST = ("--where", "host=old.example.com")


@pytest.fixture
def hooks(configure: Configure) -> Sequence[Hook]:
    """Requests of two extensions and of all."""
    for number in ("101", "102"):
        configure.extension(number)
    return [
        configure.hook("101", EventType.DIAL_IN, "https://old.example.com/in?key=geheim"),
        configure.hook("101", EventType.HANGUP, "https://old.example.com/end"),
        configure.hook("*", EventType.HANGUP, "https://other.example.com/"),
    ]


def urls() -> list[str]:
    """Return the URLs of all requests."""
    db.session.rollback()
    return list(db.session.scalars(select(Hook.url).order_by(Hook.id)))


def test_replaces(run: Run, answer: Callable[..., Any], hooks: Sequence[Hook]) -> None:
    """The dry run prints what would change, masked."""
    before = urls()
    replace = ("hooks", "replace-url", "--find", "old.", "--replace-with", "new.", *HOST)
    tried = run(*replace, "--dry-run")
    assert "Would change 2 of 2 requests." in tried.output
    assert (
        "https://old.example.com/in?key=•••• -> https://new.example.com/in?key=••••" in tried.output
    )
    preview = answer(*replace, "--dry-run")
    assert (preview["dry_run"], preview["changed"], len(preview["changes"])) == (True, 2, 2)
    assert urls() == before
    done = answer(*replace)
    assert (done["changed"], done["left_out"]) == (2, {})
    assert urls()[0] == "https://new.example.com/in?key=geheim"


def test_states_policy_and_clear(
    run: Run, answer: Callable[..., Any], hooks: Sequence[Hook]
) -> None:
    """All that match are disabled, enabled, changed or removed; Event IDs work too."""
    assert "Disabled 2 requests." in run("hooks", "disable", *HOST).output
    assert len(answer("hooks", "list", "--where", "state=disabled")) == 2
    enabled = run("hooks", "enable", "--where", "state=disabled")
    assert "To undo this within half an hour: flask hooks undo " in enabled.output
    ids = [hook.event_id for hook in hooks]
    assert "Disabled 2 requests." in run("hooks", "disable", *ids[:2]).output
    assert "Enabled 2 requests." in run("hooks", "enable", *ids[:2]).output
    policy = ("hooks", "policy", "--give-up-after", "1h", "--no-order")
    assert answer(*policy, *ids)["changed"] == 3
    assert answer(*policy, *HOST)["unchanged"] == 2
    assert "Would change 2 of 2" in run("hooks", "clear", *HOST, "--dry-run").output
    removed = run("hooks", "clear", *HOST)
    assert "Cleared 2 requests." in removed.output
    assert len(urls()) == 1


def test_conditions(run: Run, answer: Callable[..., Any], hooks: Sequence[Hook]) -> None:
    """Conditions are set and removed by their names; each request keeps its others."""
    change = ("hooks", "conditions")
    assert answer(*change, "--only-if", "party=external", *HOST)["changed"] == 2
    hours = "hours=mon-fri 09:00-17:00 Europe/Bucharest"
    tried = run(*change, "--only-if", hours, "--remove", "party", *HOST, "--dry-run").output
    assert "external calls -> Monday to Friday 09:00 to 17:00 (Europe/Bucharest)" in tried
    assert answer(*change, "--only-if", hours, *HOST)["changed"] == 2
    [stored] = set(db.session.scalars(select(Hook.conditions).where(Hook.conditions != "")))
    assert describe(Conditions.read(stored)).startswith("external calls, Monday to Friday")
    both = run(*change, "--only-if", hours, "--remove", "hours", *HOST)
    assert (both.exit_code, "not to both" in both.output) == (2, True)
    assert run(*change, *HOST).output == "Error: conditions: Choose what to change.\n"


def test_copies_and_moves(run: Run, answer: Callable[..., Any], hooks: Sequence[Hook]) -> None:
    """Requests are copied to extensions, and moved to a receiver."""
    copied = answer("hooks", "copy", "--to", "101-102", "--where", "extension=101")
    assert (copied["changed"], copied["unchanged"]) == (2, 2)
    missing = run("hooks", "copy", "--to", "999", "--where", "extension=101")
    assert "Head office has no extension 999." in missing.output
    begin_write()
    db.session.add(Receiver(slug="crm", name="CRM", address="https://crm.example.com/api"))
    db.session.commit()
    moved = answer("hooks", "move", "crm", *HOST)
    assert moved["changed"] == 4
    assert "https://crm.example.com/api/end" in urls()
    unknown = run("hooks", "move", "zammad", *HOST)
    assert "There is no receiver 'zammad'" in unknown.output
    assert len(answer("hooks", "list", "--where", "receiver=crm")) == 4


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("disable",), "Pass Event IDs, or --where"),
        (("disable", "--dry-run"), "Pass Event IDs, or --where"),
        (("disable", "x", *HOST), "Pass Event IDs, or --where"),
        (("disable", "--cancel", *HOST), "Pass --cancel with one Event ID"),
        (("enable", "--where", "host"), "Invalid --where 'host'. Write it like"),
        (("enable", "--where", "hosts=x"), "Names: pbx, extension, group, event"),
        (("enable", "--where", "state=broken"), "state: Must be one of: enabled"),
        (("enable", "--where", "pbx=nowhere"), "There is no PBX"),
        (("enable", *HOST, *HOST), "only once"),
        (("policy", *HOST), "Choose what to change."),
        (("policy", "unknown", "--no-order"), "There is no request with the Event ID 'unknown'."),
        (("clear",), "Pass PBX and EXTENSION, or --where"),
        (("clear", "head-office", *HOST), "Pass PBX and EXTENSION, or --where"),
        (("list", "--where", "event=noon"), "event: Must be one of: dial-out"),
    ],
)
def test_errors(run: Run, hooks: Sequence[Hook], arguments: tuple[str, ...], problem: str) -> None:
    """Each wrong use is an error that says what to do, and nothing changes."""
    before = urls()
    result = run("hooks", *arguments)
    assert result.exit_code != 0
    assert problem in " ".join(result.output.split())
    assert urls() == before
