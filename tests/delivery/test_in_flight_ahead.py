"""Deliveries claimed ahead of an origin's slots are sent in them, or released."""

import threading
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from callevents.db.models import Delivery, Hook, utc_now
from callevents.db.session import begin_write, write_transaction
from callevents.delivery.engine import Engine
from callevents.delivery.load_claims import FRESH_SECONDS
from callevents.enums import DeliveryState, EventType
from callevents.extensions import db
from callevents.hooks import hooks
from tests.conftest import Configure
from tests.delivery.conftest import MakeEngine, ReportEvents, Serve
from tests.support.raw_server import OK, Connection, RawServer
from tests.support.waiting import wait_for_state, wait_until

DELIVERED, PENDING = DeliveryState.DELIVERED, DeliveryState.PENDING
HELD = DeliveryState.HELD
COUNT = 20
#: A queue may stall for the whole test.
PATIENT_SECONDS = 60


class Moody:
    """A receiver that responds at once, until the test makes it hang."""

    def __init__(self, serve: Serve) -> None:
        self.responds = threading.Event()
        self.responds.set()
        self.server: RawServer = serve(self._talk)

    def _talk(self, connection: Connection) -> None:
        while connection.read_request():
            self.responds.wait()
            connection.send(OK)


@pytest.fixture
def moody(serve: Serve) -> Iterator[Moody]:
    """A moody receiver, which responds to all at the end."""
    moody = Moody(serve)
    yield moody
    moody.responds.set()


@pytest.fixture
def hook(configure: Configure, moody: Moody) -> Hook:
    """A hook for dial-in of all extensions, at the moody receiver."""
    return configure.hook("*", EventType.DIAL_IN, moody.server.url)


def claim_ahead(engine: Engine, hook: Hook, report_events: ReportEvents, moody: Moody) -> list[str]:
    """Make a receiver that is known as fast hang, with many deliveries claimed ahead."""
    engine._in_flight.record_duration(hook.origin_id, 0.001)
    moody.responds.clear()
    ids = report_events(COUNT)
    threading.Thread(target=engine.wake).start()
    wait_until(lambda: count_claimed() == COUNT, "all of them claimed")
    moody.server.wait_for_requests(1)
    return ids


def count_claimed() -> int:
    """Return the number of claimed open deliveries."""
    db.session.rollback()
    claimed = select(func.count()).where(Delivery.claimed_at.is_not(None))
    return db.session.scalar(claimed.where(Delivery.state == PENDING)) or 0


def test_one_thread_sends_what_is_ahead(
    hook: Hook, report_events: ReportEvents, make_engine: MakeEngine, moody: Moody
) -> None:
    """One thread sends all claims, in the order of the events, each once."""
    engine = make_engine(worker_threads=1, stalled_seconds=PATIENT_SECONDS)
    ids = claim_ahead(engine, hook, report_events, moody)
    assert len(moody.server.requests) == 1, "there is one thread"
    moody.responds.set()
    for delivery_id in ids:
        assert wait_for_state(delivery_id, DELIVERED).fence == 1
    sent = [request.split(b"DeliveryID=")[1][:36].decode() for request in moody.server.requests]
    assert sent == ids


def test_what_is_ahead_is_not_sent_after_disabling(
    hook: Hook, report_events: ReportEvents, make_engine: MakeEngine, moody: Moody
) -> None:
    """A claim that waited for a slow receiver is read again: meanwhile its request is disabled."""
    engine = make_engine(worker_threads=1, stalled_seconds=PATIENT_SECONDS)
    ids = claim_ahead(engine, hook, report_events, moody)
    begin_write()
    hooks.set_active(db.session.get_one(Hook, hook.id), active=False)
    db.session.commit()
    until = time.monotonic() + FRESH_SECONDS
    wait_until(lambda: time.monotonic() > until, "the end of what is fresh")
    moody.responds.set()
    assert wait_for_state(ids[0], DELIVERED)
    wait_until(lambda: not engine._in_flight, "the end of all claims")
    states = [wait_for_state(delivery_id, HELD).attempts for delivery_id in ids[1:]]
    assert states == [0] * (COUNT - 1)
    assert len(moody.server.requests) == 1


