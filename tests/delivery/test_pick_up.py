"""Claimed deliveries that are handed to an engine: sent, released, or left to whoever has them."""

import math
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, update

from callevents.db.models import Delivery, Hook, Origin, Pbx, utc_now
from callevents.db.models.delivery import SUSPENDED_ERROR
from callevents.db.session import begin_write, write_transaction
from callevents.delivery.expiry import EXPIRED_ERROR
from callevents.delivery.lease import Lease
from callevents.enums import DeliveryState, EventType
from callevents.extensions import db
from callevents.hooks import hooks
from tests.conftest import Configure
from tests.delivery.blocking_receiver import DELIVERED, PENDING, BlockingReceiver
from tests.delivery.conftest import MakeEngine, get_delivery
from tests.support.born_claimed import report_claimed
from tests.support.database_faults import before_statement, missing_table
from tests.support.log_capture import Logged
from tests.support.receiver import Receiver
from tests.support.waiting import wait_for_state, wait_until

Born = Callable[..., dict[str, int]]
LEASE = Lease(math.inf, math.inf)
MINUTE = timedelta(minutes=1)
FAILED, CANCELLED = DeliveryState.FAILED, DeliveryState.CANCELLED
HELD = DeliveryState.HELD


@pytest.fixture
def born(pbx: Pbx) -> Born:
    """Accepts events whose deliveries are claimed; returns their fences by delivery id."""
    return lambda *arguments: dict(report_claimed(pbx, *arguments).fences)


def change(model: type[Any], **values: object) -> None:
    """Change all rows."""
    with write_transaction(db.engine) as connection:
        connection.execute(update(model).values(values))


def check_released(fences: dict[str, int]) -> None:
    """Check that they are due at once, and that their claims are void."""
    for delivery_id, fence in fences.items():
        delivery = get_delivery(delivery_id)
        assert (delivery.state, delivery.fence) == (PENDING, fence + 1)
        assert delivery.claimed_at is None
        assert delivery.due_at <= utc_now()


def test_sent(hook: Hook, born: Born, make_engine: MakeEngine, receiver: Receiver) -> None:
    """They are sent under the claim with which they were born, each once."""
    engine, fences = make_engine(), born(3)
    engine.take(fences, LEASE)
    for delivery_id in fences:
        delivery = wait_for_state(delivery_id, DELIVERED)
        assert (delivery.fence, delivery.attempts) == (1, 1)
    assert {one.parameters["DeliveryID"] for one in receiver.arrivals} == fences.keys()
    assert len(receiver.arrivals) == 3


def test_closed(hook: Hook, born: Born, make_engine: MakeEngine, receiver: Receiver) -> None:
    """An engine that has stopped releases what comes late, for others to send."""
    engine, fences = make_engine(), born(2)
    engine.close()
    engine.take(fences, LEASE)
    check_released(fences)
    make_engine().drain()
    for delivery_id in fences:
        wait_for_state(delivery_id, DELIVERED)
    assert len(receiver.arrivals) == 2


def test_open_breaker(hook: Hook, born: Born, make_engine: MakeEngine, receiver: Receiver) -> None:
    """What was born before the circuit opened is not sent: it waits for the probe."""
    engine, fences = make_engine(), born(2)
    change(Origin, opened_at=utc_now(), probe_at=utc_now() + MINUTE)
    engine.take(fences, LEASE)
    check_released(fences)
    engine.drain()
    check_released(fences)
    assert receiver.arrivals == []


def test_no_free_thread(
    hook: Hook,
    held_hook: Hook,
    born: Born,
    make_engine: MakeEngine,
    blocking: BlockingReceiver,
    receiver: Receiver,
) -> None:
    """Another worker may send what this one has no thread for."""
    engine = make_engine(worker_threads=1)
    engine.take(born(1, EventType.DIAL_OUT), LEASE)
    blocking.server.wait_for_requests(1)
    fences = born(2)
    engine.take(fences, LEASE)
    check_released(fences)
    assert receiver.arrivals == []


