"""Restores calls that may still run from the events that earlier listeners stored."""

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

#: Maximum number of events of a leg without a hangup.
EVENTS_PER_LEG = 3
#: Prefix of dedup keys that the reporter provided; see ingest/dedup_key.py.
PROVIDED_KEY_PREFIX = "given:"


def load_restored_legs(pbx_id: int, max_age: timedelta = MAX_IDLE) -> list[RestoredLeg]:
    """Return the legs with an event within `max_age` and no hangup."""
    hangup = aliased(CallEvent)
    key = literal(f"{PROVIDED_KEY_PREFIX}{KEY_PREFIX}{EventType.HANGUP.slug}:") + CallEvent.leg_id
    rows = db.session.scalars(
        select(CallEvent)
        .where(
            CallEvent.pbx_id == pbx_id,
            CallEvent.received_at > utc_now() - max_age,
            CallEvent.event_type != EventType.HANGUP,
            CallEvent.key.startswith(PROVIDED_KEY_PREFIX + KEY_PREFIX, autoescape=True),
            ~exists().where(hangup.pbx_id == pbx_id, hangup.key == key),
        )
        .order_by(CallEvent.received_at.desc(), CallEvent.id.desc())
        .limit(MAX_LEGS * EVENTS_PER_LEG)
    ).all()
    return restore_legs(_to_report(event) for event in reversed(rows))


def _to_report(event: CallEvent) -> Report:
    names = ("event_type", "extension", "call_id", "leg_id", "peer", "caller_number")
    more = ("caller_name", "called_number", "called_did", "is_late")
    values = {name: getattr(event, name) for name in (*names, *more)}
    return Report(**values, at=event.happened_at)
