"""Claims due deliveries under a lease, so that each is with one worker at a time."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Connection, Row, Select, exists, select, update

from callevents.delivery.request import Request, build_request, parameters
from callevents.enums import DeliveryState
from callevents.ingest import REPORTED
from callevents.models import IS_OPEN, CallEvent, Delivery, Hook, Pbx

#: The columns of an event that requests tell of.
_EVENT_COLUMNS = [getattr(CallEvent, name) for name in (*REPORTED, "happened_at")]


log = structlog.get_logger("callevents.delivery")


@dataclass(frozen=True)
class Claim:
    """A delivery that this worker owns until its lease ends, and the request to make."""

    delivery_id: str
    fence: int
    created_at: datetime
    request: Request
    #: On the monotonic clock: an attempt that has not begun by then is not this worker's any more.
    send_before: float = math.inf


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


def load_claims(
    connection: Connection, claimed: Mapping[str, int], send_before: float
) -> tuple[list[Claim], set[str]]:
    """Return what the claimed deliveries are to send, in the order of their events.

    Read after the claim is committed: what has been cancelled or disabled since is left out. The
    second value has the ids of those that were found but cannot be made into a request.
    """
    claims: list[Claim] = []
    unreadable: set[str] = set()
    for row in connection.execute(_load_statement(claimed)):
        try:
            claims.append(_claim(row, claimed[row.delivery_id], send_before))
        except Exception as error:  # one bad row must not stop the others
            log.error("a delivery cannot be sent", delivery=row.delivery_id, exc_info=error)
            unreadable.add(row.delivery_id)
    return claims, unreadable


def finish_unsent(
    connection: Connection,
    claimed: Mapping[str, int],
    state: DeliveryState,
    now: datetime,
    error: str = "",
) -> None:
    """End claimed deliveries without an attempt, as long as they are still this worker's."""
    # Locked in the order that all others use too, so that no two can deadlock.
    rows = connection.execute(
        select(Delivery.id, Delivery.fence)
        .where(Delivery.id.in_(claimed), IS_OPEN)
        .order_by(Delivery.id)
        .with_for_update()
    )
    own = [row.id for row in rows if row.fence == claimed[row.id]]
    connection.execute(
        update(Delivery)
        .where(Delivery.id.in_(own))
        .values(state=state, finished_at=now, claimed_at=None, error=error)
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


def _load_statement(claimed: Collection[str]) -> Select[*tuple[Any, ...]]:
    return (
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
        .where(Delivery.id.in_(claimed), IS_OPEN, Hook.active)
        .order_by(Delivery.id)
    )


def _claim(row: Row[*tuple[Any, ...]], fence: int, send_before: float) -> Claim:
    values = parameters(
        row,
        pbx_slug=row.slug,
        hook_event_id=row.hook_event_id,
        delivery_id=row.delivery_id,
    )
    request = build_request(row.method, row.url, values)
    return Claim(row.delivery_id, fence, row.delivery_created_at, request, send_before)
