"""The engine of a worker: hands out, renews, records, stops; on a real database with receivers."""

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from callevents.delivery.engine import Engine
from callevents.enums import DeliveryState, EventType, Method
from callevents.extensions import db, write_transaction
from callevents.models import Attempt, Delivery, Hook, utc_now
from tests.conftest import Configure
from tests.core.faults import before_statement, missing_table
from tests.core.logged import Logged
from tests.delivery.conftest import (
    MakeEngine,
    ReportEvents,
    Serve,
    get_delivery,
    list_attempts,
)
from tests.delivery.raw import Connection, RawServer, answers, hangs
from tests.receiver import Receiver, Reply
from tests.waiting import wait_for_delivery, wait_for_state, wait_until

DELIVERED, PENDING = DeliveryState.DELIVERED, DeliveryState.PENDING
STOPPED = "The worker stopped during this attempt."


@pytest.fixture
def hook(configure: Configure, receiver: Receiver) -> Hook:
    """A hook for dial-in of all extensions, at a receiver that answers at once."""
    return configure.hook("*", EventType.DIAL_IN, receiver.url)


class Holding:
    """A receiver that takes requests and answers them when it is told to."""

    def __init__(self, serve: Serve) -> None:
        self._go = threading.Event()
        self.server: RawServer = serve(self._talk)

    def _talk(self, connection: Connection) -> None:
        while connection.read_request():
            self._go.wait()
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    @property
    def arrived(self) -> int:
        """How many requests have come."""
        return len(self.server.requests)

    def answer(self) -> None:
        """Answer all requests, those to come too."""
        self._go.set()


@pytest.fixture
def holding(serve: Serve) -> Iterator[Holding]:
    """A receiver that holds its answers back."""
    holding = Holding(serve)
    yield holding
    holding.answer()


@pytest.fixture
def held_hook(configure: Configure, holding: Holding) -> Hook:
    """A hook for dial-out of all extensions, at the receiver that holds back."""
    return configure.hook("*", EventType.DIAL_OUT, holding.server.url)


def test_drain_hands_out_more_than_there_are_threads(
    hook: Hook, report_events: ReportEvents, make_engine: MakeEngine, receiver: Receiver
) -> None:
    """One drain takes care of all that is due, however few threads there are."""
    ids = report_events(20)
    assert make_engine(worker_threads=3).drain() == 20
    arrivals = receiver.wait_for(20)
    assert sorted(arrival.parameters["DeliveryID"] for arrival in arrivals) == ids
    for delivery_id in ids:
        wait_for_state(delivery_id, DELIVERED)


def test_drain_with_nothing_due(app: Flask, make_engine: MakeEngine) -> None:
    """A drain that finds nothing ends at once."""
    assert make_engine().drain() == 0


def test_one_thread_keeps_the_order(
    hook: Hook, report_events: ReportEvents, make_engine: MakeEngine, receiver: Receiver
) -> None:
    """Within a batch, deliveries are begun in the order of their events."""
    ids = report_events(20)
    make_engine(worker_threads=1).drain()
    arrivals = receiver.wait_for(20)
    assert [arrival.parameters["DeliveryID"] for arrival in arrivals] == ids


def test_drain_does_not_wait_for_answers(
    held_hook: Hook,
    hook: Hook,
    report_events: ReportEvents,
    make_engine: MakeEngine,
    holding: Holding,
) -> None:
    """A drain ends although attempts hang, and the next one delivers beside them."""
    engine = make_engine()
    held = report_events(3, EventType.DIAL_OUT)
    assert engine.drain() == 3
    [quick] = report_events(1)
    assert engine.drain() == 1
    wait_for_state(quick, DELIVERED)
    holding.answer()
    for delivery_id in held:
        wait_for_state(delivery_id, DELIVERED)


def test_poller_needs_no_wake(
    hook: Hook, report_events: ReportEvents, make_engine: MakeEngine
) -> None:
    """What nobody has told a worker of is found and delivered."""
    make_engine(poll_seconds=0.05)
    [delivery_id] = report_events()
    wait_for_state(delivery_id, DELIVERED)


