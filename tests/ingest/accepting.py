"""Short functions to create and accept reports."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, select

from callevents.db.models import Pbx
from callevents.db.session import begin_write
from callevents.enums import EventType
from callevents.extensions import db
from callevents.ingest.accept import Accepted, accept
from callevents.ingest.report import Report

DIAL_IN, DIAL_OUT, HANGUP = EventType.DIAL_IN, EventType.DIAL_OUT, EventType.HANGUP
NOW = datetime(2026, 3, 1, 10, 0, 0, tzinfo=UTC)
AT = datetime(2026, 3, 1, 9, 59, 58, 250_000, tzinfo=UTC)


def report(event: EventType = DIAL_IN, **values: object) -> Report:
    """Return a report of an event at 101."""
    return Report(**{"event_type": event, "extension": "101", **values})  # type: ignore[arg-type]


def accept_now(pbx: Pbx, *reports: Report) -> list[Accepted]:
    """Accept the reports in a separate transaction."""
    begin_write()
    accepted = accept(pbx, reports)
    db.session.commit()
    return accepted


def count(model: type[Any]) -> int:
    """Return the number of rows."""
    return db.session.scalar(select(func.count()).select_from(model)) or 0
