"""Statistics by minute: events, deliveries by state, latencies."""

import threading
from datetime import timedelta

import pytest

from callevents.config.settings import Settings
from callevents.db.models import Delivery, MinuteStatistics, Pbx, utc_now
from callevents.db.session import begin_write
from callevents.enums import DeliveryState
from callevents.extensions import db
from callevents.operations.scheduler import Scheduler
from callevents.operations.statistics import (
    ALL_PBXS,
    LATENCY_LIMITS_MS,
    MINUTE,
    RECOUNT_AGES,
    aggregate_minute,
    find_start,
    minutes_to_update,
    refresh,
    to_minute,
)
from tests.support.aged_events import AddEvents

HOUR = timedelta(hours=1)


def stored() -> dict[int, MinuteStatistics]:
    """Return the stored statistics by PBX."""
    db.session.rollback()
    return {row.pbx_id: row for row in db.session.query(MinuteStatistics)}


def test_minute_is_counted_for_each_pbx_and_all(add_events: AddEvents, pbx: Pbx) -> None:
    """Events, deliveries by state, and latencies in their buckets."""
    then = to_minute(utc_now()) - HOUR
    age = utc_now() - then - timedelta(seconds=20)
    for count, state, took in (
        (3, DeliveryState.DELIVERED, 12),
        (1, DeliveryState.DELIVERED, 10_000),
        (2, DeliveryState.FAILED, 50),
        (1, DeliveryState.CANCELLED, 50),
        (1, DeliveryState.PENDING, 0),
        (3, DeliveryState.HELD, 0),
        (2, DeliveryState.SKIPPED, 0),
    ):
        add_events(count, age=age, state=state, took=timedelta(milliseconds=took))
    add_events(1, age=age + MINUTE)
    add_events(1, age=age - MINUTE)
    with db.engine.connect() as connection:
        figures = aggregate_minute(connection, then)
    assert figures[pbx.id] == figures[ALL_PBXS]
    latencies = figures[ALL_PBXS].pop("latencies")
    assert figures[ALL_PBXS] == {
        "events": 13,
        "delivered": 4,
        "failed": 2,
        "cancelled": 1,
        "pending": 1,
        "held": 3,
        "skipped": 2,
    }
    ranges = dict(zip(LATENCY_LIMITS_MS, latencies, strict=False))
    assert {limit: count for limit, count in ranges.items() if count} == {15: 3, 10_000: 1}


def test_resent_delivery_has_no_latency(add_events: AddEvents) -> None:
    """A resent delivery counts as delivered, but not in the latencies."""
    add_events(1, took=timedelta(days=2))
    begin_write()
    delivery = db.session.query(Delivery).one()
    delivery.resent_at, minute = utc_now(), to_minute(delivery.created_at)
    db.session.commit()
    with db.engine.connect() as connection:
        figures = aggregate_minute(connection, minute)
    assert figures[ALL_PBXS]["delivered"] == 1
    assert sum(figures[ALL_PBXS]["latencies"]) == 0


def test_statistics_follow_changes(add_events: AddEvents) -> None:
    """Aggregating a minute again replaces its statistics."""
    add_events(1, state=DeliveryState.PENDING)
    now = db.session.query(Delivery).one().created_at
    db.session.rollback()
    refresh(db.engine, now, now, threading.Event())
    assert (stored()[ALL_PBXS].pending, stored()[ALL_PBXS].delivered) == (1, 0)
    begin_write()
    delivery = db.session.query(Delivery).one()
    delivery.state, delivery.finished_at = DeliveryState.DELIVERED, utc_now()
    db.session.commit()
    refresh(db.engine, now, now, threading.Event())
    assert (stored()[ALL_PBXS].pending, stored()[ALL_PBXS].delivered) == (0, 1)


def test_which_minutes_are_aggregated() -> None:
    """The current minute always, each past minute at its end, and older ones once at each age."""
    noon = to_minute(utc_now())
    within = noon + timedelta(seconds=30)
    assert list(minutes_to_update(within, within + timedelta(seconds=20))) == [noon]
    after = list(minutes_to_update(within, noon + MINUTE))
    assert after == sorted({noon, noon + MINUTE} | {noon + MINUTE - age for age in RECOUNT_AGES})
    counted: dict[object, int] = {}
    moment = noon
    while moment < noon + timedelta(hours=1):
        for minute in minutes_to_update(moment, moment + timedelta(seconds=10)):
            counted[minute] = counted.get(minute, 0) + 1
        moment += timedelta(seconds=10)
    expected = sum(age <= timedelta(minutes=59) for age in RECOUNT_AGES)
    assert counted[noon] - 6 == expected, "six times while it passes, then at each age"


def test_aggregation_continues_where_it_ended(add_events: AddEvents) -> None:
    """A new leader starts at the last aggregated minute, a day ago at most, and skips idle time."""
    now = utc_now()
    with db.engine.connect() as connection:
        assert find_start(connection, now) == now
    add_events(1, age=timedelta(days=2))
    add_events(1, age=3 * HOUR)
    with db.engine.connect() as connection:
        assert now - 3 * HOUR - MINUTE < find_start(connection, now) < now - 3 * HOUR + MINUTE
    refresh(db.engine, now - 3 * HOUR, now - 2 * HOUR, threading.Event())
    add_events(1, age=HOUR)
    with db.engine.connect() as connection:
        start = find_start(connection, now)
    assert start >= to_minute(now - 3 * HOUR)


@pytest.mark.parametrize("workers", [1, 2])
def test_leader_updates_statistics(add_events: AddEvents, settings: Settings, workers: int) -> None:
    """Only the leader updates the statistics, from its first run on."""
    add_events(2, age=HOUR)
    schedulers = [Scheduler(db.engine, settings) for _ in range(workers)]
    for scheduler in schedulers:
        scheduler.send_heartbeat()
    if workers == 2:
        schedulers[1].update_statistics()
        assert stored() == {}
    schedulers[0].update_statistics()
    assert stored()[ALL_PBXS].events == 2
    for scheduler in schedulers:
        scheduler.close()
