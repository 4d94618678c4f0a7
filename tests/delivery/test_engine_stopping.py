"""The delivery engine: how it stops."""

import threading

from flask import Flask

from callevents.db.models import Hook, utc_now
from callevents.delivery.engine import Engine
from callevents.enums import EventType
from callevents.extensions import db
from tests.conftest import Configure
from tests.delivery.blocking_receiver import DELIVERED, PENDING, STOPPED, BlockingReceiver
from tests.delivery.conftest import MakeEngine, ReportEvents, Serve, get_delivery, list_attempts
from tests.support.database_faults import before_statement, missing_table
from tests.support.log_capture import Logged
from tests.support.raw_server import hangs
from tests.support.receiver import Receiver
from tests.support.waiting import wait_until


def test_close_waits_for_running_attempts(
    held_hook: Hook,
    report_events: ReportEvents,
    make_engine: MakeEngine,
    blocking: BlockingReceiver,
) -> None:
    """A stopping worker waits for its attempts, and records their outcomes."""
    engine = make_engine(shutdown_seconds=60, read_timeout_seconds=60, total_timeout_seconds=60)
    [delivery_id] = report_events(1, EventType.DIAL_OUT)
    engine.drain()
    blocking.server.wait_for_requests(1)
    closing = threading.Thread(target=engine.close)
    closing.start()
    wait_until(lambda: engine.is_stopping, "the beginning of the end")
    assert closing.is_alive()
    blocking.respond()
    closing.join()
    assert get_delivery(delivery_id).state is DELIVERED


def test_close_interrupts_attempts_that_hang(
    configure: Configure, report_events: ReportEvents, make_engine: MakeEngine, serve: Serve
) -> None:
    """Attempts that do not end in time are aborted, recorded, and due again at once."""
    server = serve(hangs)
    configure.hook("*", EventType.DIAL_IN, server.url)
    engine = make_engine(
        shutdown_seconds=0.1, read_timeout_seconds=60, total_timeout_seconds=60, lease_seconds=600
    )
    ids = report_events(3)
    engine.drain()
    server.wait_for_requests(3)
    engine.close()
    for delivery_id in ids:
        delivery = get_delivery(delivery_id)
        assert (delivery.state, delivery.attempts, delivery.claimed_at) == (PENDING, 1, None)
        assert delivery.due_at <= utc_now()
        assert [one.error for one in list_attempts(delivery_id)] == [STOPPED]


def test_closed_engine_claims_nothing(
    hook: Hook, report_events: ReportEvents, make_engine: MakeEngine
) -> None:
    """After the stop request nothing new begins, and closing twice is harmless."""
    engine = make_engine(poll_seconds=0.05)
    engine.request_stop()
    [delivery_id] = report_events()
    assert engine.drain() == 0
    engine.close()
    engine.close()
    assert engine.drain() == 0
    assert get_delivery(delivery_id).fence == 0


def test_engine_that_never_started_can_be_closed(app: Flask, engine: Engine) -> None:
    """Closing needs no start before it; the fixture closes once more."""
    engine.close()
    assert engine.is_stopping


def test_stop_while_all_threads_are_busy(
    held_hook: Hook,
    report_events: ReportEvents,
    make_engine: MakeEngine,
    blocking: BlockingReceiver,
) -> None:
    """A drain that waits for a free thread ends when the engine is to stop."""
    engine = make_engine(worker_threads=1)
    report_events(2, EventType.DIAL_OUT)
    found: list[int] = []
    drain = threading.Thread(target=lambda: found.append(engine.drain()))
    drain.start()
    blocking.server.wait_for_requests(1)
    engine.request_stop()
    drain.join()
    assert found == [1]


def test_close_in_the_middle_of_a_drain(
    hook: Hook, report_events: ReportEvents, make_engine: MakeEngine
) -> None:
    """Deliveries claimed before the stop are still sent, and none waits for its lease."""
    engine = make_engine(shutdown_seconds=60, lease_seconds=600)
    [delivery_id] = report_events()
    closing = threading.Thread(target=engine.close)

    def close_meanwhile() -> None:
        closing.start()
        wait_until(lambda: engine.is_stopping, "the beginning of the end")
        # If it waits for nobody, it has ended soon.
        closing.join(0.5)

    with before_statement(db.engine, "SELECT delivery.id AS delivery_id", close_meanwhile):
        engine.drain()
    closing.join()
    assert get_delivery(delivery_id).state is DELIVERED


def test_close_does_not_wait_for_a_database_that_is_away(
    hook: Hook,
    report_events: ReportEvents,
    make_engine: MakeEngine,
    receiver: Receiver,
    logged: Logged,
) -> None:
    """A worker that stops while nothing can be recorded leaves the rest to the leases."""
    engine = make_engine(shutdown_seconds=0.1)
    [delivery_id] = report_events()
    with missing_table(db.engine, "attempt"):
        engine.drain()
        receiver.wait_for(1)
        engine.close()
    delivery = get_delivery(delivery_id)
    assert (delivery.state, delivery.fence) == (PENDING, 1)
    assert "could not record outcomes; retrying" in logged.text
