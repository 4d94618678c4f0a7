"""Fair share: divides a worker's free slots among origins, so a bad receiver hurts no other."""

import random
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
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

from callevents.db.models import Delivery, OpenIndex, Origin, is_open_by

#: Every eighth round serves retries first, so that first attempts never starve them.
RETRIES_FIRST_EVERY = 8


@dataclass(frozen=True)
class Ready:
    """An origin with due deliveries: first attempts, or retries."""

    origin_id: int
    is_retry: bool


@dataclass(frozen=True)
class Share:
    """How many deliveries may be claimed.

    `limit`: slots that start with one each; `ahead`: deliveries queued for the origin's slots.
    `probe_at`: set if the origin's circuit breaker is open and the one delivery is a probe.
    """

    ready: Ready
    limit: int
    ahead: int = 0
    probe_at: datetime | None = None


def find_ready(connection: Connection, now: datetime) -> list[Ready]:
    """Return the origins with due deliveries, those with first attempts before those with retries.

    It steps from origin to origin in the index, so the cost does not depend on the backlog.
    """
    rows: Iterable[Row[Any]] = connection.execute(_READY, {"now": now})
    return [Ready(row.origin_id, row.is_retry) for row in rows]


def find_breakers(connection: Connection) -> dict[int, datetime]:
    """Return when the origins with an open circuit breaker may be probed, by origin id."""
    rows = connection.execute(_OPEN_BREAKERS)
    return {origin_id: probe_at for origin_id, probe_at in rows if probe_at is not None}


def allocate_slots(
    ready: Sequence[Ready],
    free: int,
    in_flight: Mapping[int, int],
    cap: int,
    *,
    caps: Mapping[int, int] = MappingProxyType({}),
    retries_first: bool = False,
) -> list[Share]:
    """Divide `free` slots among the ready origins; `in_flight`: attempts by origin id.

    First attempts go before retries, and all origins get the same. No origin gets more than `cap`
    slots, or its own limit in `caps`, and beyond its first no more than it leaves free: a hanging
    receiver holds at most half of the slots, a second one half of the rest, and so on.
    """
    used = dict(in_flight)
    shares = []
    order = sorted(ready, key=lambda one: (one.is_retry != retries_first, random.random()))  # noqa: S311  # fairness
    for left, one in zip(range(len(order), 0, -1), order, strict=True):
        current = used.get(one.origin_id, 0)
        maximum = (free - current + 1) // 2 if current else max(1, free // 2)
        own_cap = min(cap, caps.get(one.origin_id, cap))
        limit = min(free, maximum, max(1, free // left), own_cap - current)
        if limit > 0:
            free -= limit
            used[one.origin_id] = current + limit
            shares.append(Share(one, limit))
    return shares


def add_ahead(
    shares: Sequence[Share],
    ready: Sequence[Ready],
    in_flight: Collection[int],
    ahead_limit: Callable[[int, int], int],
) -> list[Share]:
    """Return the shares with `ahead` set, and further shares that only claim ahead.

    Nothing is claimed ahead while a ready origin has no slot at all; `in_flight`: origins with
    slots. `ahead_limit(origin_id, starting)` returns the limit for an origin and the slots that
    start for it. If both first attempts and retries of an origin are ready, the kind served second
    gets a part of the limit too, so that neither starves.
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
            whole = ahead_limit(one.origin_id, starting[one.origin_id])
            left[one.origin_id] = whole // RETRIES_FIRST_EVERY if kinds[one.origin_id] > 1 else 0
            ahead = whole - left[one.origin_id]
        if (limit := limits.get(one, 0)) or ahead:
            found.append(Share(one, limit, ahead))
    return found


def _ready(is_retry: bool) -> Select[tuple[int | None, bool]]:
    """Return the query for origins with due deliveries: a loose index scan of ix_delivery_due.

    Neither database plans one on its own: a recursive CTE looks up the next origin at each step.
    """
    is_open = is_open_by(OpenIndex.DUE_AT)
    wanted = (is_open, Delivery.is_retry == (true() if is_retry else false()))
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
