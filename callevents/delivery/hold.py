"""Holds what waits for a hook that is disabled, or was removed a moment ago.

A held delivery is not open: no worker claims it, and no delivery of another hook waits behind it.
The caller commits, and wakes the workers.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    and_,
    case,
    false,
    func,
    literal,
    or_,
    select,
    union_all,
    update,
)

from callevents.counted import counted
from callevents.db.bulk import is_found_once
from callevents.db.locks import allow_long_statements
from callevents.db.models import (
    IS_HELD,
    IS_OPEN,
    Delivery,
    Hook,
    OpenIndex,
    is_held_by,
    is_open_by,
    utc_now,
)
from callevents.delivery.outbox import is_open_of, release_ordering_keys
from callevents.enums import DeliveryState
from callevents.extensions import db

#: The delivery waits: open or held.
IS_WAITING = or_(IS_OPEN, IS_HELD)
_IS_OPEN, _IS_HELD = is_open_by(OpenIndex.HOOK_ID), is_held_by(OpenIndex.HOOK_ID)


def hold(hook_ids: Sequence[int]) -> int:
    """Hold the open deliveries of these hooks; return how many of theirs are held now.

    A delivery whose attempt is running keeps its lease. So the outcome counts, and nobody repeats
    the attempt if the hook is enabled meanwhile. A delivery that is committed at the same moment
    is held when a worker claims it.
    """
    _lock_hooks(hook_ids)
    connection = db.session.connection()
    allow_long_statements(connection)
    ordering_keys = connection.scalars(
        update(Delivery)
        .where(is_open_of(hook_ids))
        .values(state=DeliveryState.HELD)
        .returning(Delivery.ordering_key)
    ).all()
    release_ordering_keys(connection, ordering_keys, utc_now())
    return _count(hook_ids, _IS_HELD)


def release(hook_ids: Sequence[int]) -> int:
    """Let the held deliveries of these hooks go on; return how many.

    Each is due when it was due before. Workers put them in the order of their calls again, and fail
    those that have expired.
    """
    _lock_hooks(hook_ids)
    allow_long_statements(db.session.connection())
    released = db.session.connection().execute(
        update(Delivery)
        .where(_is_locked(hook_ids, _IS_HELD), IS_HELD)
        .values(
            state=DeliveryState.PENDING,
            # It may be the first of its call now.
            due_at=case((Delivery.deferred, utc_now()), else_=Delivery.due_at),
            deferred=false(),
        )
    )
    return released.rowcount


def cancel_waiting_of(hook: Hook) -> int:
    """Cancel the deliveries that wait for the hook; return how many."""
    _lock_hooks([hook.id])
    return cancel_waiting(db.session.connection(), [hook.id], utc_now())


def cancel_waiting(
    connection: Connection, hook_ids: Sequence[int], now: datetime, error: str = ""
) -> int:
    """Cancel the open and the held deliveries of these hooks, and release those behind them.

    If the attempt of one is running and succeeds, it is recorded as delivered.
    """
    allow_long_statements(connection)
    ordering_keys = connection.scalars(
        update(Delivery)
        .where(is_waiting_of(hook_ids))
        .values(
            state=DeliveryState.CANCELLED,
            finished_at=now,
            claimed_at=None,
            error=case((literal(bool(error)), error), else_=Delivery.error),
        )
        .returning(Delivery.ordering_key)
    ).all()
    release_ordering_keys(connection, ordering_keys, now)
    return len(ordering_keys)


def count_waiting(hook_ids: Sequence[int]) -> int:
    """Return how many deliveries of these hooks are open or held."""
    return _count(hook_ids, _IS_OPEN, _IS_HELD)


def find_hooks_with_waiting(hook_ids: Sequence[int]) -> frozenset[int]:
    """Return which of these hooks have deliveries that are open or held."""
    found = union_all(
        *(
            select(Delivery.hook_id).where(Delivery.hook_id.in_(hook_ids), state).distinct()
            for state in (_IS_OPEN, _IS_HELD)
        )
    )
    return frozenset(db.session.scalars(found))


def describe_waiting(count: int) -> str:
    """Return the number of deliveries that wait as text."""
    return counted(count, "waiting delivery")


def is_waiting_of(hook_ids: Sequence[int]) -> ColumnElement[bool]:
    """Return the condition, for an UPDATE, that a delivery of one of these hooks is open or held.

    Locks rows as `is_open_of` does.
    """
    return and_(_is_locked(hook_ids, _IS_OPEN, _IS_HELD), IS_WAITING)


def _is_locked(hook_ids: Sequence[int], *states: ColumnElement[bool]) -> ColumnElement[bool]:
    """Return the condition for deliveries that a subquery locks in order.

    The state must be checked again outside, without an index; see `is_open_of`.
    """
    # The hooks are repeated for each state, so that the index of each state is used.
    waits = or_(*(and_(Delivery.hook_id.in_(hook_ids), state) for state in states))
    locked = select(Delivery.id).where(waits).order_by(Delivery.id).with_for_update()
    return is_found_once(Delivery.id, locked)


def _count(hook_ids: Sequence[int], *states: ColumnElement[bool]) -> int:
    counts = union_all(
        *(
            select(func.count().label("n")).where(Delivery.hook_id.in_(hook_ids), state)
            for state in states
        )
    ).subquery()
    # PostgreSQL's sum of such numbers is a decimal.
    total = select(func.sum(counts.c.n).cast(Integer))
    return db.session.scalar(total) or 0


def _lock_hooks(hook_ids: Sequence[int]) -> None:
    """Lock hooks before their deliveries, as suspending does: otherwise both could deadlock."""
    db.session.flush()
    db.session.execute(
        select(Hook.id).where(Hook.id.in_(hook_ids)).order_by(Hook.id).with_for_update()
    )
