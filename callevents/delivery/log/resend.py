"""Resends deliveries, retries waiting ones at once, and cancels them.

A resent delivery keeps its ID, so receivers can recognise duplicates. The caller commits and wakes
the workers.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, bindparam, select, update

from callevents.db.models import Delivery, Hook, find_ordering_key
from callevents.delivery.hold import IS_WAITING
from callevents.delivery.outbox import release_ordering_keys
from callevents.enums import DeliveryState
from callevents.extensions import db


class SkipReason(StrEnum):
    """Why a delivery was not changed."""

    REMOVED = "the request has been removed"
    DISABLED = "the request is disabled"
    SUSPENDED = "the request is suspended"
    SENDING = "it is being sent"
    FINISHED = "it is no longer pending"
    CONDITIONS = "its conditions were not met"
    MISSING = "it is no longer in the log"


@dataclass(frozen=True)
class ActionResult:
    """The number of deliveries changed, and of those skipped by reason."""

    changed: int
    skipped: Counter[SkipReason] = field(default_factory=Counter)
    #: The IDs of those that were changed.
    ids: Sequence[str] = ()


def resend(ids: Collection[str], now: datetime) -> ActionResult:
    """Send deliveries again as their hooks are configured now; make waiting ones due now."""
    rows = _lock(ids)
    reasons = {row.id: reason for row in rows if (reason := _find_skip_reason(row, now))}
    free = [row for row in rows if row.id not in reasons]
    waiting = [row.id for row in free if not row.state.is_finished]
    finished = [row for row in free if row.state.is_finished]
    connection = db.session.connection()
    if waiting:
        connection.execute(
            update(Delivery)
            .where(Delivery.id.in_(waiting))
            .values(state=DeliveryState.PENDING, due_at=now, deferred=False, claimed_at=None)
        )
    if finished:
        connection.execute(_REOPEN, [_reopened(row, now) for row in finished])
    return _result(ids, rows, reasons)


def cancel(ids: Collection[str], now: datetime) -> ActionResult:
    """Cancel the pending and held ones of these deliveries, and release those behind them.

    A delivery whose attempt is running is cancelled too: if the attempt succeeds, it is recorded as
    delivered.
    """
    rows = _lock(ids)
    reasons = {row.id: SkipReason.FINISHED for row in rows if row.state.is_finished}
    waiting = [row for row in rows if row.id not in reasons]
    connection = db.session.connection()
    connection.execute(
        update(Delivery)
        .where(Delivery.id.in_([row.id for row in waiting]), IS_WAITING)
        .values(state=DeliveryState.CANCELLED, finished_at=now, claimed_at=None)
    )
    release_ordering_keys(connection, [row.ordering_key for row in waiting], now)
    return _result(ids, rows, reasons)


def find_hook_skip_reason(hook: Any) -> SkipReason | None:
    """Return why nothing can be sent for a hook, None if it can.

    `hook` is a Hook or a row with `active`, which is None for a removed hook, and `suspended_at`.
    """
    if hook is None or hook.active is None:
        return SkipReason.REMOVED
    if not hook.active:
        return SkipReason.DISABLED
    return SkipReason.SUSPENDED if hook.suspended_at is not None else None


def _find_skip_reason(row: Row[Any], now: datetime) -> SkipReason | None:
    is_leased = row.claimed_at is not None and row.due_at > now
    if not row.state.is_finished and is_leased:
        return SkipReason.SENDING
    return find_hook_skip_reason(row)


def _lock(ids: Collection[str]) -> Sequence[Row[Any]]:
    """Lock the deliveries, in the same order as all others; return them with their hooks."""
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
            # The late outcome of an attempt from before must not count.
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


def _result(
    ids: Collection[str], rows: Sequence[Any], reasons: dict[str, SkipReason]
) -> ActionResult:
    skipped = Counter(reasons.values())
    if missing := len(set(ids)) - len(rows):
        skipped[SkipReason.MISSING] = missing
    changed = [row.id for row in rows if row.id not in reasons]
    return ActionResult(len(changed), skipped, changed)
