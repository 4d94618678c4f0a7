"""Call events of chosen moments and their deliveries, as they would stand in the database."""

from datetime import datetime, timedelta
from typing import Any

from callevents.db.models import Attempt, CallEvent, Delivery, Hook, Pbx, new_id, utc_now
from callevents.db.session import begin_write
from callevents.enums import CallStatus, DeliveryState, EventType
from callevents.extensions import db
from tests.support.aged_events import id_at


def make_event(pbx: Pbx, at: datetime | None = None, **values: Any) -> CallEvent:
    """Return an event that the PBX reported at that moment, not stored."""
    moment = at or utc_now()
    facts: dict[str, Any] = {
        "event_type": EventType.DIAL_IN,
        "extension": "101",
        "call_id": "c1",
        "status": CallStatus.CALLING,
    }
    return CallEvent(
        id=id_at(moment),
        pbx_id=pbx.id,
        key=new_id(),
        happened_at=moment,
        received_at=moment,
        **{**facts, **values},
    )


def add_events(*events: CallEvent) -> list[str]:
    """Store the events; return their IDs."""
    ids = [event.id for event in events]
    begin_write()
    db.session.add_all(events)
    db.session.commit()
    return ids


def make_delivery(event: CallEvent, hook: Hook, **values: Any) -> Delivery:
    """Return a delivery of the event to the hook, not stored; delivered unless a value differs."""
    moment = event.received_at
    facts: dict[str, Any] = {
        "method": hook.method,
        "url": hook.url,
        "origin_id": hook.origin_id,
        "state": DeliveryState.DELIVERED,
        "attempts": 1,
        "due_at": moment,
        "expires_at": moment + timedelta(days=1),
        "created_at": moment,
    }
    return Delivery(
        id=id_at(moment),
        pbx_id=event.pbx_id,
        call_event_id=event.id,
        event_type=event.event_type,
        extension=event.extension,
        call_id=event.call_id,
        happened_at=event.happened_at,
        hook_id=hook.id,
        hook_event_id=hook.event_id,
        **{**facts, **values},
    )


def make_attempt(delivery: Delivery, number: int, **values: Any) -> Attempt:
    """Return an attempt of the delivery, not stored."""
    facts: dict[str, Any] = {
        "duration_ms": 40,
        "status_code": 200,
        "url": delivery.url if number == 1 else "",
        "request_headers": [],
        "response_headers": [],
    }
    return Attempt(
        delivery_id=delivery.id,
        number=number,
        started_at=delivery.created_at,
        method=delivery.method,
        **{**facts, **values},
    )


def add_delivery(pbx: Pbx, hook: Hook, event: dict[str, Any] | None = None, **values: Any) -> str:
    """Store an event with these values and a delivery of it; return the delivery's ID."""
    reported = make_event(pbx, **(event or {}))
    delivery = make_delivery(reported, hook, **values)
    delivery_id = delivery.id
    begin_write()
    for row in (reported, delivery):
        db.session.add(row)
        db.session.flush()
    db.session.commit()
    return delivery_id
