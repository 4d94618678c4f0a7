"""Shares a worker's free threads out among origins, so that a bad receiver hurts only itself."""

import random
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Boolean,
    Connection,
    Row,
    Select,
    bindparam,
    exists,
    false,
    func,
    literal,
    select,
    true,
)

from callevents.db.models import IS_OPEN, Delivery, Origin

#: Of so many looks one begins with retries, so that first attempts alone never starve them.
RETRIES_FIRST_EVERY = 8


@dataclass(frozen=True)
class Ready:
    """An origin with something due: first attempts, or retries."""

    origin_id: int
    is_retry: bool


@dataclass(frozen=True)
class Share:
    """How much may be claimed of what is ready.

    `limit`: threads that start with it; `ahead`: what more the origin's threads will soon come to.
    `probe_at`: the origin's circuit breaker is open, and the one delivery is a probe of it.
    """

    ready: Ready
    limit: int
    ahead: int = 0
    probe_at: datetime | None = None


def find_ready(connection: Connection, now: datetime) -> list[Ready]:
    """Return the origins with something due, those with first attempts before those with retries.

    It goes from origin to origin in the index, so it costs the same however much is due.
    """
    rows: Iterable[Row[Any]] = connection.execute(_READY, {"now": now})
    return [Ready(row.origin_id, row.is_retry) for row in rows]


def find_breakers(connection: Connection) -> dict[int, datetime]:
    """Return when the origins whose circuit breakers are open may be probed, by their ids."""
    rows = connection.execute(_OPEN_BREAKERS)
    return {origin_id: probe_at for origin_id, probe_at in rows if probe_at is not None}


def share_out(
    ready: Sequence[Ready],
    free: int,
    in_flight: Mapping[int, int],
    cap: int,
    *,
    retries_first: bool = False,
) -> list[Share]:
    """Share `free` threads out among what is ready.

    First attempts go before retries, all origins get the same. No origin has more than `cap`
    attempts in flight, and beyond its first none has more than what it leaves free: a receiver that
    hangs holds half of the threads at most, a second one half of the rest, and so on.
    """
    taken = dict(in_flight)
    shares = []
    order = sorted(ready, key=lambda one: (one.is_retry != retries_first, random.random()))  # noqa: S311  # fairness
    for left, one in zip(range(len(order), 0, -1), order, strict=True):
        held = taken.get(one.origin_id, 0)
        most = (free - held + 1) // 2 if held else max(1, free // 2)
        limit = min(free, most, max(1, free // left), cap - held)
        if limit > 0:
            free -= limit
            taken[one.origin_id] = held + limit
            shares.append(Share(one, limit))
    return shares


def add_ahead(
    shares: Sequence[Share],
    ready: Sequence[Ready],
    in_flight: Collection[int],
    room: Callable[[int, int], int],
) -> list[Share]:
    """Return the shares with what may be claimed ahead, and such that are for that alone.

    Nothing is ahead of some while others have not even one thread; `in_flight`: who has. `room`
    tells how much it is for an origin, given how many threads start for it. What an origin has less
    of, first attempts or retries, gets a part of it too, so that neither waits for ever.
    """
    served = {share.ready.origin_id for share in shares}.union(in_flight)
    if any(one.origin_id not in served for one in ready):
        return list(shares)
    limits = {share.ready: share.limit for share in shares}
    starting = Counter[int]()
    for share in shares:
        starting[share.ready.origin_id] += share.limit
    kinds = Counter(one.origin_id for one in ready)
    left: dict[int, int] = {}
    found = []
    for one in dict.fromkeys([*limits, *ready]):
        if one.origin_id in left:
            ahead = left[one.origin_id]
        else:
            whole = room(one.origin_id, starting[one.origin_id])
            left[one.origin_id] = whole // RETRIES_FIRST_EVERY if kinds[one.origin_id] > 1 else 0
            ahead = whole - left[one.origin_id]
        if (limit := limits.get(one, 0)) or ahead:
            found.append(Share(one, limit, ahead))
    return found


def _ready(is_retry: bool) -> Select[tuple[int | None, bool]]:
    """Return the query of origins with something due; a loose scan of ix_delivery_due.

    Databases have no such scan of their own: each step looks up the next origin in the index.
    """
    wanted = (IS_OPEN, Delivery.is_retry == (true() if is_retry else false()))
    name = "retried" if is_retry else "fresh"
    first = select(func.min(Delivery.origin_id).label("origin_id")).where(*wanted)
    step = first.cte(name, recursive=True)
    following = (
        select(func.min(Delivery.origin_id))
        .where(*wanted, Delivery.origin_id > step.c.origin_id)
        .scalar_subquery()
    )
    step = step.union_all(select(following).where(step.c.origin_id.is_not(None)))
    due = exists().where(*wanted, Delivery.origin_id == step.c.origin_id, Delivery.due_at <= _NOW)
    return select(step.c.origin_id, literal(is_retry, Boolean).label("is_retry")).where(due)


_NOW = bindparam("now", type_=Delivery.__table__.c.due_at.type)
_READY = _ready(is_retry=False).union_all(_ready(is_retry=True))
_OPEN_BREAKERS = select(Origin.id, Origin.probe_at).where(Origin.probe_at.is_not(None))
