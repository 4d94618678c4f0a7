"""`flask pbx remove`, `flask pbx token`, and quotas."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from callevents.cli import pbx_removal
from callevents.db.models import Pbx
from callevents.enums import EventType
from callevents.extensions import app_state, db
from callevents.ingest.token_notes import TokenNotes
from callevents.pbxs import pbxs, removal, tokens
from tests.cli.conftest import Run
from tests.conftest import Configure
from tests.support.filled_pbx import count_rows, fill

Answer = Callable[..., Any]


def test_removal_asks_for_the_name(run: Run, pbx: Pbx, configure: Configure) -> None:
    """It says what goes with the PBX; another name removes nothing, the right one all of it."""
    fill(pbx, configure)
    refused = run("pbx", "remove", "head-office", input="Head office\n")
    assert refused.exit_code == 1
    assert refused.stderr == "Error: slug: Type head-office to remove Head office.\n"
    assert pbxs.get_pbx("head-office")
    done = run("pbx", "remove", "head-office", input="head-office\n")
    assert done.exit_code == 0
    assert done.stdout.startswith(
        "Head office has 1 extension, 2 requests, 10 waiting deliveries, 15 deliveries, "
        "15 call events, 1 token, 1 connector, 1 API token and 1 app.\n"
        "All of it is deleted. Type head-office to go on: "
    )
    assert done.stdout.endswith("Removed Head office and 36 rows.\n")
    assert count_rows() == {}


def test_progress(
    run: Run, pbx: Pbx, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it waits it prints how far it is, apart from the result."""
    monkeypatch.setattr(pbx_removal, "PROGRESS_SECONDS", 0)
    fill(pbx, configure)
    done = run("pbx", "remove", "head-office", "--yes", "--json")
    assert done.stderr.splitlines()[:2] == ["0 of 36 rows", "10 of 36 rows"]
    assert done.stderr.splitlines()[-1] == "36 of 36 rows"
    assert json.loads(done.stdout)["rows"] == 36


def test_removal_without_questions(answer: Answer, pbx: Pbx, other_pbx: Pbx) -> None:
    """With --yes nothing is asked; the other PBX stays."""
    assert answer("pbx", "remove", "branch", "--yes") == {
        "pbx": "branch",
        "removed": True,
        "rows": 0,
    }
    assert [one["slug"] for one in answer("pbx", "list")] == ["head-office"]


def test_removal_by_workers(answer: Answer, run: Run, pbx: Pbx) -> None:
    """With --no-wait it is only begun; a second command waits for its end, without questions."""
    begun = answer("pbx", "remove", "head-office", "--yes", "--no-wait")
    assert begun == {"pbx": "head-office", "removed": False, "rows": 0}
    assert [one.slug for one in removal.list_removing()] == ["head-office"]
    assert answer("pbx", "list") == []
    result = run("pbx", "token", "list", "head-office")
    assert result.stderr == "Error: The PBX 'head-office' is being removed.\n"
    assert answer("pbx", "remove", "head-office")["removed"]
    assert count_rows() == {}
    result = run("pbx", "remove", "head-office", "--yes")
    assert result.stderr == "Error: There is no PBX 'head-office'.\n"


def test_json_needs_yes(run: Run, pbx: Pbx) -> None:
    """A program is not asked."""
    result = run("pbx", "remove", "head-office", "--json")
    assert result.exit_code == 2
    assert "With --json, pass --yes." in result.stderr


def test_tokens(app: Flask, run: Run, answer: Answer, pbx: Pbx, token: str) -> None:
    """A token is created and printed once, listed with its last use, and revoked."""
    [first] = answer("pbx", "token", "list", "head-office")
    assert first["begins_with"] == token[:9]
    assert (first["last_used_at"], first["last_used_address"]) == (None, "")
    created = answer("pbx", "token", "add", "head-office")
    assert tokens.look_up("head-office", created["token"]).token_id == created["id"]
    db.session.rollback()
    notes = app_state(app).get(TokenNotes)
    notes.note_use(created["id"], "192.0.2.1")
    notes.flush()
    used = answer("pbx", "token", "list", "head-office")[1]
    assert used["last_used_address"] == "192.0.2.1"
    assert used["last_used_at"] is not None
    third = run("pbx", "token", "add", "head-office")
    assert third.stderr.startswith("Error: Two tokens are valid already.")
    assert answer("pbx", "token", "revoke", "head-office", created["begins_with"]) == {
        "revoked": created["id"]
    }
    result = run("pbx", "token", "revoke", "head-office", first["id"])
    assert result.stdout == f"Revoked the token {token[:9]} of Head office.\n"
    assert answer("pbx", "token", "list", "head-office") == []


