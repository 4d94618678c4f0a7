"""Queries of the delivery log: lists, single deliveries with attempts, the last ones of hooks."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, and_, select
from sqlalchemy.orm import joinedload

from callevents.db.models import Attempt, Delivery, Hook, OpenIndex, Pbx, is_open_by, to_id
from callevents.errors import NotFoundError
from callevents.extensions import db

#: Deliveries of a hook searched for its last failure, from either end.
MAX_SEARCHED = 20


def list_deliveries(
    *,
    pbx: Pbx,
    call_event_id: str | None = None,
    limit: int = 50,
    of_deliveries: ColumnElement[bool] | None = None,
) -> Sequence[Delivery]:
    """Return the deliveries of a PBX, or only those of one event, newest first.

    `of_deliveries` is the condition for those that may be seen.
    """
    query = (
        select(Delivery).where(Delivery.pbx_id == pbx.id).order_by(Delivery.id.desc()).limit(limit)
    )
    if call_event_id is not None:
        query = query.where(Delivery.call_event_id == call_event_id)
    if of_deliveries is not None:
        query = query.where(of_deliveries)
    return db.session.scalars(query).all()


def list_ids_of_event(
    call_event_id: str, of_deliveries: ColumnElement[bool], *, limit: int = 1000
) -> Sequence[str]:
    """Return the IDs of the event's deliveries that the condition leaves, oldest first."""
    query = select(Delivery.id).where(Delivery.call_event_id == call_event_id, of_deliveries)
    return db.session.scalars(query.order_by(Delivery.id).limit(limit)).all()


def get_delivery(delivery_id: str, pbx: Pbx | None = None) -> Delivery:
    """Return the delivery; raises NotFoundError, also if it belongs to another PBX than `pbx`."""
    delivery = find_delivery(delivery_id)
    if delivery is None or (pbx is not None and delivery.pbx_id != pbx.id):
        raise no_such_delivery()
    return delivery


def no_such_delivery() -> NotFoundError:
    """Return the error about a delivery that does not exist, or may not be seen."""
    return NotFoundError("There is no such delivery.")


def find_delivery(delivery_id: str) -> Delivery | None:
    """Return the delivery with its event, PBX, hook and origin loaded; None without one."""
    if (found := to_id(delivery_id)) is None:
        return None
    return db.session.scalar(
        select(Delivery)
        .options(
            joinedload(Delivery.call_event),
            joinedload(Delivery.pbx),
            joinedload(Delivery.hook),
            joinedload(Delivery.origin),
        )
        .where(Delivery.id == found)
    )


def last_deliveries(hooks: Sequence[Hook]) -> dict[int, Delivery]:
    """Return the last delivery of each hook that has any, by hook id."""
    last = (
        select(Delivery.id)
        .where(Delivery.hook_id == Hook.id)
        .order_by(Delivery.id.desc())
        .limit(1)
        .correlate(Hook)
        .scalar_subquery()
    )
    ids = select(last).where(Hook.id.in_([hook.id for hook in hooks]))
    found = db.session.scalars(select(Delivery).where(Delivery.id.in_(ids)))
    return {delivery.hook_id: delivery for delivery in found}


def last_failures(hooks: Sequence[Hook]) -> dict[int, Attempt]:
    """Return the last failed attempt of each hook for which one is found, by hook id.

    Searches the newest deliveries and the oldest open ones: between them may be any number of
    deliveries without an attempt.
    """
    is_open = is_open_by(OpenIndex.HOOK_ID)
    last = [_last_attempted(Delivery.id.desc()), _last_attempted(Delivery.id, is_open)]
    rows = db.session.execute(select(*last).where(Hook.id.in_([hook.id for hook in hooks])))
    ids = {delivery_id for row in rows for delivery_id in row if delivery_id is not None}
    found = db.session.execute(
        select(Delivery.hook_id, Attempt)
        .join(
            Attempt, and_(Attempt.delivery_id == Delivery.id, Attempt.number == Delivery.attempts)
        )
        .where(Delivery.id.in_(ids), Attempt.error != "")
        .order_by(Attempt.started_at)
    )
    return {row.hook_id: row.Attempt for row in found}


def _last_attempted(order: Any, *conditions: ColumnElement[bool]) -> ScalarSelect[Any]:
    """Return the query for a hook's last attempted delivery among MAX_SEARCHED in this order."""
    some = (
        select(Delivery.id, Delivery.attempted_at)
        .where(Delivery.hook_id == Hook.id, *conditions)
        .order_by(order)
        .limit(MAX_SEARCHED)
        .correlate(Hook)
        .subquery()
    )
    return (
        select(some.c.id)
        .where(some.c.attempted_at.is_not(None))
        .order_by(some.c.attempted_at.desc())
        .limit(1)
        .correlate(Hook)
        .scalar_subquery()
    )