def test_two_workers_share_the_deliveries(
    hook: Hook, report_events: ReportEvents, make_engine: MakeEngine, receiver: Receiver
) -> None:
    """Two workers that drain at once send each delivery exactly once."""
    ids = report_events(60)
    engines = [make_engine(worker_threads=4) for _ in range(2)]
    handed_out: list[int] = []
    threads = [
        threading.Thread(target=lambda engine=engine: handed_out.append(engine.drain()))
        for engine in engines
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for delivery_id in ids:
        wait_for_state(delivery_id, DELIVERED)
    assert sum(handed_out) == 60
    assert sorted(one.parameters["DeliveryID"] for one in receiver.arrivals) == ids
    assert {get_delivery(delivery_id).fence for delivery_id in ids} == {1}


def test_failed_delivery_is_tried_again(
    hook: Hook, report_events: ReportEvents, make_engine: MakeEngine, receiver: Receiver
) -> None:
    """After a failure the same delivery is sent again, with the same id, until it is taken."""
    replies = iter([Reply(500, body=b"not now"), Reply(200)])
    receiver.reply = lambda _arrival: next(replies)
    make_engine(poll_seconds=0.05)
    [delivery_id] = report_events()
    delivery = wait_for_state(delivery_id, DELIVERED)
    assert (delivery.attempts, delivery.error, delivery.status_code) == (2, "", 200)
    attempts = list_attempts(delivery_id)
    assert [(one.status_code, one.response_body) for one in attempts] == [
        (500, "not now"),
        (200, "ok"),
    ]
    assert {one.parameters["DeliveryID"] for one in receiver.arrivals} == {delivery_id}


def test_disabled_between_claim_and_load(
    hook: Hook, report_events: ReportEvents, make_engine: MakeEngine, receiver: Receiver
) -> None:
    """A hook that is disabled when its delivery is claimed already sends nothing any more."""
    cancelled = report_events(2)
    engine, database = make_engine(), db.engine

    def disable() -> None:
        with write_transaction(database) as connection:
            connection.execute(update(Hook).values(active=False))

    with before_statement(database, "SELECT delivery.id AS delivery_id", disable):
        engine.drain()
    for delivery_id in cancelled:
        assert get_delivery(delivery_id).state is DeliveryState.CANCELLED
    assert receiver.arrivals == []
    hook.active = True
    db.session.commit()
    later = report_events(9)
    assert engine.drain() == 9, "the threads that the cancelled ones had are free again"
    for delivery_id in later:
        wait_for_state(delivery_id, DELIVERED)


def test_bad_row_stops_no_other(
    hook: Hook,
    configure: Configure,
    report_events: ReportEvents,
    make_engine: MakeEngine,
    receiver: Receiver,
    logged: Logged,
) -> None:
    """A delivery that cannot be made into a request is told in the log; the others go out."""
    bad = configure.hook("*", EventType.HANGUP, "http://a/")
    [bad_id] = report_events(1, EventType.HANGUP)
    with write_transaction(db.engine) as connection:
        # No form lets this pass; somebody has written into the table.
        connection.execute(update(Hook).where(Hook.id == bad.id).values(url="http://["))
    good = report_events(3)
    assert make_engine().drain() == 4
    for delivery_id in good:
        wait_for_state(delivery_id, DELIVERED)
    assert len(receiver.wait_for(3)) == 3
    assert get_delivery(bad_id).state is PENDING
    assert "a delivery cannot be sent" in logged.text
    assert bad_id in logged.text


def test_too_old_deliveries_are_not_sent(
    hook: Hook, report_events: ReportEvents, make_engine: MakeEngine, receiver: Receiver
) -> None:
    """What has waited for a day because no worker ran is given up, and told as that."""
    old, young = report_events(2)
    day = timedelta(hours=24)
    with write_transaction(db.engine) as connection:
        connection.execute(
            update(Delivery)
            .where(Delivery.id == old)
            .values(created_at=utc_now() - day - day / 9, expires_at=utc_now() - day / 9)
        )
    make_engine().drain()
    wait_for_state(young, DELIVERED)
    delivery = get_delivery(old)
    assert (delivery.state, delivery.attempts, delivery.claimed_at) == (
        *(DeliveryState.FAILED, 0, None),
    )
    assert delivery.error == "Gave up: its time was over before it could be tried."
    assert delivery.finished_at is not None
    assert [one.parameters["DeliveryID"] for one in receiver.arrivals] == [young]


def test_held_up_worker_does_not_send_what_is_not_its_own(
    hook: Hook, report_events: ReportEvents, make_engine: MakeEngine, receiver: Receiver
) -> None:
    """A worker that was stopped between claim and attempt for longer than the lease lets go."""
    [delivery_id] = report_events()
    engine, database = make_engine(lease_seconds=1), db.engine

    def be_held_up() -> None:
        with database.connect() as connection:
            lease_ends = connection.scalar(select(Delivery.due_at))
        assert lease_ends is not None
        wait_until(lambda: utc_now() > lease_ends, "the end of the lease")

    with before_statement(database, "SELECT delivery.id AS delivery_id", be_held_up):
        engine.drain()
    # A lease that is renewed while it is let go ends later, when this drain has ended already.
    wait_until(
        lambda: engine.drain() or get_delivery(delivery_id).state is DELIVERED, "another claim"
    )
    delivery = wait_for_state(delivery_id, DELIVERED)
    assert delivery.attempts == len(receiver.arrivals) == 1
    assert delivery.fence >= 2, "what was sent belongs to a later claim than the held-up one"


def test_bad_outcome_stops_no_other(
    held_hook: Hook,
    report_events: ReportEvents,
    make_engine: MakeEngine,
    holding: Holding,
    logged: Logged,
) -> None:
    """An outcome that the database refuses is dropped, and all others are recorded."""
    engine = make_engine()
    ids = report_events(4, EventType.DIAL_OUT)
    engine.drain()
    holding.server.wait_for_requests(4)
    with write_transaction(db.engine) as connection:
        # The number of the attempt to come is taken already.
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
        holding.answer()
        wait_until(lambda: "outcomes not recorded yet" in logged.text, "a failed record")
    for delivery_id in (ids[0], *ids[2:]):
        wait_for_state(delivery_id, DELIVERED)
    wait_until(lambda: "an outcome cannot be recorded" in logged.text, "the dropped outcome")
    assert get_delivery(ids[1]).state is PENDING


def test_slow_attempt_keeps_its_lease(
    held_hook: Hook, report_events: ReportEvents, make_engine: MakeEngine, holding: Holding
) -> None:
    """An attempt that takes longer than the lease is not made a second time by another worker."""
    [delivery_id] = report_events(1, EventType.DIAL_OUT)
    patient = {"read_timeout_seconds": 60, "total_timeout_seconds": 60, "lease_seconds": 2}
    make_engine(**patient).drain()
    first_lease_ends = get_delivery(delivery_id).due_at
    make_engine(**patient, poll_seconds=0.05)
    wait_until(lambda: utc_now() > first_lease_ends, "the end of the first lease")
    renewed = wait_for_delivery(delivery_id, lambda delivery: delivery.due_at > utc_now())
    assert (renewed.fence, renewed.attempts) == (1, 0)
    holding.answer()
    assert wait_for_state(delivery_id, DELIVERED).attempts == 1
    assert holding.arrived == 1


def test_delivery_of_a_dead_worker_is_made_again(
    hook: Hook, report_events: ReportEvents, make_engine: MakeEngine, receiver: Receiver
) -> None:
    """What a worker had when it died is sent by another one after the lease, and not before."""
    [delivery_id] = report_events()
    with write_transaction(db.engine) as connection:
        lease_ends = utc_now()
        # As a killed worker leaves it: claimed, and nobody renews the lease.
        connection.execute(update(Delivery).values(fence=1, claimed_at=utc_now()))
        connection.execute(update(Delivery).values(due_at=lease_ends))
    make_engine(poll_seconds=0.05)
    delivery = wait_for_state(delivery_id, DELIVERED)
    assert delivery.fence == 2
    assert delivery.attempted_at is not None
    assert delivery.attempted_at >= lease_ends
    assert len(receiver.arrivals) == 1


def test_close_waits_for_running_attempts(
    held_hook: Hook, report_events: ReportEvents, make_engine: MakeEngine, holding: Holding
) -> None:
    """A worker that stops lets its attempts end, and records what came of them."""
    engine = make_engine(shutdown_seconds=60, read_timeout_seconds=60, total_timeout_seconds=60)
    [delivery_id] = report_events(1, EventType.DIAL_OUT)
    engine.drain()
    holding.server.wait_for_requests(1)
    closing = threading.Thread(target=engine.close)
    closing.start()
    wait_until(lambda: engine.is_stopping, "the beginning of the end")
    assert closing.is_alive()
    holding.answer()
    closing.join()
    assert get_delivery(delivery_id).state is DELIVERED


def test_close_interrupts_attempts_that_hang(
    configure: Configure, report_events: ReportEvents, make_engine: MakeEngine, serve: Serve
) -> None:
    """What does not end in time is cut, recorded as an attempt, and due again at once."""
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
    """After the request to stop nothing new is begun, and closing twice does no harm."""
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
    held_hook: Hook, report_events: ReportEvents, make_engine: MakeEngine, holding: Holding
) -> None:
    """A drain that waits for a free thread ends when the engine is to stop."""
    engine = make_engine(worker_threads=1)
    report_events(2, EventType.DIAL_OUT)
    found: list[int] = []
    drain = threading.Thread(target=lambda: found.append(engine.drain()))
    drain.start()
    holding.server.wait_for_requests(1)
    engine.request_stop()
    drain.join()
    assert found == [1]


