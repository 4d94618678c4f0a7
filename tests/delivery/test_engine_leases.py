"""The delivery engine: it sends its claims as long as their leases last."""

import threading
from datetime import timedelta

from sqlalchemy import select, update

from callevents.db.models import Delivery, Hook, utc_now
from callevents.db.session import begin_write, write_transaction
from callevents.enums import DeliveryState, EventType
from callevents.extensions import db
from callevents.hooks import hooks
from tests.conftest import Configure
from tests.delivery.blocking_receiver import DELIVERED, BlockingReceiver
from tests.delivery.conftest import MakeEngine, ReportEvents, Serve, get_delivery
from tests.support.database_faults import before_statement, missing_table
from tests.support.log_capture import Logged
from tests.support.raw_server import Connection
from tests.support.receiver import Receiver
from tests.support.waiting import wait_for_delivery, wait_for_state, wait_until


def test_disabled_between_claim_and_load(
    hook: Hook, report_events: ReportEvents, make_engine: MakeEngine, receiver: Receiver
) -> None:
    """A hook disabled after the claim sends nothing, until it is enabled."""
    held = report_events(2)
    engine, database = make_engine(), db.engine

    def disable() -> None:
        with write_transaction(database) as connection:
            connection.execute(update(Hook).values(active=False))

    with before_statement(database, "SELECT delivery.id AS delivery_id", disable):
        engine.drain()
    for delivery_id in held:
        assert get_delivery(delivery_id).state is DeliveryState.HELD
    assert receiver.arrivals == []
    begin_write()
    hooks.set_active(hook, active=True)
    db.session.commit()
    later = report_events(7)
    assert engine.drain() == 9, "the threads that the held ones had are free again"
    for delivery_id in [*held, *later]:
        wait_for_state(delivery_id, DELIVERED)


def test_too_old_deliveries_are_not_sent(
    hook: Hook, report_events: ReportEvents, make_engine: MakeEngine, receiver: Receiver
) -> None:
    """A delivery that waited for a day because no worker ran has expired."""
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
    assert delivery.error == "Expired before the attempt started."
    assert delivery.finished_at is not None
    assert [one.parameters["DeliveryID"] for one in receiver.arrivals] == [young]


def test_held_up_worker_does_not_send_what_is_not_its_own(
    hook: Hook, report_events: ReportEvents, make_engine: MakeEngine, receiver: Receiver
) -> None:
    """A worker suspended between claim and attempt for longer than the lease does not send."""
    [delivery_id] = report_events()
    engine, database = make_engine(lease_seconds=1), db.engine

    def be_held_up() -> None:
        with database.connect() as connection:
            lease_ends = connection.scalar(select(Delivery.due_at))
        assert lease_ends is not None
        wait_until(lambda: utc_now() > lease_ends, "the end of the lease")

    with before_statement(database, "SELECT delivery.id AS delivery_id", be_held_up):
        engine.drain()
    # A lease renewed during its release ends later, when this drain has ended already.
    wait_until(
        lambda: engine.drain() or get_delivery(delivery_id).state is DELIVERED, "another claim"
    )
    delivery = wait_for_state(delivery_id, DELIVERED)
    assert delivery.attempts == len(receiver.arrivals) == 1
    assert delivery.fence >= 2, "what was sent belongs to a later claim than the held-up one"


def test_slow_attempt_keeps_its_lease(
    held_hook: Hook,
    report_events: ReportEvents,
    make_engine: MakeEngine,
    blocking: BlockingReceiver,
) -> None:
    """An attempt longer than the lease is not repeated by another worker."""
    [delivery_id] = report_events(1, EventType.DIAL_OUT)
    patient = {"read_timeout_seconds": 60, "total_timeout_seconds": 60, "lease_seconds": 4}
    make_engine(**patient).drain()
    first_lease_ends = get_delivery(delivery_id).due_at
    make_engine(**patient, poll_seconds=0.05)
    wait_until(lambda: utc_now() > first_lease_ends, "the end of the first lease")
    renewed = wait_for_delivery(delivery_id, lambda delivery: delivery.due_at > utc_now())
    assert (renewed.fence, renewed.attempts) == (1, 0)
    blocking.respond()
    assert wait_for_state(delivery_id, DELIVERED).attempts == 1
    assert blocking.arrived == 1


def test_delivery_of_a_dead_worker_is_made_again(
    hook: Hook, report_events: ReportEvents, make_engine: MakeEngine, receiver: Receiver
) -> None:
    """Claims of a dead worker are sent by another one after the lease, and not before."""
    [delivery_id] = report_events()
    with write_transaction(db.engine) as connection:
        lease_ends = utc_now()
        # As a killed worker leaves it: claimed, and the lease is not renewed.
        connection.execute(update(Delivery).values(fence=1, claimed_at=utc_now()))
        connection.execute(update(Delivery).values(due_at=lease_ends))
    make_engine(poll_seconds=0.05)
    delivery = wait_for_state(delivery_id, DELIVERED)
    assert delivery.fence == 2
    assert delivery.attempted_at is not None
    assert delivery.attempted_at >= lease_ends
    assert len(receiver.arrivals) == 1


def test_failed_renewal_is_repeated(
    held_hook: Hook,
    report_events: ReportEvents,
    make_engine: MakeEngine,
    blocking: BlockingReceiver,
    logged: Logged,
) -> None:
    """A lease that could not be renewed is renewed the next time."""
    patient = {"read_timeout_seconds": 60, "total_timeout_seconds": 60, "lease_seconds": 2}
    [delivery_id] = report_events(1, EventType.DIAL_OUT)
    make_engine(**patient).drain()
    first = get_delivery(delivery_id).due_at
    db.session.rollback()
    with missing_table(db.engine, "delivery"):
        wait_until(lambda: "could not renew leases" in logged.text, "a failed renewal")
    wait_for_delivery(delivery_id, lambda delivery: delivery.due_at > first)
    blocking.respond()
    wait_for_state(delivery_id, DELIVERED)


def test_answer_after_the_lease_leaves_the_newer_claim(
    configure: Configure, report_events: ReportEvents, make_engine: MakeEngine, serve: Serve
) -> None:
    """A delivery claimed twice by one worker stays renewed when the first attempt ends."""
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

    def claim_again() -> int:
        with write_transaction(db.engine) as connection:
            # As after a failure of the database that was longer than the lease.
            connection.execute(update(Delivery).values(due_at=utc_now()))
        return engine.drain()

    # The lease may be renewed between the two.
    wait_until(claim_again, "another claim")
    server.wait_for_requests(2)
    first.set()
    lease = wait_for_delivery(delivery_id, lambda one: one.attempts == 1).due_at
    wait_for_delivery(delivery_id, lambda one: one.due_at > lease)
    second.set()
    delivery = wait_for_delivery(delivery_id, lambda one: one.attempts == 2)
    assert (delivery.fence, delivery.claimed_at) == (2, None)
