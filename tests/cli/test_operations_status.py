"""`flask status`."""

import json
import threading
from datetime import timedelta

from click.testing import Result
from flask import Flask

from callevents.db.models import Hook, utc_now
from callevents.db.session import begin_write, write_transaction
from callevents.enums import DeliveryState
from callevents.extensions import db
from callevents.operations.heartbeat import InstanceId, send_heartbeat
from callevents.operations.statistics import refresh
from tests.support.aged_events import AddEvents


def status(app: Flask, *arguments: str) -> Result:
    """Run the command."""
    db.session.commit()
    result = app.test_cli_runner().invoke(args=["status", *arguments])
    db.session.rollback()
    return result


def test_status(app: Flask, add_events: AddEvents) -> None:
    """The command prints the figures of the overview as text and as JSON."""
    now = utc_now()
    begin_write()
    db.session.get_one(Hook, add_events.hook.id).failing_since = now
    db.session.commit()
    add_events(3)
    add_events(1, state=DeliveryState.FAILED)
    add_events(5, age=timedelta(hours=3))
    refresh(db.engine, now - timedelta(hours=4), utc_now(), threading.Event())
    with write_transaction(db.engine) as connection:
        send_heartbeat(connection, InstanceId(host="calls-1"), now, foreign_jobs=4)
    found = json.loads(status(app, "--json").stdout)
    assert (found["events"], found["delivered"], found["success_share"]) == (4, 3, 0.75)
    assert found["failing_requests"] == [add_events.hook.event_id]
    assert [one["host"] for one in found["workers"]] == ["calls-1"]
    assert found["foreign_jobs"] == 4
    assert 30 <= found["latency_ms"]["p50"] <= 50
    assert json.loads(status(app, "--day", "--pbx", "head-office", "--json").stdout)["events"] == 9
    text = status(app).stdout
    assert "success share           0.75\n" in text
    assert "host calls-1" in text


def test_status_of_nothing(app: Flask) -> None:
    """An empty installation has figures of zero."""
    text = status(app).stdout
    assert "success share           none\n" in text
    assert "workers                 none\n" in text
    assert status(app, "--pbx", "nobody").exit_code == 1
