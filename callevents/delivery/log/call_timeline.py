"""One call: its events and the deliveries of each."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import selectinload

from callevents.db.models import CallEvent, Delivery, Hook, Pbx
from callevents.errors import NotFoundError
from callevents.extensions import db

#: A call has a dozen events; a PBX that uses one ID for all calls must not make an endless page.
MAX_EVENTS = 200
MAX_DELIVERIES = 1000


@dataclass(frozen=True)
class Call:
    """A call's events, in the order in which they happened, and their deliveries, by event id."""

    call_id: str
    events: Sequence[CallEvent]
    deliveries: dict[str, list[Delivery]]
    #: True if there are more events or deliveries than these.
    is_cut: bool


def get_call(
    pbx: Pbx,
    call_id: str,
    *,
    of_events: ColumnElement[bool],
    of_deliveries: ColumnElement[bool],
) -> Call:
    """Return what the conditions leave of the call; raises NotFoundError."""
    events = db.session.scalars(
        select(CallEvent)
        .where(CallEvent.pbx_id == pbx.id, CallEvent.call_id == call_id, of_events)
        .order_by(CallEvent.happened_at, CallEvent.id)
        .limit(MAX_EVENTS + 1)
    ).all()
    if not call_id or not events:
        raise NotFoundError(
            f"{pbx.name} has not reported a call {call_id!r}, or its events have been removed."
        )
    found = db.session.scalars(
        select(Delivery)
        .options(
            selectinload(Delivery.origin), selectinload(Delivery.hook).selectinload(Hook.receiver)
        )
        .where(
            Delivery.call_event_id.in_([event.id for event in events[:MAX_EVENTS]]), of_deliveries
        )
        .order_by(Delivery.id)
        .limit(MAX_DELIVERIES + 1)
    ).all()
    deliveries: dict[str, list[Delivery]] = {}
    for delivery in found[:MAX_DELIVERIES]:
        deliveries.setdefault(delivery.call_event_id, []).append(delivery)
    is_cut = len(events) > MAX_EVENTS or len(found) > MAX_DELIVERIES
    return Call(call_id, events[:MAX_EVENTS], deliveries, is_cut)