def test_token_of_another_pbx(run: Run, pbx: Pbx, other_pbx: Pbx) -> None:
    """A token is revoked at its own PBX only."""
    [other] = tokens.list_tokens(other_pbx)
    result = run("pbx", "token", "revoke", "head-office", other.public_id)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: Head office has no token ")
    assert len(tokens.list_tokens(other_pbx)) == 1


def test_quotas(answer: Answer, run: Run, pbx: Pbx, configure: Configure) -> None:
    """Quotas are set and removed one by one, and shown with their use."""
    configure.extension("101")
    configure.hook("101", EventType.DIAL_IN, "http://crm.example.com/")
    set_ones = answer("pbx", "set", "head-office", "--max-requests", "1", "--max-extensions", "7")
    assert set_ones["quotas"] == {
        "max_events_per_minute": {"used": 0, "limit": None},
        "max_open_deliveries": {"used": 0, "limit": None},
        "max_extensions": {"used": 1, "limit": 7},
        "max_requests": {"used": 1, "limit": 1},
    }
    changed = run("pbx", "set", "head-office", "--max-extensions", "none")
    assert changed.stdout.splitlines() == [
        "Call events in the last minute: 0, no limit",
        "Waiting deliveries: 0, no limit",
        "Extensions: 1, no limit",
        "Requests: 1 of 1",
    ]
    assert answer("pbx", "show", "head-office")["quotas"]["max_requests"]["limit"] == 1
    refused = run(
        "hooks", "set", "head-office", "101", "hangup", "--url", "http://crm.example.com/"
    )
    assert refused.exit_code == 1
    assert refused.stderr.startswith(
        "Error: requests: The quota of Head office is 1 request, and it has 1. Clear others"
    )


@pytest.mark.parametrize("number", ["0", "-1", "many", "", "1000001", "9" * 40])
def test_impossible_quotas(run: Run, pbx: Pbx, number: str) -> None:
    """An impossible number is named with its option, and changes nothing."""
    result = run("pbx", "set", "head-office", f"--max-requests={number}")
    assert result.exit_code == 2
    assert "'--max-requests': Enter a number from 1 to 1,000,000, or none." in result.stderr
    assert pbxs.get_pbx("head-office").max_hooks is None


def test_format_and_quota_together(answer: Answer, pbx: Pbx) -> None:
    """One command sets both; a format alone keeps the quotas."""
    answer("pbx", "set", "head-office", "--format", "kamailio", "--max-extensions", "5")
    answer("pbx", "set", "head-office", "--format", "wazo")
    found = pbxs.get_pbx("head-office")
    assert (found.format, found.max_extensions) == ("wazo", 5)


def test_data_protection(run: Run, pbx: Pbx) -> None:
    """Retention and hidden numbers are set alone or together; others keep their values."""
    done = run("pbx", "set", "head-office", "--retention-days", "7")
    assert (
        done.stdout
        == "Call events are kept 7 days. Whole phone numbers are shown to all its users.\n"
    )
    assert "admins only" in run("pbx", "set", "head-office", "--hide-numbers").stdout
    db.session.refresh(pbx)
    assert (pbx.retention_days, pbx.hides_numbers) == (7, True)
    run("pbx", "set", "head-office", "--retention-days", "none", "--show-numbers")
    assert "as long as those of all PBXs" in run("pbx", "show", "head-office").stdout
    for wrong in ("0", "x", "-1", ""):
        refused = run("pbx", "set", "head-office", "--retention-days", wrong)
        assert refused.exit_code == 1, wrong
        assert "Enter a whole number from 1 to 3,650" in refused.stderr


def test_number_plan(run: Run, answer: Answer, pbx: Pbx) -> None:
    """Options that are omitted keep their value; an empty country needs empty rules."""
    assert "No country is set" in run("pbx", "show", "head-office").stdout
    rules = ("--country", "ro", "--outside-prefix", "9", "--internal-lengths", "3, 4")
    done = run("pbx", "set", "head-office", *rules)
    assert done.stdout == (
        "Numbers without a country are from RO. Outside numbers are dialed with 9 before them. "
        "Numbers of 3 or 4 digits are internal.\n"
    )
    values = answer("pbx", "set", "head-office", "--outside-prefix", "", "--trunk-prefix", "88")
    assert (values["country"], values["outside_prefix"]) == ("RO", "")
    assert (values["trunk_prefix"], values["internal_lengths"]) == ("88", "3,4")
    for option, wrong, message in (
        ("--country", "Romania", "Enter the two letters of a country"),
        ("--country", "", "Enter the country too: the other rules need it."),
        ("--trunk-prefix", "+40", "Enter at most 8 digits, or nothing."),
        ("--internal-lengths", "3-5", "Enter lengths from 1 to 9"),
    ):
        refused = run("pbx", "set", "head-office", option, wrong)
        assert refused.exit_code == 1, (option, wrong)
        assert message in refused.stderr