def test_line_that_stands_still_is_given_back(
    hook: Hook, report_events: ReportEvents, make_engine: MakeEngine, moody: Moody
) -> None:
    """Nothing waits for long behind a fast receiver that begins to hang: other threads send it."""
    engine = make_engine(worker_threads=4, origin_in_flight=4, poll_seconds=0.05)
    engine._in_flight.record_duration(hook.origin_id, 0.001)
    moody.responds.clear()
    ids = report_events(COUNT)
    threading.Thread(target=engine.wake).start()
    wait_until(engine._in_flight.has_queued, "something claimed ahead")

    def is_given_back() -> bool:
        # Only the hanging attempts are still claimed.
        return not engine._in_flight.has_queued() and count_claimed() == len(moody.server.requests)

    wait_until(is_given_back, "the end of the line")
    moody.responds.set()
    for delivery_id in ids:
        assert wait_for_state(delivery_id, DELIVERED).attempts == 1


def test_stop_gives_back_what_is_ahead(
    hook: Hook, report_events: ReportEvents, make_engine: MakeEngine, moody: Moody
) -> None:
    """A stopping worker releases claims without an attempt at once, not after the lease."""
    engine = make_engine(worker_threads=1, shutdown_seconds=0.2, stalled_seconds=PATIENT_SECONDS)
    ids = claim_ahead(engine, hook, report_events, moody)
    engine.close()
    assert count_claimed() == 0
    db.session.rollback()
    rows = db.session.scalars(select(Delivery).order_by(Delivery.id)).all()
    assert [row.id for row in rows] == ids
    assert all(row.state is PENDING and row.due_at <= utc_now() for row in rows)
    assert [row.attempts for row in rows] == [1] + [0] * (COUNT - 1)
    assert len(moody.server.requests) == 1
    moody.responds.set()
    make_engine().drain()
    fences = [wait_for_state(delivery_id, DELIVERED).fence for delivery_id in ids]
    # Claimed twice; between that, all but the one that was attempted were released.
    assert fences == [2] + [3] * (COUNT - 1)


def test_open_breaker_gives_back_what_is_ahead(
    hook: Hook, report_events: ReportEvents, make_engine: MakeEngine, moody: Moody
) -> None:
    """When a circuit opens, claims queued for the origin's threads are released."""
    engine = make_engine(
        worker_threads=1,
        read_timeout_seconds=0.3,
        breaker_failures=1,
        breaker_open_seconds=3600,
        breaker_open_max_seconds=3600,
        poll_seconds=0.05,
        stalled_seconds=PATIENT_SECONDS,
    )
    claim_ahead(engine, hook, report_events, moody)
    wait_until(lambda: count_claimed() == 0, "none that is claimed")
    attempts = db.session.scalar(select(func.sum(Delivery.attempts))) or 0
    # A slow receiver reads what the worker has given up already.
    moody.server.wait_for_requests(attempts)
    assert attempts == len(moody.server.requests)
    assert 1 <= attempts < COUNT / 2, "the others were not tried"


def test_what_expires_while_it_is_ahead_is_not_sent(
    hook: Hook, report_events: ReportEvents, make_engine: MakeEngine, moody: Moody
) -> None:
    """A claim that expires behind a slow attempt fails, and the next one that may be is sent."""
    engine = make_engine(
        worker_threads=1,
        lease_seconds=600,
        read_timeout_seconds=60,
        total_timeout_seconds=60,
        stalled_seconds=PATIENT_SECONDS,
    )
    engine._in_flight.record_duration(hook.origin_id, 0.001)
    moody.responds.clear()
    ids = report_events(COUNT)
    expires_at = utc_now() + timedelta(seconds=2)
    with write_transaction(db.engine) as connection:
        connection.execute(
            update(Delivery).where(Delivery.id.in_(ids[1:-1])).values(expires_at=expires_at)
        )
    threading.Thread(target=engine.wake).start()
    wait_until(lambda: utc_now() > expires_at, "the end of most of them")
    moody.responds.set()
    for delivery_id in (ids[0], ids[-1]):
        wait_for_state(delivery_id, DELIVERED)
    for delivery_id in ids[1:-1]:
        delivery = wait_for_state(delivery_id, DeliveryState.FAILED)
        assert (delivery.error, delivery.attempts) == ("Expired before the attempt started.", 0)
    assert len(moody.server.requests) == 2
    wait_until(lambda: not engine._in_flight, "the end of all claims")
