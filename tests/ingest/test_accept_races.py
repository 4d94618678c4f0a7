"""Accepting events concurrently, and failures in the middle of a transaction."""

import threading
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import delete, select, text
from sqlalchemy.exc import DBAPIError

from callevents.db.models import CallEvent, Delivery, Hook, Pbx, SeenExtension
from callevents.db.session import begin_write, write_transaction
from callevents.extensions import db
from callevents.ingest.accept import Accepted, accept
from tests.conftest import Configure
from tests.ingest.accepting import DIAL_IN, accept_now, count, report
from tests.support.database_faults import before_statement, refused_inserts
from tests.support.waiting import wait_until


def detach(pbx: Pbx) -> None:
    """Detach the PBX, so that other threads can use it, and end the transaction."""
    db.session.refresh(pbx)
    db.session.expunge(pbx)
    db.session.rollback()


def in_threads(app: Flask, *works: Callable[[], None]) -> None:
    """Run each function in a thread with its own session."""

    def run(work: Callable[[], None]) -> None:
        with app.app_context():
            work()

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_same_event_at_the_same_time(app: Flask, pbx: Pbx, configure: Configure) -> None:
    """Concurrent reports of an event store it once, and all get its ID."""
    configure.hook("*", DIAL_IN, "http://a/")
    detach(pbx)
    barrier, found = threading.Barrier(4), []

    def work() -> None:
        barrier.wait()
        found.extend(accept_now(pbx, report(key="k1"), report(key="k2")))

    in_threads(app, *[work] * 4)
    assert len(found) == 8
    assert len({one.id for one in found}) == 2
    assert sum(not one.is_duplicate for one in found) == 2
    assert sum(one.deliveries for one in found) == 2
    assert (count(CallEvent), count(Delivery)) == (2, 2)


def test_duplicate_of_a_concurrent_transaction(app: Flask, pbx: Pbx, configure: Configure) -> None:
    """A report gets the ID of an event that another transaction stores at the same time."""
    if db.engine.dialect.name == "sqlite":
        # On SQLite, writers take turns: the second reads after the first has committed.
        assert_writers_take_turns()
        return
    configure.hook("*", DIAL_IN, "http://a/")
    detach(pbx)
    first: list[Accepted] = []

    def be_faster() -> None:
        in_threads(app, lambda: first.extend(accept_now(pbx, report(key="k1"))))

    with before_statement(db.engine, "INSERT INTO call_event", be_faster):
        accepted = accept_now(pbx, report(key="k0"), report(key="k1"))
    assert accepted[0].deliveries == 1
    assert accepted[1] == Accepted(first[0].id, 0, is_duplicate=True)
    assert (count(CallEvent), count(Delivery)) == (2, 2)


def assert_writers_take_turns() -> None:
    """Check that a write transaction locks out other writers from its beginning."""
    begin_write()
    with db.engine.connect() as other:
        other.exec_driver_sql("ROLLBACK")
        other.exec_driver_sql("PRAGMA busy_timeout = 1")
        with pytest.raises(DBAPIError, match="locked"):
            other.exec_driver_sql("BEGIN IMMEDIATE")
        other.exec_driver_sql("BEGIN")
        other.exec_driver_sql("PRAGMA busy_timeout = 10000")
    db.session.rollback()


@pytest.mark.parametrize("table", ["delivery", "seen_extension", "call_event"])
def test_a_failure_leaves_nothing(pbx: Pbx, configure: Configure, table: str) -> None:
    """If the database rejects a part, nothing is stored, and the batch can be reported again."""
    configure.hook("*", DIAL_IN, "http://a/")
    batch = [report(key="k1"), report(key="k2", extension="102")]
    with refused_inserts(db.engine, table):
        begin_write()
        with pytest.raises(DBAPIError, match="refused by the test"):
            accept(pbx, batch)
        db.session.rollback()
    assert (count(CallEvent), count(Delivery), count(SeenExtension)) == (0, 0, 0)
    assert [one.is_duplicate for one in accept_now(pbx, *batch)] == [False, False]


def test_hook_removed_at_the_same_time(app: Flask, pbx: Pbx, configure: Configure) -> None:
    """An event is stored even if its hook is deleted at the same time."""
    hook = configure.hook("*", DIAL_IN, "http://a/")
    hook_id, database = hook.id, db.engine
    removed = threading.Event()

    def remove() -> None:
        with write_transaction(database) as connection:
            connection.execute(delete(Hook).where(Hook.id == hook_id))
        removed.set()

    thread = threading.Thread(target=remove)

    def remove_meanwhile() -> None:
        thread.start()
        if database.dialect.name == "postgresql":
            wait_until(lambda: removed.is_set() or waits_for_lock(), "the removal, done or waiting")

    def waits_for_lock() -> bool:
        with database.connect() as connection:
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            return bool(connection.scalar(text(waiting)))

    with before_statement(database, "INSERT INTO delivery", remove_meanwhile):
        [accepted] = accept_now(pbx, report())
    thread.join()
    assert accepted.deliveries == 1
    delivery = db.session.scalars(select(Delivery)).one()
    assert (delivery.call_event_id, delivery.hook) == (accepted.id, None)
