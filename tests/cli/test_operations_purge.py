"""The command that removes what is old."""

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
    """It says what it removes, tries without removing, and takes any age."""
    add_events(2, age=timedelta(days=31), attempts=2)
    add_events(1, age=timedelta(days=31), state=DeliveryState.PENDING)
    add_events(1, age=timedelta(hours=13))
    tried = json.loads(purge(app, "--dry-run", "--json").stdout)
    assert tried == {"events": 2, "deliveries": 2, "attempts": 4, "kept": 1}
    assert db.session.query(CallEvent).count() == 4
    assert purge(app).stdout == (
        "2 call events, 2 deliveries and 4 attempts are removed; 1 events are kept because they "
        "are still being delivered.\n"
    )
    assert json.loads(purge(app, "--older-than", "12h", "--json").stdout)["events"] == 1
    assert db.session.query(CallEvent).count() == 1


@pytest.mark.parametrize("age", ["30", "d", "-1d", "1w", "1.5d", "9999999d", "٣d"])
def test_ages_that_are_none(app: Flask, age: str) -> None:
    """An age that cannot be read is refused with a sentence, before anything is removed."""
    result = purge(app, f"--older-than={age}")
    assert result.exit_code == 2
    assert f"{age!r} is no age such as 30d, 12h or 90m." in result.stderr


def test_purge_where_all_is_kept(settings: Settings) -> None:
    """Where events are kept for ever, an age has to be given."""
    app = create_app(settings.model_copy(update={"retention_days": 0}))
    result = app.test_cli_runner().invoke(args=["purge"])
    assert result.exit_code == 2
    assert "say --older-than" in result.stderr
    with app.app_context():
        db.engine.dispose()
