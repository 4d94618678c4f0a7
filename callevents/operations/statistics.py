"""Statistics of each minute: events accepted, deliveries by state, latencies.

The leader worker aggregates the minute's events and deliveries, which are adjacent because ids
begin with the time, and stores one row per PBX. So the overview of a day costs the same for any
number of events. A minute is aggregated again at RECOUNT_AGES, because deliveries end later.
"""

import threading
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Integer,
    cast,
    delete,
    extract,
    func,
    insert,
    select,
)

from callevents.db.models import CallEvent, Delivery, MinuteStatistics, Pbx, first_id
from callevents.db.session import write_transaction
from callevents.enums import DeliveryState

MINUTE = timedelta(minutes=1)
#: A minute is aggregated while it passes, at its end, and again at these ages.
RECOUNT_AGES = tuple(timedelta(minutes=n) for n in (1, 3, 10, 30, 60, 240, 1440))
#: After a time without workers, minutes older than this are not aggregated.
MAX_GAP = timedelta(days=1)
#: The id of the row of all PBXs together.
ALL_PBXS = 0
#: Upper bounds of the latency histogram; its last bucket counts all above them.
LATENCY_LIMITS_MS = (
    *(5, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700),
    *(1000, 1500, 2000, 3000, 5000, 7000, 10_000, 15_000, 30_000),
    *(60_000, 120_000, 300_000, 900_000, 3_600_000, 10_800_000, 43_200_000, 86_400_000),
)

Rows = dict[int, dict[str, Any]]


def to_minute(moment: datetime) -> datetime:
    """Return the start of the minute."""
    return moment.replace(second=0, microsecond=0)


def minutes_to_update(counted_at: datetime, now: datetime) -> Iterator[datetime]:
    """Return the minutes to aggregate at `now`, the last time being `counted_at`; oldest first."""
    first = to_minute(max(counted_at, now - MAX_GAP))
    current = to_minute(now)
    again = {current - age for age in RECOUNT_AGES} if current > first else set()
    yield from sorted(again | set(_minutes(first, current)))


def refresh(
    database: Engine, counted_at: datetime, now: datetime, stopped: threading.Event
) -> None:
    """Update the minutes that may have changed since `counted_at`; stop once `stopped` is set."""
    for minute in minutes_to_update(counted_at, now):
        if stopped.is_set():
            return
        with database.connect() as connection:
            rows = aggregate_minute(connection, minute)
        if not rows:
            continue
        # Not in one transaction: on SQLite no other process could write while we read.
        with write_transaction(database) as connection:
            replace_minute(connection, minute, rows)


def find_start(connection: Connection, now: datetime) -> datetime:
    """Return the first minute that has not been aggregated yet."""
    counted_at = connection.scalar(
        select(MinuteStatistics.minute)
        .where(MinuteStatistics.pbx_id == ALL_PBXS)
        .order_by(MinuteStatistics.minute.desc())
        .limit(1)
    )
    since = max(counted_at or now - MAX_GAP, now - MAX_GAP)
    first_event = connection.scalar(
        select(CallEvent.received_at)
        .where(CallEvent.id >= first_id(since))
        .order_by(CallEvent.id)
        .limit(1)
    )
    return first_event or now


def aggregate_minute(connection: Connection, minute: datetime) -> Rows:
    """Return the minute's columns by PBX id, and of all PBXs under ALL_PBXS."""
    rows: Rows = defaultdict(_empty_row)
    for pbx_id, count in connection.execute(
        select(CallEvent.pbx_id, func.count())
        .where(*_in_minute(CallEvent.id, minute))
        .group_by(CallEvent.pbx_id)
    ):
        for key in (pbx_id, ALL_PBXS):
            rows[key]["events"] += count
    latency = _latency_ms(connection)
    for pbx_id, state, resent, latency_ms, count in connection.execute(
        select(
            Delivery.pbx_id, Delivery.state, Delivery.resent_at.is_not(None), latency, func.count()
        )
        .where(*_in_minute(Delivery.id, minute))
        .group_by(Delivery.pbx_id, Delivery.state, Delivery.resent_at.is_not(None), latency)
    ):
        for key in (pbx_id, ALL_PBXS):
            rows[key][state] += count
            if state is DeliveryState.DELIVERED and not resent:
                # The latency of a delivery resent later says nothing about how fast we are.
                rows[key]["latencies"][bisect_left(LATENCY_LIMITS_MS, latency_ms)] += count
    return rows


def replace_minute(
    connection: Connection, minute: datetime, rows_by_pbx: Mapping[int, dict[str, Any]]
) -> None:
    """Replace the stored rows of the minute; those of PBXs that have been removed are left out."""
    connection.execute(delete(MinuteStatistics).where(MinuteStatistics.minute == minute))
    # Locked, so that a removal at the same moment either is seen or sees these rows.
    existing = select(Pbx.id).where(Pbx.id.in_(rows_by_pbx)).order_by(Pbx.id)
    known = {ALL_PBXS, *connection.scalars(existing.with_for_update(read=True, key_share=True))}
    rows = [
        {"pbx_id": pbx_id, "minute": minute, **row}
        for pbx_id, row in rows_by_pbx.items()
        if pbx_id in known
    ]
    if rows:
        connection.execute(insert(MinuteStatistics), rows)


def _empty_row() -> dict[str, Any]:
    return {
        "events": 0,
        **{str(state): 0 for state in DeliveryState},
        "latencies": [0] * (len(LATENCY_LIMITS_MS) + 1),
    }


def _in_minute(column: Any, minute: datetime) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return column >= first_id(minute), column < first_id(minute + MINUTE)


def _latency_ms(connection: Connection) -> ColumnElement[int]:
    """Return the SQL expression of the milliseconds from acceptance to the end."""
    if connection.dialect.name == "sqlite":
        days = func.julianday(Delivery.finished_at) - func.julianday(Delivery.created_at)
        return cast(func.round(days * 86_400_000), Integer)
    seconds = extract("epoch", Delivery.finished_at - Delivery.created_at)
    return cast(seconds * 1000, Integer)


def _minutes(first: datetime, last: datetime) -> Iterator[datetime]:
    """Return the minutes from the first to the last, both included."""
    while first <= last:
        yield first
        first += MINUTE
