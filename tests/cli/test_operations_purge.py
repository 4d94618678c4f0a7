"""`flask purge` removes old call events."""

import json
from datetime import timedelta

import pytest
from click.testing import Result
from flask import Flask

from callevents import create_app
from callevents.config.settings import Settings
from callevents.db.models import CallEvent
from callevents.enums import DeliveryState
from callevents.extensions import db
from tests.support.aged_events import AddEvents


def purge(app: Flask, *arguments: str) -> Result:
    """Run the command."""
    db.session.commit()
    result = app.test_cli_runner().invoke(args=["purge", *arguments])
    db.session.rollback()
    return result


def test_purge(app: Flask, add_events: AddEvents) -> None:
    """Prints the removed counts, removes nothing in a dry run, and accepts any age."""
    add_events(2, age=timedelta(days=31), attempts=2)
    add_events(1, age=timedelta(days=31), state=DeliveryState.PENDING)
    add_events(1, age=timedelta(hours=13))
    tried = json.loads(purge(app, "--dry-run", "--json").stdout)
    assert tried == {"events": 2, "deliveries": 2, "attempts": 4, "kept": 1}
    assert db.session.query(CallEvent).count() == 4
    assert purge(app).stdout == (
        "Removed 2 call events, 2 deliveries and 4 attempts. "
        "Kept 1 events with pending deliveries.\n"
    )
    assert json.loads(purge(app, "--older-than", "12h", "--json").stdout)["events"] == 1
    assert db.session.query(CallEvent).count() == 1


@pytest.mark.parametrize("age", ["30", "d", "-1d", "1w", "1.5d", "9999999d", "٣d"])
def test_ages_that_are_none(app: Flask, age: str) -> None:
    """An invalid duration is rejected with a message before anything is removed."""
    result = purge(app, f"--older-than={age}")
    assert result.exit_code == 2
    assert f"Invalid duration {age!r} (use 30d, 12h or 90m)." in result.stderr


def test_purge_where_all_is_kept(settings: Settings) -> None:
    """Without a retention setting, --older-than is required."""
    app = create_app(settings.model_copy(update={"retention_days": 0}))
    result = app.test_cli_runner().invoke(args=["purge"])
    assert result.exit_code == 2
    assert "Pass --older-than." in result.stderr
    with app.app_context():
        db.engine.dispose()