def test_close_in_the_middle_of_a_drain(
    hook: Hook, report_events: ReportEvents, make_engine: MakeEngine
) -> None:
    """What was claimed when the end came is still sent, and no delivery waits for its lease."""
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


def test_outcomes_wait_for_the_database(
    held_hook: Hook,
    report_events: ReportEvents,
    make_engine: MakeEngine,
    holding: Holding,
    logged: Logged,
) -> None:
    """If an outcome cannot be recorded, it is recorded as soon as the database takes it."""
    engine = make_engine(read_timeout_seconds=60, total_timeout_seconds=60)
    ids = report_events(2, EventType.DIAL_OUT)
    engine.drain()
    holding.server.wait_for_requests(2)
    with missing_table(db.engine, "attempt"):
        holding.answer()
        wait_until(lambda: "outcomes not recorded yet" in logged.text, "a failed record")
        assert get_delivery(ids[0]).state is PENDING
        db.session.rollback()
    for delivery_id in ids:
        assert wait_for_state(delivery_id, DELIVERED).attempts == 1
    assert holding.arrived == 2
    assert "CallerIDNum" not in logged.text, "the log tells what was to be stored"


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
    assert "outcomes not recorded yet" in logged.text


def test_poller_outlives_the_database(
    hook: Hook, report_events: ReportEvents, make_engine: MakeEngine, logged: Logged
) -> None:
    """While the database fails the poller goes on, and then delivers what is due."""
    [delivery_id] = report_events()
    db.session.rollback()
    with missing_table(db.engine, "delivery"):
        engine = make_engine(poll_seconds=0.05)
        wait_until(lambda: "the database does not answer" in logged.text, "a failed poll")
        with pytest.raises(SQLAlchemyError):
            engine.drain()
    wait_for_state(delivery_id, DELIVERED)


