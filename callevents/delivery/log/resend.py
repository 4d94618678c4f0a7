"""Sends deliveries again: the same ones, with their ids, so that receivers can tell.

Also tries waiting ones now, and cancels them. Nothing here commits: who calls does, and wakes the
workers.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, bindparam, select, update

from callevents.db.models import IS_OPEN, Delivery, Hook, find_ordering_key
from callevents.delivery.outbox import release_ordering_keys
from callevents.enums import DeliveryState
from callevents.extensions import db


class Refusal(StrEnum):
    """Why a delivery was left as it is."""

    REMOVED = "the request has been removed"
    DISABLED = "the request is disabled"
    SUSPENDED = "the request is suspended"
    SENDING = "it is being sent at this moment"
    FINISHED = "it does not wait any more"
    MISSING = "it is not in the log any more"


@dataclass(frozen=True)
class Done:
    """How many deliveries were changed, and how many were left as they are, by the reason."""

    changed: int
    refused: Counter[Refusal] = field(default_factory=Counter)


def resend(ids: Collection[str], now: datetime) -> Done:
    """Send these deliveries again, as their hooks are now; those that wait are tried now."""
    rows = _lock(ids)
    refusals = {row.id: refusal for row in rows if (refusal := _find_refusal(row, now))}
    free = [row for row in rows if row.id not in refusals]
    waiting = [row.id for row in free if row.state is DeliveryState.PENDING]
    finished = [row for row in free if row.state is not DeliveryState.PENDING]
    connection = db.session.connection()
    if waiting:
        connection.execute(
            update(Delivery)
            .where(Delivery.id.in_(waiting))
            .values(due_at=now, deferred=False, claimed_at=None)
        )
    if finished:
        connection.execute(_REOPEN, [_reopened(row, now) for row in finished])
    return _done(ids, rows, refusals)


def cancel(ids: Collection[str], now: datetime) -> Done:
    """Cancel those of the deliveries that wait; what waited behind them goes on.

    One whose attempt is running is cancelled too: should the attempt succeed, it is recorded as
    delivered.
    """
    rows = _lock(ids)
    refusals = {row.id: Refusal.FINISHED for row in rows if row.state is not DeliveryState.PENDING}
    waiting = [row for row in rows if row.id not in refusals]
    connection = db.session.connection()
    connection.execute(
        update(Delivery)
        .where(Delivery.id.in_([row.id for row in waiting]), IS_OPEN)
        .values(state=DeliveryState.CANCELLED, finished_at=now, claimed_at=None)
    )
    release_ordering_keys(connection, [row.ordering_key for row in waiting], now)
    return _done(ids, rows, refusals)


def find_hook_refusal(hook: Any) -> Refusal | None:
    """Return why nothing can be sent for a hook, None if it can be.

    The hook, or a row, has `active`, which is None for a hook that is gone, and `suspended_at`.
    """
    if hook is None or hook.active is None:
        return Refusal.REMOVED
    if not hook.active:
        return Refusal.DISABLED
    return Refusal.SUSPENDED if hook.suspended_at is not None else None


def _find_refusal(row: Row[Any], now: datetime) -> Refusal | None:
    is_leased = row.claimed_at is not None and row.due_at > now
    if row.state is DeliveryState.PENDING and is_leased:
        return Refusal.SENDING
    return find_hook_refusal(row)


def _lock(ids: Collection[str]) -> Sequence[Row[Any]]:
    """Lock the deliveries, in the order that all others use too; return them with their hooks."""
    names = ("id", "pbx_id", "call_id", "state", "attempts", "claimed_at", "due_at", "ordering_key")
    hooks = ("active", "suspended_at", "method", "url", "origin_id", "in_order", "give_up_seconds")
    return db.session.execute(
        select(*(getattr(Delivery, name) for name in names), *(getattr(Hook, n) for n in hooks))
        .select_from(Delivery)
        .outerjoin(Hook, Delivery.hook_id == Hook.id)
        .where(Delivery.id.in_(ids))
        .order_by(Delivery.id)
        .with_for_update(of=Delivery)
    ).all()


_CHANGED = (
    *("method", "url", "origin_id", "ordering_key", "due_at", "expires_at", "resent_at"),
    *("attempts_before",),
)
_REOPEN = (
    update(Delivery.__table__)  # type: ignore[arg-type]  # a declared class's table is a Table
    .where(Delivery.__table__.c.id == bindparam("delivery_id"))
    .values(
        {
            **{name: bindparam(name) for name in _CHANGED},
            "state": DeliveryState.PENDING,
            "is_retry": False,
            "deferred": False,
            "claimed_at": None,
            "finished_at": None,
            "error": "",
            # What a worker says late of an attempt from before must not count as one of now.
            "fence": Delivery.__table__.c.fence + 1,
        }
    )
)


def _reopened(row: Row[Any], now: datetime) -> dict[str, Any]:
    return {
        "delivery_id": row.id,
        "method": row.method,
        "url": row.url,
        "origin_id": row.origin_id,
        "ordering_key": find_ordering_key(
            row.pbx_id, row.call_id, row.origin_id, in_order=row.in_order
        ),
        "due_at": now,
        "expires_at": now + timedelta(seconds=row.give_up_seconds),
        "resent_at": now,
        "attempts_before": row.attempts,
    }


def _done(ids: Collection[str], rows: Sequence[Any], refusals: dict[str, Refusal]) -> Done:
    refused = Counter(refusals.values())
    if missing := len(set(ids)) - len(rows):
        refused[Refusal.MISSING] = missing
    return Done(len(rows) - len(refusals), refused)
