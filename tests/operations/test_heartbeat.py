"""Workers send heartbeats; the leader runs the tasks of a single worker."""

from datetime import timedelta

import pytest
from flask import Flask

from callevents.config import VERSION
from callevents.config.settings import Settings
from callevents.db.models import WorkerProcess, new_id, utc_now
from callevents.db.session import write_transaction
from callevents.extensions import db
from callevents.operations.heartbeat import (
    MISSING_AFTER,
    REMOVE_AFTER,
    InstanceId,
    is_alive,
    is_leader,
    list_workers,
    send_heartbeat,
)
from callevents.operations.scheduler import Scheduler
from tests.support.waiting import wait_until

MOMENT = timedelta(milliseconds=1)


def seen() -> list[WorkerProcess]:
    """Return the workers as they are stored now."""
    db.session.rollback()
    return list(list_workers())


def test_worker_is_seen_until_it_stops(app: Flask, settings: Settings) -> None:
    """A running worker is registered with its identity; a stopped one is not."""
    scheduler = Scheduler(db.engine, settings, count_foreign_jobs=lambda: 3)
    scheduler.start()
    wait_until(seen, "the first beat")
    [worker] = seen()
    assert worker.foreign_jobs == 3
    instance = InstanceId()
    assert (worker.host, worker.pid, worker.version) == (instance.host, instance.pid, VERSION)
    assert is_alive(worker, utc_now())
    scheduler.close()
    assert seen() == []


def test_heartbeat_updates_the_time(app: Flask) -> None:
    """A heartbeat updates the time; a worker without heartbeats is missing and removed later."""
    instance, now = InstanceId(), utc_now()
    for moment, dropped in ((now - timedelta(minutes=1), 0), (now, 2)):
        with write_transaction(db.engine) as connection:
            send_heartbeat(connection, instance, moment, foreign_jobs=dropped)
    [worker] = seen()
    assert worker.foreign_jobs == 2
    assert (worker.started_at, worker.seen_at) == (instance.started_at, now)
    assert is_alive(worker, now + MISSING_AFTER)
    assert not is_alive(worker, now + MISSING_AFTER + MOMENT)
    other = InstanceId()
    with write_transaction(db.engine) as connection:
        send_heartbeat(connection, other, now + REMOVE_AFTER + MOMENT)
    assert [one.id for one in seen()] == [other.id]


def test_longest_running_worker_is_leader(app: Flask) -> None:
    """The longest running worker is the leader; if it goes missing, the next one is."""
    first, second, now = InstanceId(), InstanceId(), utc_now()
    with write_transaction(db.engine) as connection:
        assert not is_leader(connection, first, now), "no worker is registered yet"
        for one in (first, second):
            send_heartbeat(connection, one, now)
        assert is_leader(connection, first, now)
        assert not is_leader(connection, second, now)
        later = now + MISSING_AFTER + MOMENT
        send_heartbeat(connection, second, later)
        assert is_leader(connection, second, later)
        assert not is_leader(connection, first, later)


def test_only_the_leader_purges(
    app: Flask, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that is not the leader does not purge."""
    with write_transaction(db.engine) as connection:
        send_heartbeat(connection, InstanceId(id=new_id()), utc_now())
    scheduler = Scheduler(db.engine, settings)
    scheduler.send_heartbeat()
    purged: list[object] = []
    monkeypatch.setattr(
        "callevents.operations.scheduler.purge_by_age", lambda *_: purged.append(1) or iter(())
    )
    scheduler.remove_old()
    assert not purged
    scheduler.close()