def test_threads_are_free_again_after_a_failed_claim(
    hook: Hook, report_events: ReportEvents, make_engine: MakeEngine
) -> None:
    """A claim that fails takes no thread away: afterwards all of them work."""
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


def test_failed_renewal_is_repeated(
    held_hook: Hook,
    report_events: ReportEvents,
    make_engine: MakeEngine,
    holding: Holding,
    logged: Logged,
) -> None:
    """A lease that could not be renewed is renewed the next time."""
    patient = {"read_timeout_seconds": 60, "total_timeout_seconds": 60, "lease_seconds": 2}
    [delivery_id] = report_events(1, EventType.DIAL_OUT)
    make_engine(**patient).drain()
    first = get_delivery(delivery_id).due_at
    db.session.rollback()
    with missing_table(db.engine, "delivery"):
        wait_until(lambda: "leases not renewed" in logged.text, "a failed renewal")
    wait_for_delivery(delivery_id, lambda delivery: delivery.due_at > first)
    holding.answer()
    wait_for_state(delivery_id, DELIVERED)


def test_answer_after_the_lease_leaves_the_newer_claim(
    configure: Configure, report_events: ReportEvents, make_engine: MakeEngine, serve: Serve
) -> None:
    """What one worker has claimed twice stays renewed when the first of its attempts ends."""
    first, second = threading.Event(), threading.Event()
    answer_after = iter([first, second])

    def talk(connection: Connection) -> None:
        mine = next(answer_after)
        connection.read_request()
        mine.wait()
        connection.send(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n")

    server = serve(talk)
    configure.hook("*", EventType.DIAL_IN, server.url)
    engine = make_engine(read_timeout_seconds=60, total_timeout_seconds=60, lease_seconds=2)
    [delivery_id] = report_events()
    engine.drain()
    server.wait_for_requests(1)
    with write_transaction(db.engine) as connection:
        # As after a failure of the database that was longer than the lease.
        connection.execute(update(Delivery).values(due_at=utc_now()))
    engine.drain()
    server.wait_for_requests(2)
    first.set()
    lease = wait_for_delivery(delivery_id, lambda one: one.attempts == 1).due_at
    wait_for_delivery(delivery_id, lambda one: one.due_at > lease)
    second.set()
    delivery = wait_for_delivery(delivery_id, lambda one: one.attempts == 2)
    assert (delivery.fence, delivery.claimed_at) == (2, None)


def test_success_without_a_body_is_recorded(
    configure: Configure, report_events: ReportEvents, make_engine: MakeEngine, serve: Serve
) -> None:
    """Binary answers and answers without a body are recorded on every database."""
    server = serve(
        answers(b"HTTP/1.1 200 OK\r\nX: \xff\x00\r\nConnection: close\r\n\r\n\x00\xff\xfe")
    )
    configure.hook("*", EventType.DIAL_IN, server.url)
    [delivery_id] = report_events()
    make_engine().drain()
    wait_for_state(delivery_id, DELIVERED)
    [attempt] = list_attempts(delivery_id)
    assert attempt.response_body == "\ufffd\ufffd\ufffd"
    assert attempt.response_headers[0] == ["X", "\ufffd\ufffd"]
