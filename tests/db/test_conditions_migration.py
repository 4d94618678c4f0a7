"""Conditions and skipped deliveries in a database that is downgraded, and upgraded again."""

from alembic import command
from alembic.config import Config
from flask import Flask
from sqlalchemy import insert, text

from callevents.conditions import Conditions
from callevents.db.models import MinuteStatistics, Pbx, utc_now
from callevents.db.session import begin_write
from callevents.enums import EventType
from callevents.extensions import db
from callevents.hooks import hooks
from callevents.hooks.options import HookOptions
from callevents.ingest.accept import accept
from callevents.ingest.report import Report
from tests.db.test_migrations import config

__all__ = ["config"]


def test_down_and_up(config: Config, app: Flask, pbx: Pbx) -> None:
    """Down, what was skipped is cancelled, and a hook with conditions is disabled, with a note."""
    begin_write()
    for url, conditions in (("http://a/", Conditions()), ("http://b/", Conditions(("out",)))):
        data = hooks.HookData(url, note="mine", options=HookOptions(conditions=conditions))
        hooks.create_hook(pbx, None, EventType.HANGUP, data)
    accept(pbx, [Report(EventType.HANGUP, "101")])
    minute = {"pbx_id": 0, "minute": utc_now(), "events": 1, "pending": 1, "held": 0}
    minute |= {"delivered": 0, "failed": 0, "cancelled": 1, "skipped": 1, "latencies": []}
    db.session.execute(insert(MinuteStatistics), minute)
    db.session.commit()
    db.session.remove()
    states = text("SELECT url, state FROM delivery ORDER BY url")
    try:
        command.downgrade(config, "0023")
        found = db.session.execute(states).all()
        assert found == [("http://a/", "pending"), ("http://b/", "cancelled")]
        assert db.session.scalar(text("SELECT cancelled FROM minute_statistics")) == 2
        hook = text("SELECT active, note FROM hook ORDER BY url")
        notes = [(bool(row.active), row.note) for row in db.session.execute(hook)]
        assert notes == [(True, "mine"), (False, "Disabled by a downgrade. mine")]
        db.session.remove()
    finally:
        command.upgrade(config, "head")
    command.check(config)
    assert db.session.execute(states).all()[1].state == "cancelled"
