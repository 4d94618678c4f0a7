"""Workers tell that they live; the eldest does what one alone has to do."""

from datetime import timedelta

import pytest
from flask import Flask

from callevents.config import VERSION
from callevents.config.settings import Settings
from callevents.db.models import WorkerProcess, new_id, utc_now
from callevents.db.session import write_transaction
from callevents.extensions import db
from callevents.operations.heartbeat import (
    MISSED_FOR,
    SILENT_AFTER,
    Myself,
    beat,
    is_alive,
    is_eldest,
    list_workers,
)
from callevents.operations.scheduler import Keeper
from tests.support.waiting import wait_until

MOMENT = timedelta(milliseconds=1)


def seen() -> list[WorkerProcess]:
    """Return the workers as they are stored now."""
    db.session.rollback()
    return list(list_workers())


def test_worker_is_seen_until_it_stops(app: Flask, settings: Settings) -> None:
    """A running worker is in the table, with who it is, and is not when it has stopped."""
    keeper = Keeper(db.engine, settings)
    keeper.start()
    wait_until(seen, "the first beat")
    [worker] = seen()
    myself = Myself()
    assert (worker.host, worker.pid, worker.version) == (myself.host, myself.pid, VERSION)
    assert is_alive(worker, utc_now())
    keeper.close()
    assert seen() == []


def test_beats_move_the_time(app: Flask) -> None:
    """Each beat is noted; a worker that misses some has fallen silent, and is forgotten later."""
    myself, now = Myself(), utc_now()
    for moment in (now - timedelta(minutes=1), now):
        with write_transaction(db.engine) as connection:
            beat(connection, myself, moment)
    [worker] = seen()
    assert (worker.started_at, worker.seen_at) == (myself.started_at, now)
    assert is_alive(worker, now + SILENT_AFTER)
    assert not is_alive(worker, now + SILENT_AFTER + MOMENT)
    other = Myself()
    with write_transaction(db.engine) as connection:
        beat(connection, other, now + MISSED_FOR + MOMENT)
    assert [one.id for one in seen()] == [other.id]


def test_one_is_the_eldest(app: Flask) -> None:
    """Of those that live the first one is the eldest; if it falls silent, the next."""
    first, second, now = Myself(), Myself(), utc_now()
    with write_transaction(db.engine) as connection:
        assert not is_eldest(connection, first, now), "nobody has been heard yet"
        for one in (first, second):
            beat(connection, one, now)
        assert is_eldest(connection, first, now)
        assert not is_eldest(connection, second, now)
        later = now + SILENT_AFTER + MOMENT
        beat(connection, second, later)
        assert is_eldest(connection, second, later)
        assert not is_eldest(connection, first, later)


def test_only_the_eldest_tidies(
    app: Flask, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A younger worker leaves the purge to the eldest."""
    with write_transaction(db.engine) as connection:
        beat(connection, Myself(id=new_id()), utc_now())
    keeper = Keeper(db.engine, settings)
    keeper.beat()
    tidied: list[object] = []
    monkeypatch.setattr(
        "callevents.operations.scheduler.purge", lambda *_: tidied.append(1) or iter(())
    )
    keeper.tidy()
    assert not tidied
    keeper.close()
