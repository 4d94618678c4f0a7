"""`flask hooks resume`."""

import json

import pytest
from click.testing import Result
from flask import Flask

from callevents.db.models import Hook, utc_now
from callevents.db.session import begin_write
from callevents.enums import EventType
from callevents.extensions import db
from tests.conftest import Configure


def resume(app: Flask, *arguments: str) -> Result:
    """Run the command."""
    db.session.commit()
    result = app.test_cli_runner().invoke(args=["hooks", "resume", *arguments])
    db.session.rollback()
    return result


@pytest.fixture
def hooks(configure: Configure) -> list[Hook]:
    """Three requests, two of them suspended."""
    made = [configure.hook("*", EventType.HANGUP, f"http://{n}.example/") for n in "abc"]
    begin_write()
    for hook in made[:2]:
        db.session.get_one(Hook, hook.id).suspended_at = utc_now()
    db.session.commit()
    return made


def count() -> int:
    """Return how many are suspended now."""
    db.session.rollback()
    return db.session.query(Hook).filter(Hook.suspended_at.is_not(None)).count()


def test_resume(app: Flask, hooks: list[Hook]) -> None:
    """The named requests are resumed, or all."""
    assert resume(app, hooks[0].event_id, hooks[2].event_id).stdout == "Resumed 1 request.\n"
    assert count() == 1
    [resumed] = json.loads(resume(app, "--all", "--json").stdout)
    assert (resumed["event_id"], resumed["suspended"]) == (hooks[1].event_id, False)
    assert count() == 0


def test_refusals(app: Flask, hooks: list[Hook]) -> None:
    """Without a selection, or with an unknown Event ID, nothing is resumed."""
    for arguments in ((), (hooks[0].event_id, "--all"), (hooks[0].event_id, "unknown")):
        assert resume(app, *arguments).exit_code != 0
        assert count() == 2
