"""The outbox: the open deliveries, their order, and how those of a hook are finished.

The deliveries of one call to one origin share an ordering key. Only the first open delivery of a
key may be sent. A worker looks it up when it claims a delivery, so that accepting an event costs
nothing extra.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    bindparam,
    func,
    select,
    text,
    update,
)
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import aliased

from callevents.db.bulk import is_found_once, is_one_of
from callevents.db.models import IS_OPEN, Delivery, OpenIndex, is_open_by
from callevents.enums import DeliveryState

#: Behind a delivery that is being sent: check again soon, should its worker die.
DEFER_BEHIND_RUNNING = timedelta(seconds=1)
#: Behind a delivery that waits itself, perhaps for hours: check again after this at the latest.
MAX_DEFER = timedelta(minutes=10)
#: Ordering keys in one statement.
BATCH = 500
#: A recorder keeps its locks for some milliseconds. One that froze must not hold up the others.
LOCK_TIMEOUT_MS = 100
#: PostgreSQL's code for that.
LOCK_NOT_AVAILABLE = "55P03"


def first_of_key(ordering_key: Any) -> Any:
    """Return the subquery for the id of the first open delivery of an ordering key."""
    other = aliased(Delivery)
    return (
        select(other.id)
        .where(is_open_by(OpenIndex.ORDERING_KEY, other), other.ordering_key == ordering_key)
        .order_by(other.happened_at, other.id)
        .limit(1)
        .scalar_subquery()
    )


#: A list of ordering keys as a table, in each database's dialect.
_ORDERING_KEYS = {
    "postgresql": func.unnest(bindparam("ordering_keys", type_=ARRAY(BigInteger)))
    .table_valued("value", name="ordering_keys")
    .render_derived(),
    "sqlite": func.json_each(bindparam("ordering_keys", type_=JSON)).table_valued(
        "value", name="ordering_keys"
    ),
}


def _find_firsts(dialect: str, *columns: Any) -> Select[*tuple[Any, ...]]:
    """Return the query for the first open delivery of each ordering key.

    Each takes one lookup in ix_delivery_ordering_key, however many deliveries are open.
    """
    ordering_keys = _ORDERING_KEYS[dialect]
    firsts = select(first_of_key(ordering_keys.c.value)).select_from(ordering_keys)
    is_first = is_found_once(Delivery.id, firsts)
    # The state is checked again outside: a row is re-read once its lock is free, and may have been
    # finished meanwhile.
    return select(*columns).where(is_first, IS_OPEN)


_HEADS = {
    dialect: _find_firsts(
        dialect,
        Delivery.ordering_key,
        Delivery.id,
        Delivery.happened_at,
        Delivery.due_at,
        Delivery.claimed_at,
    )
    for dialect in _ORDERING_KEYS
}
_DEFERRED_HEADS = {
    dialect: _find_firsts(dialect, Delivery.id)
    .where(Delivery.deferred)
    .with_for_update(skip_locked=True, of=Delivery)
    for dialect in _ORDERING_KEYS
}
_LOCKED_HEADS = (
    _find_firsts("postgresql", Delivery.ordering_key, Delivery.id, Delivery.deferred)
    .order_by(Delivery.id)
    .with_for_update(of=Delivery)
)
_LOCK_TIMEOUT = text(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}")
_RELEASE = (
    update(Delivery)
    .where(is_one_of(Delivery.id, "ids"))
    .values(due_at=bindparam("now"), deferred=False)
)


def find_heads(connection: Connection, ordering_keys: Collection[int]) -> dict[int, Row[Any]]:
    """Return the first open delivery (id, happened_at, due_at, claimed_at) of each ordering key."""
    if not ordering_keys:
        return {}
    statement = _HEADS[connection.dialect.name]
    rows: Iterable[Row[Any]] = connection.execute(statement, {"ordering_keys": list(ordering_keys)})
    return {row.ordering_key: row for row in rows}


def defer(connection: Connection, delivery_id: str, head: Row[Any], now: datetime) -> None:
    """Defer a delivery that is not the first of its ordering key (`head`)."""
    due_at = defer_until(head, now)
    connection.execute(
        update(Delivery).where(Delivery.id == delivery_id).values(due_at=due_at, deferred=True)
    )


def defer_until(head: Row[Any], now: datetime) -> datetime:
    """Return when to check a delivery behind this one again, if nobody releases it until then."""
    if head.claimed_at is not None:
        return now + DEFER_BEHIND_RUNNING
    head_due_at: datetime = head.due_at
    return min(max(head_due_at, now + DEFER_BEHIND_RUNNING), now + MAX_DEFER)


def release_ordering_keys(
    connection: Connection, ordering_keys: Iterable[int | None], now: datetime
) -> None:
    """Make the first open delivery of each of these ordering keys due.

    Called after earlier deliveries have been finished.
    """
    for keys in in_batches(ordering_keys):
        if ids := find_deferred_heads(connection, keys):
            connection.execute(_RELEASE, {"ids": ids, "now": now})


def in_batches(ordering_keys: Iterable[int | None]) -> Iterator[list[int]]:
    """Yield the ordering keys in batches for one statement each."""
    wanted = sorted({ordering_key for ordering_key in ordering_keys if ordering_key is not None})
    for start in range(0, len(wanted), BATCH):
        yield wanted[start : start + BATCH]


def find_deferred_heads(connection: Connection, ordering_keys: Sequence[int]) -> Sequence[str]:
    """Lock the first open deliveries of these keys that are deferred, and return their ids.

    Rows that another transaction has locked are skipped, because waiting could deadlock: they are
    being cancelled, or being deferred, and whoever defers looks again after the commit.
    """
    statement = _DEFERRED_HEADS[connection.dialect.name]
    return connection.scalars(statement, {"ordering_keys": ordering_keys}).all()


def lock_heads(connection: Connection, ordering_keys: Collection[int]) -> Sequence[Row[Any]]:
    """Wait for the locks of the first open deliveries of these keys; return them.

    For PostgreSQL, at the beginning of a transaction. A delivery that was finished meanwhile is
    left out, and so is the next one of its key. Raises OperationalError if somebody keeps a lock.
    """
    connection.execute(_LOCK_TIMEOUT)
    return connection.execute(_LOCKED_HEADS, {"ordering_keys": list(ordering_keys)}).all()


def is_lock_timeout(error: OperationalError) -> bool:
    """Return True if somebody has kept a lock for too long."""
    return getattr(error.orig, "sqlstate", "") == LOCK_NOT_AVAILABLE


def finish_open(
    connection: Connection,
    hook_ids: Sequence[int],
    state: DeliveryState,
    now: datetime,
    error: str = "",
) -> None:
    """Finish the open deliveries of these hooks, and release those of other hooks behind them.

    A delivery whose attempt is running is finished too, with its fence unchanged: if the attempt
    succeeds, it is recorded as delivered; if it fails, it is not retried. A delivery that is
    committed at the same moment is finished when a worker claims it.
    """
    ordering_keys = connection.scalars(
        update(Delivery)
        .where(is_open_of(hook_ids))
        .values(state=state, finished_at=now, claimed_at=None, error=error)
        .returning(Delivery.ordering_key)
    ).all()
    release_ordering_keys(connection, ordering_keys, now)


def is_open_of(hook_ids: Sequence[int]) -> ColumnElement[bool]:
    """Return the condition, for an UPDATE, that a delivery of one of these hooks is open.

    It locks rows in the same order as the recorder, so that the two cannot deadlock. The state is
    checked again outside, without an index: otherwise PostgreSQL may look through all open ones of
    the hook for each of them.
    """
    waits = (is_open_by(OpenIndex.HOOK_ID), Delivery.hook_id.in_(hook_ids))
    locked = select(Delivery.id).where(*waits).order_by(Delivery.id).with_for_update()
    return and_(is_found_once(Delivery.id, locked), IS_OPEN)
