"""Retention: old events are removed in batches; events with open deliveries are kept."""

import threading
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import delete, func, select, update

from callevents.config.settings import Settings
from callevents.db.models import (
    Attempt,
    CallAnswer,
    CallEvent,
    Delivery,
    MinuteStatistics,
    Notification,
    OncePerCall,
    Pbx,
    SeenExtension,
    SignInFailure,
    UnknownToken,
    new_id,
    utc_now,
)
from callevents.db.session import begin_write, write_transaction
from callevents.enums import DeliveryState, EventType
from callevents.extensions import Base, db
from callevents.ingest.accept import accept
from callevents.ingest.report import Report
from callevents.operations import retention
from callevents.operations.retention import (
    BATCH_EVENTS,
    Purged,
    has_own_retention,
    purge,
    purge_batch,
    purge_by_age,
)
from callevents.operations.scheduler import Scheduler
from tests.support.aged_events import AddEvents, id_at

DAY = timedelta(days=1)


def count(model: type[Base]) -> int:
    """Return the current number of rows."""
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(model)) or 0


def purge_all(**options: bool) -> list[Purged]:
    """Purge events older than 30 days; return the result of each batch."""
    return list(purge(db.engine, utc_now() - 30 * DAY, threading.Event(), **options))


def test_old_events_are_removed_with_deliveries_and_attempts(add_events: AddEvents) -> None:
    """Older events are removed completely, younger ones are kept completely."""
    add_events(3, age=31 * DAY, attempts=2)
    young = add_events(2, age=29 * DAY)
    [done] = purge_all()
    assert (done.events, done.deliveries, done.attempts, done.kept) == (3, 3, 6, 0)
    assert set(db.session.scalars(select(CallEvent.id))) == set(young)
    assert (count(Delivery), count(Attempt)) == (2, 2)


def test_event_with_an_open_delivery_stays(add_events: AddEvents) -> None:
    """An old event is kept while one of its deliveries is open, and removed afterwards."""
    [waiting] = add_events(1, age=90 * DAY, state=DeliveryState.PENDING)
    add_events(1, age=60 * DAY, state=DeliveryState.FAILED)
    [done] = purge_all()
    assert (done.events, done.kept) == (1, 1)
    assert list(db.session.scalars(select(CallEvent.id))) == [waiting]
    begin_write()
    db.session.query(Delivery).one().state = DeliveryState.CANCELLED
    db.session.commit()
    assert sum(done.events for done in purge_all()) == 1
    assert (count(CallEvent), count(Delivery), count(Attempt)) == (0, 0, 0)


def test_transactions_are_bounded(add_events: AddEvents) -> None:
    """No transaction exceeds its limits of events and rows; in the end all are removed."""
    add_events(12, age=40 * DAY, attempts=0)
    add_events(6, age=35 * DAY, attempts=4)
    add_events(1, age=31 * DAY, attempts=40)
    before = utc_now() - 30 * DAY
    while True:
        with write_transaction(db.engine) as connection:
            done = purge_batch(connection, before, max_events=10, max_rows=25)
        if done is None:
            break
        rows = done.events + done.deliveries + done.attempts
        assert done.events <= 10
        assert rows <= 25 or done.events == 1, "a single event may have more rows"
    assert count(CallEvent) == 0