def test_thread_that_is_free_soon(
    held_hook: Hook, born: Born, make_engine: MakeEngine, blocking: BlockingReceiver
) -> None:
    """Deliveries to a fast receiver wait for the thread that sends to it."""
    engine = make_engine(worker_threads=1)
    engine._in_flight.record_duration(held_hook.origin_id, 0.001)
    fences = born(3, EventType.DIAL_OUT)
    engine.take(fences, LEASE)
    blocking.server.wait_for_requests(1)
    assert engine._in_flight.has_queued()
    blocking.respond()
    for delivery_id in fences:
        assert wait_for_state(delivery_id, DELIVERED).fence == 1


def test_not_the_first_of_its_call(
    hook: Hook, born: Born, make_engine: MakeEngine, receiver: Receiver
) -> None:
    """Two processes that store a call's events at once may claim both; the second one waits."""
    engine, fences = make_engine(), born(2)
    first, second = sorted(fences)
    change(Delivery, ordering_key=7)
    engine.take({second: 1}, LEASE)
    deferred = get_delivery(second)
    assert (deferred.deferred, deferred.claimed_at, deferred.fence) == (True, None, 2)
    assert receiver.arrivals == []
    engine.take({first: 1}, LEASE)
    for delivery_id in (first, second):
        wait_for_state(delivery_id, DELIVERED)
    assert [one.parameters["DeliveryID"] for one in receiver.arrivals] == [first, second]


def test_repeated_while_it_is_sent(
    held_hook: Hook, born: Born, make_engine: MakeEngine, blocking: BlockingReceiver
) -> None:
    """An entry that comes once more changes nothing while its deliveries are in flight."""
    engine, fences = make_engine(), born(1, EventType.DIAL_OUT)
    for _ in range(3):
        engine.take(fences, LEASE)
    blocking.server.wait_for_requests(1)
    engine.take(fences, LEASE)
    blocking.respond()
    [delivery_id] = fences
    wait_for_state(delivery_id, DELIVERED)
    engine.close()
    assert blocking.arrived == 1
    delivery = get_delivery(delivery_id)
    assert (delivery.fence, delivery.attempts) == (1, 1)


def test_repeated_after_its_end(
    hook: Hook, born: Born, make_engine: MakeEngine, receiver: Receiver
) -> None:
    """An entry that comes once more after its delivery has ended changes nothing."""
    engine, fences = make_engine(), born()
    engine.take(fences, LEASE)
    [delivery_id] = fences
    wait_for_state(delivery_id, DELIVERED)
    wait_until(lambda: not engine._in_flight, "the end of the claim")
    engine.take(fences, LEASE)
    engine.close()
    assert len(receiver.arrivals) == get_delivery(delivery_id).attempts == 1


@pytest.mark.parametrize(
    ("values", "state", "error"),
    [
        ({"active": False}, HELD, ""),
        ({"suspended_at": utc_now()}, FAILED, SUSPENDED_ERROR),
        ({}, CANCELLED, ""),
    ],
    ids=["disabled", "suspended", "removed"],
)
def test_hook_changed_at_the_moment_of_birth(
    hook: Hook,
    born: Born,
    make_engine: MakeEngine,
    receiver: Receiver,
    values: dict[str, object],
    state: DeliveryState,
    error: str,
) -> None:
    """Whoever changed the hook did not see the delivery yet: it is held or ends at its pick-up."""
    engine, fences = make_engine(), born(2)
    if values:
        change(Hook, **values)
    else:
        with write_transaction(db.engine) as connection:
            connection.execute(delete(Hook))
    engine.take(fences, LEASE)
    for delivery_id in fences:
        delivery = get_delivery(delivery_id)
        assert (delivery.state, delivery.error, delivery.attempts) == (state, error, 0)
        # What is held may be claimed again.
        assert (delivery.fence, delivery.claimed_at) == (2 if state is HELD else 1, None)
        assert (delivery.finished_at is None) == (state is HELD)
    engine.close()
    assert receiver.arrivals == []


