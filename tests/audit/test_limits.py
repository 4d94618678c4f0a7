"""What keeps the history small: retention by age, and a limit for failed sign-ins."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import update

from callevents import audit
from callevents.audit import sign_in_failures
from callevents.audit.sign_in_failures import SignInFailures
from callevents.audit.targets import of_pbx
from callevents.config.settings import Settings
from callevents.db.models import AuditEntry, Pbx, first_id, utc_now
from callevents.db.session import begin_write
from callevents.errors import SignInError
from callevents.extensions import app_state, db
from callevents.operations import scheduler as scheduler_module
from callevents.operations.scheduler import Scheduler
from callevents.pbxs import pbxs
from callevents.users.delays import Client
from callevents.users.sign_in import finish, verify_password
from tests.audit.conftest import actions, entries


def age(action: str, days: int) -> None:
    """Make entries older."""
    begin_write()
    at = utc_now() - timedelta(days=days)
    for number, entry in enumerate(db.session.query(AuditEntry).filter_by(action=action)):
        moved = at + timedelta(milliseconds=number)
        changed = update(AuditEntry).where(AuditEntry.id == entry.id)
        db.session.execute(changed.values(id=first_id(moved), at=moved))
    db.session.commit()


@pytest.mark.parametrize(("days", "kept"), [(400, 2), (0, 5)])
def test_old_entries_are_removed(
    app: Flask, pbx: Pbx, settings: Settings, monkeypatch: pytest.MonkeyPatch, days: int, kept: int
) -> None:
    """The leader removes those older than the setting, in batches, even if it keeps all events."""
    monkeypatch.setattr("callevents.operations.retention.BATCH_ROWS", 2)
    monkeypatch.setattr(scheduler_module, "BATCH_ROWS", 2)
    for name in ("A", "B", "C"):
        begin_write()
        pbxs.rename_pbx(pbx, name)
        db.session.commit()
    age("pbx.renamed", 401)
    age("token.added", 399)
    changed = settings.model_copy(update={"audit_retention_days": days, "retention_days": 0})
    scheduler = Scheduler(db.engine, changed)
    scheduler.send_heartbeat()
    scheduler.remove_old()
    assert len(entries()) == kept
    assert {"pbx.added", "token.added"} <= set(actions())
    scheduler.close()


def fail(username: str, number: int) -> None:
    """Fail to sign in from an address of its own."""
    attempt = verify_password(username, "wrong", Client(f"192.0.2.{number}"))
    begin_write()
    with pytest.raises(SignInError):
        finish(attempt)
    db.session.commit()


def test_failed_sign_ins_are_limited(
    app: Flask, people: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A guesser who changes name and address each time fills nothing; all are counted."""
    monkeypatch.setattr(sign_in_failures, "BURST", 3)
    app_state().add(SignInFailures())
    fail("admin", 1)
    for number in range(2, 12):
        fail(f"guess number {number}", number)
    found = entries(action="user.sign_in_failed")
    assert [entry.object_name for entry in found] == ["admin", "gue…", "gue…"]
    assert [entry.object_id for entry in found] == ["1", "", ""]
    # A token is there again.
    app_state().get(SignInFailures)._bucket._tokens = 1
    fail("viewer", 20)
    assert entries(action="user.sign_in_failed")[-1].after == {"failures_left_out": 8}


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ("x" * 2000, "x" * 2000),
        ("x" * 2001, "x" * 2000 + "… (2,001 characters in all)"),
        (["a"] * 100, ["a"] * 100),
        (["a"] * 1102, ["a"] * 100 + ["… and 1,002 more"]),
        (["x" * 3000], ["x" * 2000 + "… (3,000 characters in all)"]),
        ({"a": ["x" * 3000]}, {"a": ["x" * 2000 + "… (3,000 characters in all)"]}),
        (
            {f"{number:03}": 1 for number in range(101)},
            {f"{number:03}": 1 for number in range(100)} | {"…": "and 1 more"},
        ),
        ({"x" * 2001: 1}, {"x" * 2000 + "…": 1}),
        (7, 7),
    ],
)
def test_long_values_are_shortened(app: Flask, pbx: Pbx, value: object, stored: object) -> None:
    """With a mark, before and after, whatever the action."""
    begin_write()
    for before, after in (({"note": value}, {}), ({}, {"note": value})):
        audit.record(audit.Action.PBX_RENAMED, of_pbx(pbx), before=before, after=after)
    db.session.commit()
    removed, added = entries(action="pbx.renamed")
    assert (removed.before, removed.after) == ({"note": stored}, {})
    assert (added.before, added.after) == ({}, {"note": stored})


def test_no_code_changes_an_entry(app: Flask) -> None:
    """Nothing but retention updates or deletes rows of the table."""
    mentions = [
        path.name
        for path in sorted(Path(app.root_path).rglob("*.py"))
        if re.search(r"(update|delete)\(AuditEntry|audit_entry SET", path.read_text())
    ]
    assert mentions == ["retention.py"]
