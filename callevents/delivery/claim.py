"""Claims due deliveries under a lease, so that each is with one worker at a time."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, exists, select, update

from callevents.delivery.request import Request, build_request, parameters
from callevents.enums import DeliveryState
from callevents.ingest import REPORTED
from callevents.models import IS_OPEN, CallEvent, Delivery, Hook, Pbx

#: The columns of an event that requests tell of.
_EVENT_COLUMNS = [getattr(CallEvent, name) for name in (*REPORTED, "happened_at")]


@dataclass(frozen=True)
class Claim:
    """A delivery that this worker owns until its lease ends, and the request to make."""

    delivery_id: str
    fence: int
    created_at: datetime
    request: Request


def has_due(connection: Connection, now: datetime) -> bool:
    """Return whether any delivery is due; reads only."""
    due = exists().where(IS_OPEN, Delivery.due_at <= now)
    return bool(connection.scalar(select(due)))


def claim_due(
    connection: Connection, limit: int, now: datetime, lease: timedelta
) -> list[tuple[str, int]]:
    """Claim up to `limit` due deliveries, longest due first; return their ids and fences."""
    due = (
        select(Delivery.id)
        .where(IS_OPEN, Delivery.due_at <= now)
        .order_by(Delivery.due_at, Delivery.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    claimed = connection.execute(
        update(Delivery)
        .where(Delivery.id.in_(due.scalar_subquery()))
        .values(due_at=now + lease, claimed_at=now, fence=Delivery.fence + 1)
        .returning(Delivery.id, Delivery.fence)
    )
    return [(delivery_id, fence) for delivery_id, fence in claimed]


def load_claims(connection: Connection, claimed: Sequence[tuple[str, int]]) -> list[Claim]:
    """Return what the claimed deliveries are to send, in the order of their events.

    Read after the claim is committed: what has been cancelled or disabled since is left out.
    """
    fences = dict(claimed)
    rows = connection.execute(
        select(
            Delivery.id.label("delivery_id"),
            Delivery.created_at.label("delivery_created_at"),
            Hook.event_id.label("hook_event_id"),
            Hook.method,
            Hook.url,
            Pbx.slug,
            *_EVENT_COLUMNS,
        )
        .join(CallEvent, Delivery.call_event_id == CallEvent.id)
        .join(Hook, Delivery.hook_id == Hook.id)
        .join(Pbx, Delivery.pbx_id == Pbx.id)
        .where(Delivery.id.in_(fences), IS_OPEN, Hook.active)
        .order_by(Delivery.id)
    )
    return [_claim(row, fences[row.delivery_id]) for row in rows]


def cancel_orphans(connection: Connection, delivery_ids: Collection[str], now: datetime) -> None:
    """Cancel claimed deliveries that are not to be sent: their hook is gone or inactive."""
    connection.execute(
        update(Delivery)
        .where(Delivery.id.in_(delivery_ids), IS_OPEN)
        .values(state=DeliveryState.CANCELLED, finished_at=now, claimed_at=None)
    )


def renew_leases(
    connection: Connection, claims: Collection[Claim], now: datetime, lease: timedelta
) -> None:
    """Prolong the leases of deliveries that this worker still has."""
    for claim in sorted(claims, key=lambda claim: claim.delivery_id):
        connection.execute(
            update(Delivery)
            .where(
                Delivery.id == claim.delivery_id,
                Delivery.fence == claim.fence,
                IS_OPEN,
            )
            .values(due_at=now + lease)
        )


def _claim(row: Row[Any], fence: int) -> Claim:
    values = parameters(
        row,
        pbx_slug=row.slug,
        hook_event_id=row.hook_event_id,
        delivery_id=row.delivery_id,
    )
    request = build_request(row.method, row.url, values)
    return Claim(row.delivery_id, fence, row.delivery_created_at, request)
