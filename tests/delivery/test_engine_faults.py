"""The delivery engine: bad rows, and a database that fails."""

import pytest
from sqlalchemy import insert, update
from sqlalchemy.exc import SQLAlchemyError

from callevents.db.models import Attempt, Hook, utc_now
from callevents.db.session import write_transaction
from callevents.enums import EventType, Method
from callevents.extensions import db
from tests.conftest import Configure
from tests.delivery.blocking_receiver import DELIVERED, PENDING, BlockingReceiver
from tests.delivery.conftest import MakeEngine, ReportEvents, get_delivery
from tests.support.database_faults import missing_table
from tests.support.log_capture import Logged
from tests.support.receiver import Receiver
from tests.support.waiting import wait_for_state, wait_until


def test_bad_row_stops_no_other(
    hook: Hook,
    configure: Configure,
    report_events: ReportEvents,
    make_engine: MakeEngine,
    receiver: Receiver,
    logged: Logged,
) -> None:
    """A delivery whose request cannot be built is logged; the others are sent."""
    bad = configure.hook("*", EventType.HANGUP, "http://a/")
    [bad_id] = report_events(1, EventType.HANGUP)
    with write_transaction(db.engine) as connection:
        # No form allows this; it was written into the table directly.
        connection.execute(update(Hook).where(Hook.id == bad.id).values(url="http://["))
    good = report_events(3)
    assert make_engine().drain() == 4
    for delivery_id in good:
        wait_for_state(delivery_id, DELIVERED)
    assert len(receiver.wait_for(3)) == 3
    assert get_delivery(bad_id).state is PENDING
    assert "could not build the request of a delivery" in logged.text
    assert bad_id in logged.text


def test_bad_outcome_stops_no_other(
    held_hook: Hook,
    report_events: ReportEvents,
    make_engine: MakeEngine,
    blocking: BlockingReceiver,
    logged: Logged,
) -> None:
    """An outcome that the database refuses is dropped, and all others are recorded."""
    engine = make_engine()
    ids = report_events(4, EventType.DIAL_OUT)
    engine.drain()
    blocking.server.wait_for_requests(4)
    with write_transaction(db.engine) as connection:
        # The number of the next attempt exists already.
        connection.execute(
            insert(Attempt).values(
                delivery_id=ids[1],
                number=1,
                started_at=utc_now(),
                duration_ms=0,
                method=Method.GET,
                url="http://a/",
                request_headers=[],
                response_headers=[],
                error="",
                request_body="",
                response_body="",
                response_truncated=False,
            )
        )
    with missing_table(db.engine, "attempt"):
        # All wait together until there is a table to write to.
        blocking.respond()
        wait_until(lambda: "could not record outcomes; retrying" in logged.text, "a failed record")
    for delivery_id in (ids[0], *ids[2:]):
        wait_for_state(delivery_id, DELIVERED)
    wait_until(lambda: "could not record an outcome" in logged.text, "the dropped outcome")
    assert get_delivery(ids[1]).state is PENDING


def test_outcomes_wait_for_the_database(
    held_hook: Hook,
    report_events: ReportEvents,
    make_engine: MakeEngine,
    blocking: BlockingReceiver,
    logged: Logged,
) -> None:
    """An outcome that could not be recorded is recorded as soon as the database works."""
    engine = make_engine(read_timeout_seconds=60, total_timeout_seconds=60)
    ids = report_events(2, EventType.DIAL_OUT)
    engine.drain()
    blocking.server.wait_for_requests(2)
    with missing_table(db.engine, "attempt"):
        blocking.respond()
        wait_until(lambda: "could not record outcomes; retrying" in logged.text, "a failed record")
        assert get_delivery(ids[0]).state is PENDING
        db.session.rollback()
    for delivery_id in ids:
        assert wait_for_state(delivery_id, DELIVERED).attempts == 1
    assert blocking.arrived == 2
    assert "CallerIDNum" not in logged.text, "the log tells what was to be stored"


def test_poller_outlives_the_database(
    hook: Hook, report_events: ReportEvents, make_engine: MakeEngine, logged: Logged
) -> None:
    """Polling continues while the database fails, and then delivers."""
    [delivery_id] = report_events()
    db.session.rollback()
    with missing_table(db.engine, "delivery"):
        engine = make_engine(poll_seconds=0.05)
        wait_until(lambda: "database unavailable" in logged.text, "a failed poll")
        with pytest.raises(SQLAlchemyError):
            engine.drain()
    wait_for_state(delivery_id, DELIVERED)


def test_threads_are_free_again_after_a_failed_claim(
    hook: Hook, report_events: ReportEvents, make_engine: MakeEngine
) -> None:
    """A failed claim loses no thread: afterwards all of them work."""
    engine = make_engine(worker_threads=2)
    ids = report_events(6)
    db.session.rollback()
    with missing_table(db.engine, "delivery"):
        for _ in range(3):
            with pytest.raises(SQLAlchemyError):
                engine.drain()
    assert engine.drain() == 6
    for delivery_id in ids:
        wait_for_state(delivery_id, DELIVERED)
