"""The delivery engine: dispatches, renews, records, stops; with a real database and receivers."""

import threading

from flask import Flask

from callevents.db.models import Hook
from callevents.enums import EventType
from tests.conftest import Configure
from tests.delivery.blocking_receiver import DELIVERED, BlockingReceiver
from tests.delivery.conftest import MakeEngine, ReportEvents, Serve, get_delivery, list_attempts
from tests.support.raw_server import Connection, answers
from tests.support.receiver import Receiver, Reply
from tests.support.waiting import wait_for_state, wait_until


def test_drain_hands_out_more_than_there_are_threads(
    hook: Hook, report_events: ReportEvents, make_engine: MakeEngine, receiver: Receiver
) -> None:
    """One drain dispatches all due deliveries, however few threads there are."""
    ids = report_events(20)
    assert make_engine(worker_threads=3).drain() >= 20
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
    blocking: BlockingReceiver,
) -> None:
    """A drain ends although attempts hang, and the next one delivers beside them."""
    engine = make_engine()
    held = report_events(3, EventType.DIAL_OUT)
    assert engine.drain() == 3
    [quick] = report_events(1)
    assert engine.drain() == 1
    wait_for_state(quick, DELIVERED)
    blocking.respond()
    for delivery_id in held:
        wait_for_state(delivery_id, DELIVERED)


def test_poller_needs_no_wake(
    hook: Hook, report_events: ReportEvents, make_engine: MakeEngine
) -> None:
    """Polling finds deliveries for which no worker was woken."""
    make_engine(poll_seconds=0.05)
    [delivery_id] = report_events()
    wait_for_state(delivery_id, DELIVERED)


def test_two_workers_share_the_deliveries(
    hook: Hook, report_events: ReportEvents, make_engine: MakeEngine, receiver: Receiver
) -> None:
    """Two workers that drain at once send each delivery exactly once."""
    ids = report_events(60)
    engines = [make_engine(worker_threads=4) for _ in range(2)]
    threads = [threading.Thread(target=engine.drain) for engine in engines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for delivery_id in ids:
        wait_for_state(delivery_id, DELIVERED)
    assert sorted(one.parameters["DeliveryID"] for one in receiver.arrivals) == ids
    assert {get_delivery(delivery_id).attempts for delivery_id in ids} == {1}


def test_failed_delivery_is_tried_again(
    hook: Hook, report_events: ReportEvents, make_engine: MakeEngine, receiver: Receiver
) -> None:
    """After a failure the delivery is sent again, with the same id, until it succeeds."""
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


def test_success_without_a_body_is_recorded(
    configure: Configure, report_events: ReportEvents, make_engine: MakeEngine, serve: Serve
) -> None:
    """Binary responses and empty ones are recorded on every database."""
    server = serve(
        answers(b"HTTP/1.1 200 OK\r\nX: \xff\x01\r\nConnection: close\r\n\r\n\x00\xff\xfe")
    )
    configure.hook("*", EventType.DIAL_IN, server.url)
    [delivery_id] = report_events()
    make_engine().drain()
    wait_for_state(delivery_id, DELIVERED)
    [attempt] = list_attempts(delivery_id)
    assert attempt.response_body == "\ufffd\ufffd\ufffd"
    assert attempt.response_headers[0] == ["X", "\ufffd\ufffd"]


def test_each_delivery_gets_its_own_answer(
    configure: Configure, report_events: ReportEvents, make_engine: MakeEngine, serve: Serve
) -> None:
    """Interim responses are not results: of three deliveries over one connection, one fails."""

    def talk(connection: Connection) -> None:
        for status in (b"200 OK", b"500 Oops", b"200 OK"):
            connection.read_request()
            connection.send(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n")
            connection.wait(0.03)
            connection.send(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")

    server = serve(talk)
    configure.hook("*", EventType.DIAL_IN, server.url)
    engine = make_engine(retry_schedule_seconds=(3600,))
    codes = []
    for _ in range(3):
        [delivery_id] = report_events()
        engine.drain()
        wait_until(lambda one=delivery_id: list_attempts(one), "the attempt")
        [attempt] = list_attempts(delivery_id)
        codes.append(attempt.status_code)
    assert codes == [200, 500, 200]
    assert server.accepted == 1
