"""Deliveries that are handed to an engine keep to the limits of their receiver."""

import time

import pytest

from callevents.db.models import Receiver
from callevents.delivery.load_claims import FRESH_SECONDS
from callevents.enums import EventType
from callevents.extensions import db
from tests.conftest import Configure
from tests.delivery.blocking_receiver import DELIVERED, PENDING, BlockingReceiver
from tests.delivery.conftest import MakeEngine, ReportEvents, get_delivery
from tests.delivery.test_pick_up import LEASE, Born, born, check_released
from tests.delivery.test_receiver_limits import add_receiver, limit, use
from tests.support.database_faults import before_statement
from tests.support.receiver import Receiver as Application
from tests.support.waiting import wait_for_state, wait_until

__all__ = ["born"]


def test_requests_a_second(
    configure: Configure,
    born: Born,
    make_engine: MakeEngine,
    receiver: Application,
) -> None:
    """One of three is sent; the others are due when the receiver takes the next one."""
    crm = add_receiver("crm", receiver.url)
    use(crm, configure)
    limit(crm, max_per_second=0.01)
    fences = born(3)
    make_engine().take(fences, LEASE)
    first, *others = sorted(fences)
    wait_for_state(first, DELIVERED)
    next_at = db.session.get_one(Receiver, crm.id, populate_existing=True).paced_until
    for delivery_id in others:
        delivery = get_delivery(delivery_id)
        assert (delivery.state, delivery.claimed_at) == (PENDING, None)
        assert delivery.due_at == next_at
    # Another worker that is handed more keeps to the same time.
    [later] = born(1)
    make_engine().take({later: 1}, LEASE)
    assert get_delivery(later).due_at == next_at
    assert len(receiver.arrivals) == 1


@pytest.mark.parametrize("is_handed_over", [True, False])
def test_a_slow_database_keeps_nothing_back(
    configure: Configure,
    born: Born,
    report_events: ReportEvents,
    make_engine: MakeEngine,
    receiver: Application,
    *,
    is_handed_over: bool,
) -> None:
    """If reserving takes so long that a request is read again, it is sent, and not reserved again.

    Otherwise the same could happen each time.
    """
    crm = add_receiver("crm", receiver.url)
    use(crm, configure)
    limit(crm, max_per_second=0.01)
    engine = make_engine()
    fences = born(1) if is_handed_over else {}
    [delivery_id] = fences or report_events(1)

    def let_it_grow_old() -> None:
        until = time.monotonic() + FRESH_SECONDS
        wait_until(lambda: time.monotonic() > until, "the end of what is fresh")

    with before_statement(db.engine, "UPDATE receiver", let_it_grow_old):
        if is_handed_over:
            engine.take(fences, LEASE)
        else:
            engine.wake()
        wait_for_state(delivery_id, DELIVERED)
    assert len(receiver.arrivals) == 1


@pytest.mark.parametrize("in_flight", [1, 2])
def test_requests_in_flight(
    configure: Configure,
    born: Born,
    make_engine: MakeEngine,
    blocking: BlockingReceiver,
    in_flight: int,
) -> None:
    """As many as the receiver allows are sent; the others are left to whoever may."""
    crm = add_receiver("crm", blocking.server.url)
    use(crm, configure, EventType.DIAL_OUT)
    limit(crm, max_in_flight=in_flight)
    fences = born(4, EventType.DIAL_OUT)
    ids = sorted(fences)
    make_engine().take(fences, LEASE)
    blocking.server.wait_for_requests(in_flight)
    check_released({one: fences[one] for one in ids[in_flight:]})
    blocking.respond()
    for delivery_id in ids:
        wait_for_state(delivery_id, DELIVERED)
