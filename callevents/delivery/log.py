"""The log of deliveries: lists, single ones with their attempts, and each hook's last."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from callevents.errors import NotFoundError
from callevents.extensions import db
from callevents.models import Attempt, Delivery, Hook, Pbx, to_id


def list_deliveries(
    *, pbx: Pbx, call_event_id: str | None = None, limit: int = 50
) -> Sequence[Delivery]:
    """Return deliveries of the PBX, or only those of one event, newest first."""
    query = (
        select(Delivery).where(Delivery.pbx_id == pbx.id).order_by(Delivery.id.desc()).limit(limit)
    )
    if call_event_id is not None:
        query = query.where(Delivery.call_event_id == call_event_id)
    return db.session.scalars(query).all()


def get_delivery(delivery_id: str, pbx: Pbx | None = None) -> Delivery:
    """Return the delivery, of that PBX if one is given; raises NotFoundError."""
    delivery = find_delivery(delivery_id)
    if delivery is None or (pbx is not None and delivery.pbx_id != pbx.id):
        raise NotFoundError("There is no such delivery.")
    return delivery


def find_delivery(delivery_id: str) -> Delivery | None:
    """Return the delivery with its event, PBX, hook and origin; None if there is none."""
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


def list_attempts(delivery: Delivery) -> Sequence[Attempt]:
    """Return the delivery's attempts, the first one first."""
    return db.session.scalars(
        select(Attempt).where(Attempt.delivery_id == delivery.id).order_by(Attempt.number)
    ).all()


def last_deliveries(hooks: Sequence[Hook]) -> dict[int, Delivery]:
    """Return the last delivery of each hook, by the hook's id; without hooks that had none."""
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