def test_waits_for_a_concurrent_change_of_a_delivery(
    add_events: AddEvents, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A delivery that is reopened at the same moment keeps its event."""
    add_events(1, age=60 * DAY, state=DeliveryState.FAILED)
    locking, done = threading.Event(), []
    real = retention._lock_deliveries

    def lock(*arguments: object) -> object:
        locking.set()
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(retention, "_lock_deliveries", lock)
    begin_write()
    db.session.query(Delivery).one().state = DeliveryState.PENDING
    db.session.flush()
    engine = db.engine
    before = utc_now() - 30 * DAY
    purging = threading.Thread(target=lambda: done.extend(purge(engine, before, threading.Event())))
    purging.start()
    if engine.dialect.name == "postgresql":
        # SQLite has no second writer at all until we commit.
        assert locking.wait(30)
    db.session.commit()
    purging.join()
    assert [(one.events, one.kept) for one in done] == [(0, 1)]
    assert count(Delivery) == 1


def test_dry_run_removes_nothing(add_events: AddEvents) -> None:
    """A dry run counts rows and removes none."""
    add_events(2, age=31 * DAY)
    [done] = purge_all(dry_run=True)
    assert (done.events, done.deliveries, done.attempts) == (2, 2, 2)
    assert count(Attempt) == 2


def test_stops_between_batches(add_events: AddEvents) -> None:
    """A stopping worker does not finish the purge first."""
    add_events(BATCH_EVENTS + 2, age=31 * DAY, attempts=0)
    stopped = threading.Event()
    for _done in purge(db.engine, utc_now() - 30 * DAY, stopped):
        # Another connection sees that the batch is committed.
        assert count(CallEvent) == 2
        stopped.set()
    assert count(CallEvent) == 2


def test_other_old_rows_are_removed(app: Flask, pbx: Pbx) -> None:
    """Suggested extensions, failed sign-ins, notifications and statistics are removed by age."""
    now = utc_now()
    begin_write()
    for number, age in (("101", 31 * DAY), ("102", DAY)):
        then = now - age
        db.session.add(SeenExtension(pbx_id=pbx.id, number=number, last_seen_at=then))
        db.session.add(SignInFailure(key=number, count=1, failed_at=then, blocked_until=then))
        id_then = id_at(then)
        facts = {"channel": "mail", "kind": "suspended", "facts": {}, "due_at": now}
        db.session.add(Notification(id=id_then, **facts))
        counts = dict.fromkeys(("events", "pending", "delivered", "failed", "cancelled"), 0)
        db.session.add(MinuteStatistics(pbx_id=0, minute=then, latencies=[], **counts))
    db.session.commit()
    with write_transaction(db.engine) as connection:
        retention.purge_other_tables(connection, now - 30 * DAY)
        retention.remove_old_statistics(connection, now)
    for model in (SeenExtension, SignInFailure, Notification, MinuteStatistics):
        assert count(model) == 1, model.__name__


def test_worker_removes_old_networks(pbx: Pbx, settings: Settings) -> None:
    """Addresses of reports without a valid token go after an hour, whatever the setting is."""
    begin_write()
    for network, minutes in (("192.0.2.1", 61), ("192.0.2.2", 59)):
        at = utc_now() - timedelta(minutes=minutes)
        db.session.add(UnknownToken(pbx_id=pbx.id, network=network, count=1, last_at=at))
    db.session.commit()
    scheduler = Scheduler(db.engine, settings.model_copy(update={"retention_days": 0}))
    scheduler.send_heartbeat()
    scheduler.remove_old()
    scheduler.close()
    db.session.rollback()
    assert db.session.scalars(select(UnknownToken.network)).all() == ["192.0.2.2"]


def test_worker_removes_what_was_kept_of_old_calls(pbx: Pbx, settings: Settings) -> None:
    """What was sent once per call, and values of answers, go after eight days."""
    begin_write()
    for number in range(3):
        call = {"pbx_id": pbx.id, "call_id": f"c{number}"}
        then = utc_now() - (8 * number * DAY + DAY)
        sent = {**call, "hook_id": 1, "delivery_id": new_id(), "created_at": then}
        db.session.add(OncePerCall(**sent))
        kept = {**call, "receiver_id": 1, "name": "ID", "value": "7", "created_at": then}
        db.session.add(CallAnswer(**kept))
    db.session.commit()
    with write_transaction(db.engine) as connection:
        assert retention.remove_old_calls(connection, utc_now() - 2 * DAY) == 1
    scheduler = Scheduler(db.engine, settings.model_copy(update={"retention_days": 0}))
    scheduler.send_heartbeat()
    scheduler.remove_old()
    scheduler.close()
    assert (count(OncePerCall), count(CallAnswer)) == (1, 1)


@pytest.mark.parametrize(("days", "left"), [(30, 1), (0, 2)], ids=["30 days", "for ever"])
def test_worker_purges(add_events: AddEvents, settings: Settings, days: int, left: int) -> None:
    """A worker removes events by the setting, and none if retention is disabled."""
    add_events(1, age=31 * DAY)
    add_events(1)
    scheduler = Scheduler(db.engine, settings.model_copy(update={"retention_days": days}))
    scheduler.send_heartbeat()
    scheduler.remove_old()
    scheduler.close()
    assert count(CallEvent) == left


def test_own_retention(add_events: AddEvents, pbx: Pbx, other_pbx: Pbx) -> None:
    """A PBX may keep its events for a shorter or a longer time than all others."""

    def remaining(general: int, own: int | None) -> int:
        begin_write()
        db.session.execute(delete(CallEvent))
        pbx.retention_days = own
        db.session.commit()
        for days in (2, 20, 50):
            add_events(1, age=days * DAY)
        begin_write()
        accept(other_pbx, [Report(event_type=EventType.DIAL_IN, extension="7")])
        old = update(CallEvent).where(CallEvent.pbx_id == other_pbx.id)
        db.session.execute(old.values(id=id_at(utc_now() - 40 * DAY)))
        db.session.commit()
        list(purge_by_age(db.engine, general, threading.Event()))
        return count(CallEvent)

    # The other PBX's event is 40 days old.
    assert remaining(general=30, own=None) == 2
    assert remaining(general=30, own=10) == 1
    assert remaining(general=30, own=100) == 3
    assert remaining(general=0, own=10) == 2
    assert remaining(general=0, own=None) == 4
    assert has_own_retention(db.engine) is False
