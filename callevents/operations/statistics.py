"""Counts each minute: what was accepted, what has become of it, how long it took.

Workers and web servers write nothing for it. The leader worker reads the minute's rows, which lie
together because ids begin with the time, and keeps the sums, so that looking at a day costs the
same however many events it had. What happens to old minutes' deliveries is noticed when they are
counted again, ever more seldom.
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

from callevents.db.models import CallEvent, Delivery, MinuteStatistics, first_id
from callevents.db.session import write_transaction
from callevents.enums import DeliveryState

MINUTE = timedelta(minutes=1)
#: A minute is counted while it passes, once it is over, and again at these ages.
AGES = tuple(timedelta(minutes=n) for n in (1, 3, 10, 30, 60, 240, 1440))
#: After a time without workers, minutes are counted from so long ago.
LONGEST_GAP = timedelta(days=1)
#: Of all PBXs together.
ALL_PBXS = 0
#: The last count is of what took longer than all of these.
LATENCY_LIMITS_MS = (
    *(5, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700),
    *(1000, 1500, 2000, 3000, 5000, 7000, 10_000, 15_000, 30_000),
    *(60_000, 120_000, 300_000, 900_000, 3_600_000, 10_800_000, 43_200_000, 86_400_000),
)

Figures = dict[int, dict[str, Any]]


def to_minute(moment: datetime) -> datetime:
    """Return the beginning of the minute."""
    return moment.replace(second=0, microsecond=0)


def minutes_to_count(counted_at: datetime, now: datetime) -> Iterator[datetime]:
    """Return the minutes to count now, after the last count was made then; oldest first."""
    first = to_minute(max(counted_at, now - LONGEST_GAP))
    present = to_minute(now)
    again = {present - age for age in AGES} if present > first else set()
    yield from sorted(again | set(_range(first, present)))


def refresh(
    database: Engine, counted_at: datetime, now: datetime, stopped: threading.Event
) -> None:
    """Count what may have changed since the last count; end early once `stopped` is set."""
    for minute in minutes_to_count(counted_at, now):
        if stopped.is_set():
            return
        with database.connect() as connection:
            figures = count_minute(connection, minute)
        if not figures:
            continue
        # Not in one transaction: on SQLite nobody else could write while we read.
        with write_transaction(database) as connection:
            store(connection, minute, figures)


def find_start(connection: Connection, now: datetime) -> datetime:
    """Return from when on there is something to count that has not been counted."""
    counted_at = connection.scalar(
        select(MinuteStatistics.minute)
        .where(MinuteStatistics.pbx_id == ALL_PBXS)
        .order_by(MinuteStatistics.minute.desc())
        .limit(1)
    )
    since = max(counted_at or now - LONGEST_GAP, now - LONGEST_GAP)
    first_event = connection.scalar(
        select(CallEvent.received_at)
        .where(CallEvent.id >= first_id(since))
        .order_by(CallEvent.id)
        .limit(1)
    )
    return first_event or now


def count_minute(connection: Connection, minute: datetime) -> Figures:
    """Return the minute's figures, by PBX and of all."""
    figures: Figures = defaultdict(_nothing)
    for pbx_id, count in connection.execute(
        select(CallEvent.pbx_id, func.count())
        .where(*_within(CallEvent.id, minute))
        .group_by(CallEvent.pbx_id)
    ):
        for key in (pbx_id, ALL_PBXS):
            figures[key]["events"] += count
    latency = _latency_ms(connection)
    for pbx_id, state, resent, latency_ms, count in connection.execute(
        select(
            Delivery.pbx_id, Delivery.state, Delivery.resent_at.is_not(None), latency, func.count()
        )
        .where(*_within(Delivery.id, minute))
        .group_by(Delivery.pbx_id, Delivery.state, Delivery.resent_at.is_not(None), latency)
    ):
        for key in (pbx_id, ALL_PBXS):
            figures[key][state] += count
            if state is DeliveryState.DELIVERED and not resent:
                # What somebody sent again later says nothing about how fast we are.
                figures[key]["latencies"][bisect_left(LATENCY_LIMITS_MS, latency_ms)] += count
    return figures


def store(connection: Connection, minute: datetime, figures: Mapping[int, dict[str, Any]]) -> None:
    """Keep the figures instead of those that there were of the minute."""
    connection.execute(delete(MinuteStatistics).where(MinuteStatistics.minute == minute))
    rows = [{"pbx_id": pbx_id, "minute": minute, **row} for pbx_id, row in figures.items()]
    if rows:
        connection.execute(insert(MinuteStatistics), rows)


def _nothing() -> dict[str, Any]:
    return {
        "events": 0,
        **{str(state): 0 for state in DeliveryState},
        "latencies": [0] * (len(LATENCY_LIMITS_MS) + 1),
    }


def _within(column: Any, minute: datetime) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return column >= first_id(minute), column < first_id(minute + MINUTE)


def _latency_ms(connection: Connection) -> ColumnElement[int]:
    """Return the time from acceptance to the end, in milliseconds."""
    if connection.dialect.name == "sqlite":
        days = func.julianday(Delivery.finished_at) - func.julianday(Delivery.created_at)
        return cast(func.round(days * 86_400_000), Integer)
    seconds = extract("epoch", Delivery.finished_at - Delivery.created_at)
    return cast(seconds * 1000, Integer)


def _range(first: datetime, last: datetime) -> Iterator[datetime]:
    """Return the minutes from the first to the last, both included."""
    while first <= last:
        yield first
        first += MINUTE
