"""The outbox: the open deliveries. Keeps their order, and ends those of hooks.

Of each lane's open deliveries only the first one may be sent; a lane has the deliveries of one call
to one origin. Which is first is looked up when a worker is about to claim one, so that accepting
an event costs nothing for it.
"""

from collections.abc import Collection, Iterable, Sequence
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
    TableValuedAlias,
    and_,
    bindparam,
    func,
    select,
    update,
)
from sqlalchemy.orm import aliased

from callevents.db.models import IS_OPEN, Delivery, Hook, in_state, utc_now
from callevents.enums import DeliveryState
from callevents.extensions import db

#: The first one is being sent: look again soon, should its end not be told.
PARK_BEHIND_RUNNING = timedelta(seconds=1)
#: The first one waits itself, perhaps for hours: look again after this at the latest.
LONGEST_PARK = timedelta(minutes=10)
#: Lanes looked at in one statement.
BATCH = 500


def _find_firsts(lanes: TableValuedAlias, *columns: Any) -> Select[*tuple[Any, ...]]:
    """Return the query of the first open delivery of each of these lanes.

    Each is one step in ix_delivery_lane, however many deliveries a lane has or are open at all.
    """
    other = aliased(Delivery)
    first = (
        select(other.id)
        .where(in_state(DeliveryState.PENDING, other), other.lane == lanes.c.value)
        .order_by(other.happened_at, other.id)
        .limit(1)
        .scalar_subquery()
    )
    # Open is said twice: a locked row is looked at once more, and may have been ended meanwhile.
    return select(*columns).select_from(lanes).join(Delivery, Delivery.id == first).where(IS_OPEN)


#: A list of lanes as a table, in the words of each database.
_LANES = {
    "postgresql": func.unnest(bindparam("lanes", type_=ARRAY(BigInteger)))
    .table_valued("value", name="lanes")
    .render_derived(),
    "sqlite": func.json_each(bindparam("lanes", type_=JSON)).table_valued("value", name="lanes"),
}
# Statements that every claim and every batch of outcomes makes are built once: building them anew
# took more time than all else together.
_HEADS = {
    dialect: _find_firsts(lanes, Delivery.lane, Delivery.id, Delivery.due_at, Delivery.claimed_at)
    for dialect, lanes in _LANES.items()
}
_PARKED_HEADS = {
    dialect: _find_firsts(lanes, Delivery.id)
    .where(Delivery.parked)
    .with_for_update(skip_locked=True, of=Delivery)
    for dialect, lanes in _LANES.items()
}
_RELEASE = (
    update(Delivery)
    .where(Delivery.id.in_(bindparam("ids", expanding=True)))
    .values(due_at=bindparam("now"), parked=False)
)


def find_heads(connection: Connection, lanes: Collection[int]) -> dict[int, Row[Any]]:
    """Return the first open delivery of each lane (id, due_at, claimed_at), by lane."""
    statement = _HEADS[connection.dialect.name]
    rows: Iterable[Row[Any]] = connection.execute(statement, {"lanes": list(lanes)})
    return {row.lane: row for row in rows}


def park(connection: Connection, delivery_id: str, head: Row[Any], now: datetime) -> None:
    """Put off a delivery that is not the first of its lane."""
    if head.claimed_at is not None:
        due_at = now + PARK_BEHIND_RUNNING
    else:
        due_at = min(max(head.due_at, now + PARK_BEHIND_RUNNING), now + LONGEST_PARK)
    connection.execute(
        update(Delivery).where(Delivery.id == delivery_id).values(due_at=due_at, parked=True)
    )


def release_lanes(connection: Connection, lanes: Iterable[int | None], now: datetime) -> None:
    """Make due what is first in these lanes now, after earlier ones have been finished.

    What another transaction has locked is left alone: waiting for it could deadlock. It is either
    being cancelled, or parked behind a running one, and looked at again soon.
    """
    wanted = sorted({lane for lane in lanes if lane is not None})
    for start in range(0, len(wanted), BATCH):
        _release(connection, wanted[start : start + BATCH], now)


def end_waiting(
    connection: Connection,
    hook_ids: Sequence[int],
    state: DeliveryState,
    now: datetime,
    error: str = "",
) -> None:
    """End what waits for these hooks; what waited behind it in other hooks' lanes goes on.

    A delivery whose attempt is running is ended too, with its fence unchanged: should the attempt
    succeed, it is recorded as delivered; should it fail, no other is made. What an ingest commits
    at this very moment is ended when a worker claims it.
    """
    lanes = connection.scalars(
        update(Delivery)
        .where(is_open_of(hook_ids))
        .values(state=state, finished_at=now, claimed_at=None, error=error)
        .returning(Delivery.lane)
    ).all()
    release_lanes(connection, lanes, now)


def is_open_of(hook_ids: Sequence[int]) -> ColumnElement[bool]:
    """Return the condition, for an update, that a delivery waits for one of these hooks.

    It locks in the order that the recorder uses too, so that the two cannot deadlock. It says twice
    what it means, so that both halves of it use the index on a hook's open deliveries.
    """
    waits = and_(Delivery.hook_id.in_(hook_ids), IS_OPEN)
    locked = select(Delivery.id).where(waits).order_by(Delivery.id).with_for_update()
    return and_(Delivery.id.in_(locked), waits)


def _release(connection: Connection, lanes: Sequence[int], now: datetime) -> None:
    ids = connection.scalars(_PARKED_HEADS[connection.dialect.name], {"lanes": lanes}).all()
    if ids:
        connection.execute(_RELEASE, {"ids": ids, "now": now})


def cancel_deliveries(hook_ids: Sequence[int]) -> None:
    """Cancel what waits for these hooks."""
    db.session.flush()
    # Hooks are locked before their deliveries, as when one is suspended: else both could deadlock.
    db.session.execute(
        select(Hook.id).where(Hook.id.in_(hook_ids)).order_by(Hook.id).with_for_update()
    )
    end_waiting(db.session.connection(), hook_ids, DeliveryState.CANCELLED, utc_now())