@pytest.mark.parametrize("click", ["disable", "clear"])
def test_hook_changed_between_birth_and_pick_up(
    hook: Hook, born: Born, make_engine: MakeEngine, receiver: Receiver, click: str
) -> None:
    """After the answer to a click nothing is sent, and what waits is held."""
    engine, fences = make_engine(), born(2)
    begin_write()
    if click == "disable":
        hooks.set_active(hook, active=False)
    else:
        hooks.clear_hooks([hook])
    db.session.commit()
    engine.take(fences, LEASE)
    engine.close()
    assert receiver.arrivals == []
    assert {get_delivery(one).state for one in fences} == {HELD}
    assert {get_delivery(one).claimed_at for one in fences} == {None}, "due once it is enabled"


@pytest.mark.parametrize(
    "values",
    [
        {"fence": 2},
        # As after an attempt that failed: the next one has its time.
        {"claimed_at": None, "due_at": utc_now() + MINUTE, "is_retry": True, "attempts": 1},
    ],
    ids=["claimed again", "waits for a retry"],
)
def test_claim_that_is_over(
    hook: Hook,
    born: Born,
    make_engine: MakeEngine,
    receiver: Receiver,
    values: dict[str, object],
) -> None:
    """A delivery that is no longer under this claim is left as it is."""
    engine, fences = make_engine(), born()
    change(Delivery, **values)
    [delivery_id] = fences
    before = get_delivery(delivery_id).due_at
    engine.take(fences, LEASE)
    engine.close()
    delivery = get_delivery(delivery_id)
    assert (delivery.state, delivery.due_at) == (PENDING, before)
    assert receiver.arrivals == []


def test_expired(hook: Hook, born: Born, make_engine: MakeEngine, receiver: Receiver) -> None:
    """What is too old when it is picked up has failed."""
    engine, fences = make_engine(), born()
    change(Delivery, expires_at=utc_now() - MINUTE)
    engine.take(fences, LEASE)
    [delivery_id] = fences
    delivery = get_delivery(delivery_id)
    assert (delivery.state, delivery.error) == (FAILED, EXPIRED_ERROR)
    engine.close()
    assert receiver.arrivals == []


def test_lease_that_has_ended(
    hook: Hook, born: Born, make_engine: MakeEngine, receiver: Receiver
) -> None:
    """A worker that froze between the pick-up and the attempt does not make the attempt."""
    engine, fences = make_engine(), born()
    engine.take(fences, Lease(time.monotonic(), math.inf))
    wait_until(lambda: not engine._in_flight, "the end of the claim")
    engine.close()
    assert receiver.arrivals == []


def test_claimed_again_during_the_pick_up(
    hook: Hook, born: Born, make_engine: MakeEngine, receiver: Receiver
) -> None:
    """Another worker claims the deliveries just before this one loads them."""
    engine, fences, database = make_engine(), born(), db.engine
    db.session.rollback()
    with before_statement(
        database, "SELECT delivery.id AS delivery_id", lambda: change(Delivery, fence=2)
    ):
        engine.take(fences, LEASE)
    engine.close()
    assert receiver.arrivals == []
    assert {get_delivery(one).state for one in fences} == {PENDING}


def test_database_error(
    hook: Hook, born: Born, make_engine: MakeEngine, receiver: Receiver, logged: Logged
) -> None:
    """If they cannot be loaded they are left alone; the engine goes on."""
    engine, lost = make_engine(), born()
    with missing_table(db.engine, "call_event"):
        engine.take(lost, LEASE)
    assert "could not take claimed deliveries" in logged.text
    fences = born()
    engine.take(fences, LEASE)
    for delivery_id in fences:
        wait_for_state(delivery_id, DELIVERED)
    [delivery_id] = lost
    assert get_delivery(delivery_id).state is PENDING


def test_each_origin_has_its_share(
    hook: Hook,
    configure: Configure,
    held_hook: Hook,
    born: Born,
    make_engine: MakeEngine,
    receiver: Receiver,
    blocking: BlockingReceiver,
) -> None:
    """Many deliveries to a hanging receiver leave threads for the others."""
    engine = make_engine(worker_threads=4)
    engine.take(born(20, EventType.DIAL_OUT), LEASE)
    blocking.server.wait_for_requests(1)
    fences = born()
    engine.take(fences, LEASE)
    for delivery_id in fences:
        assert wait_for_state(delivery_id, DELIVERED).fence == 1
    assert blocking.arrived < 4
