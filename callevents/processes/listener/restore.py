"""What earlier listeners have told of calls that may still run."""

from datetime import timedelta

from sqlalchemy import exists, literal, select
from sqlalchemy.orm import aliased

from callevents.db.models import CallEvent, utc_now
from callevents.enums import EventType
from callevents.extensions import db
from callevents.ingest.report import Report
from callevents.vendors.tracking.events import KEY_PREFIX
from callevents.vendors.tracking.legs import MAX_IDLE, MAX_LEGS
from callevents.vendors.tracking.restored_leg import RestoredLeg, restore_legs

#: How many events a leg that has not hung up may have.
EVENTS_PER_LEG = 3
#: Of keys that were given by who reported; see ingest/dedup_key.py.
GIVEN = "given:"


def load_restored_legs(pbx_id: int, longest: timedelta = MAX_IDLE) -> list[RestoredLeg]:
    """Return the legs of which something was told within a day, and no hangup."""
    hangup = aliased(CallEvent)
    key = literal(f"{GIVEN}{KEY_PREFIX}{EventType.HANGUP.slug}:") + CallEvent.leg_id
    rows = db.session.scalars(
        select(CallEvent)
        .where(
            CallEvent.pbx_id == pbx_id,
            CallEvent.received_at > utc_now() - longest,
            CallEvent.event_type != EventType.HANGUP,
            CallEvent.key.startswith(GIVEN + KEY_PREFIX, autoescape=True),
            ~exists().where(hangup.pbx_id == pbx_id, hangup.key == key),
        )
        .order_by(CallEvent.received_at.desc(), CallEvent.id.desc())
        .limit(MAX_LEGS * EVENTS_PER_LEG)
    ).all()
    return restore_legs(_report(event) for event in reversed(rows))


def _report(event: CallEvent) -> Report:
    names = ("event_type", "extension", "call_id", "leg_id", "peer", "caller_number")
    more = ("caller_name", "called_number", "called_did")
    values = {name: getattr(event, name) for name in (*names, *more)}
    return Report(**values, at=event.happened_at)
