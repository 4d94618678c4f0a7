"""Deliveries that are claimed in the transaction of their event, to be handed over."""

from datetime import datetime

from callevents.db.models import Pbx, new_id, utc_now
from callevents.db.session import begin_write
from callevents.enums import EventType
from callevents.extensions import db
from callevents.ingest.accept import NewDeliveries, accept
from callevents.ingest.report import Report
from callevents.jobs.handover import Entry


def report_claimed(
    pbx: Pbx,
    count: int = 1,
    event: EventType = EventType.DIAL_IN,
    claimed_at: datetime | None = None,
) -> Entry:
    """Accept events of as many calls, and return what would be handed over."""
    new = NewDeliveries(hands_over=True, claimed_at=claimed_at or utc_now())
    begin_write()
    accept(
        pbx,
        [Report(event_type=event, extension="101", call_id=new_id()) for _ in range(count)],
        new,
    )
    db.session.commit()
    assert len(new.claimed) == count
    return Entry(new.claimed_at, dict.fromkeys(new.claimed, 1))
