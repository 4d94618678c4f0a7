"""Limits of receivers: in flight, and requests a second across workers."""

import threading
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask import Flask

from callevents.db.models import Hook, Pbx, Receiver, utc_now
from callevents.db.session import begin_write, read_connection
from callevents.delivery.pacing import admit, burst_of
from callevents.delivery.receiver_limits import Limits, ReceiverLimits
from callevents.enums import DeliveryState, EventType
from callevents.extensions import db
from tests.conftest import Configure
from tests.delivery.conftest import MakeEngine, ReportCall, ReportEvents, get_delivery
from tests.support import claims as claiming
from tests.support.receiver import Arrival, Reply
from tests.support.receiver import Receiver as Application
from tests.support.statement_count import counting
from tests.support.waiting import wait_for_state

DELIVERED = DeliveryState.DELIVERED


@pytest.fixture
def crm(app: Flask, receiver: Application) -> Receiver:
    """A receiver without limits."""
    return add_receiver("crm", receiver.url)


@pytest.fixture
def elsewhere() -> Iterator[Application]:
    """Another application, without limits."""
    application = Application()
    yield application
    application.close()


def add_receiver(slug: str, address: str, pbx: Pbx | None = None) -> Receiver:
    """Add a receiver, for all PBXs or for one."""
    begin_write()
    found = Receiver(slug=slug, name=slug, address=address, pbx_id=pbx.id if pbx else None)
    db.session.add(found)
    db.session.commit()
    return found


def limit(receiver: Receiver, **limits: float | None) -> None:
    """Set limits of the receiver."""
    begin_write()
    for name, value in limits.items():
        setattr(receiver, name, value)
    db.session.commit()


def use(receiver: Receiver, configure: Configure, event: EventType = EventType.DIAL_IN) -> Hook:
    """Add a request of the receiver."""
    hook = configure.hook("*", event, f"{receiver.address}/{event.slug}")
    begin_write()
    hook.receiver_id = receiver.id
    db.session.commit()
    return hook


class Gauge:
    """Counts how many requests are being answered at the same time. They wait until `opened`."""

    def __init__(self) -> None:
        self.most = self._now = 0
        self.opened = threading.Event()
        self._lock = threading.Lock()

    def reply(self, _arrival: Arrival) -> Reply:
        """Count the request."""
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        return Reply(hold=self._leave)

    def _leave(self) -> None:
        assert self.opened.wait(30)
        with self._lock:
            self._now -= 1


@pytest.mark.parametrize("in_flight", [1, 3])
def test_requests_in_flight(
    crm: Receiver,
    configure: Configure,
    report_events: ReportEvents,
    make_engine: MakeEngine,
    receiver: Application,
    elsewhere: Application,
    in_flight: int,
) -> None:
    """A worker has as many requests in flight as the receiver allows, and never more."""
    use(crm, configure)
    limit(crm, max_in_flight=in_flight)
    configure.hook("*", EventType.HANGUP, elsewhere.url)
    gauge = Gauge()
    receiver.reply = gauge.reply
    ids = report_events(20)
    engine = make_engine(poll_seconds=0.05)
    engine.wake()
    receiver.wait_for(in_flight)
    # One that is reported later is sent to another receiver meanwhile: the others have to wait.
    [later] = report_events(1, EventType.HANGUP)
    engine.wake()
    wait_for_state(later, DELIVERED)
    assert len(receiver.arrivals) == in_flight
    gauge.opened.set()
    for delivery_id in ids:
        wait_for_state(delivery_id, DELIVERED)
    assert gauge.most == in_flight


def test_smallest_limit_of_the_origin(
    crm: Receiver, configure: Configure, receiver: Application
) -> None:
    """Of two receivers at the same host, the smaller limit applies to both."""
    other = add_receiver("other", receiver.url)
    hook = use(crm, configure)
    use(other, configure, EventType.HANGUP)
    limits = ReceiverLimits(db.engine)
    for mine, its, expected in ((5, None, 5), (5, 2, 2), (1, 2, 1), (None, None, None)):
        limit(crm, max_in_flight=mine)
        limit(other, max_in_flight=its)
        limits = ReceiverLimits(db.engine)
        limits.refresh()
        assert limits.find_cap(hook.origin_id) == expected


def read_limits() -> Limits:
    """Return the limits as a worker reads them."""
    limits = ReceiverLimits(db.engine)
    limits.refresh()
    return limits.current


def test_limits_of_one_pbx_do_not_reach_others(
    pbx: Pbx, other_pbx: Pbx, configure: Configure, receiver: Application
) -> None:
    """Where another PBX sends requests too, a receiver of one PBX limits only its own."""
    own = add_receiver("own", receiver.url, pbx)
    limit(own, max_in_flight=1, max_per_second=0.01)
    hook = use(own, configure)
    alone = Limits({hook.origin_id: 1}, {hook.origin_id: {own.id}}, {hook.origin_id: 1})
    assert read_limits() == alone
    theirs = configure.hook("*", EventType.HANGUP, f"{receiver.url}/theirs")
    begin_write()
    theirs.pbx_id = other_pbx.id
    db.session.commit()
    assert read_limits() == Limits()
    begin_write()
    theirs.active = False
    db.session.commit()
    assert read_limits() == alone


def test_other_requests_do_not_wait_for_the_rate(
    crm: Receiver,
    configure: Configure,
    report_events: ReportEvents,
    make_engine: MakeEngine,
    receiver: Application,
) -> None:
    """A request without a receiver is sent while a slow receiver at the same host has to wait."""
    use(crm, configure)
    limit(crm, max_per_second=0.01)
    begin_write()
    crm.paced_until = utc_now() + timedelta(minutes=5)
    db.session.commit()
    configure.hook("*", EventType.HANGUP, f"{receiver.url}/plain")
    report_events(1)
    report_events(1, EventType.HANGUP)
    make_engine(poll_seconds=0.05).wake()
    assert [one.path for one in receiver.wait_for(1)] == ["/plain"]


def test_two_workers_keep_to_the_rate(
    crm: Receiver,
    configure: Configure,
    report_events: ReportEvents,
    make_engine: MakeEngine,
    receiver: Application,
) -> None:
    """By the receiver's clock, two workers together send no faster than the receiver allows."""
    use(crm, configure)
    limit(crm, max_per_second=10)
    ids = report_events(21)
    begun_at = time.monotonic()
    engines = [make_engine(poll_seconds=0.05) for _ in range(2)]
    for engine in engines:
        engine.wake()
    for delivery_id in ids:
        wait_for_state(delivery_id, DELIVERED)
    arrivals = sorted(arrival.at for arrival in receiver.arrivals)
    assert len(arrivals) == 21
    # 20 steps of 0.1 seconds after the first one; a slow machine takes longer, and never less.
    assert arrivals[-1] - begun_at >= 1.9


def test_order_within_a_call(
    crm: Receiver,
    configure: Configure,
    report_call: ReportCall,
    make_engine: MakeEngine,
    receiver: Application,
) -> None:
    """Requests that have to wait keep the order of their call."""
    for event in (EventType.DIAL_IN, EventType.ANSWER_IN, EventType.HANGUP):
        use(crm, configure, event)
    limit(crm, max_per_second=50)
    ids = []
    for number in range(5):
        for second, event in (
            (3, EventType.HANGUP),
            (2, EventType.ANSWER_IN),
            (1, EventType.DIAL_IN),
        ):
            ids += report_call(f"c{number}", second, event=event)
    for engine in [make_engine(poll_seconds=0.05) for _ in range(2)]:
        engine.wake()
    for delivery_id in ids:
        wait_for_state(delivery_id, DELIVERED)
    for number in range(5):
        paths = [one.path for one in receiver.arrivals if one.parameters["CallID"] == f"c{number}"]
        assert paths == ["/dial-in", "/answer-in", "/hangup"]


def test_what_has_to_wait_is_due_later(
    crm: Receiver, configure: Configure, report_events: ReportEvents
) -> None:
    """One claim is admitted; the others are released, and due when the next one may be sent."""
    use(crm, configure)
    limit(crm, max_per_second=0.1)
    report_events(3)
    before = utc_now()
    claims = claiming.load(claiming.claim())
    admitted, again_at = admit(db.engine, claims)
    assert list(admitted) == claims[:1]
    assert again_at is not None
    assert again_at >= before + timedelta(seconds=10)
    for claim in claims[1:]:
        delivery = get_delivery(claim.delivery_id)
        assert (delivery.due_at, delivery.claimed_at) == (again_at, None)
    # Another worker, a moment later.
    [other] = claiming.load(claiming.claim(1, now=again_at))
    assert admit(db.engine, [other]).claims == []


def test_bursts_of_fast_receivers() -> None:
    """A tenth of a second's requests is reserved at once, at least one."""
    assert [burst_of(rate) for rate in (0.01, 1, 9, 10, 99, 500)] == [1, 1, 1, 1, 9, 50]


def test_no_limits_cost_nothing(
    crm: Receiver, configure: Configure, report_events: ReportEvents
) -> None:
    """Claims of receivers without a rate take no statement."""
    use(crm, configure)
    report_events(3)
    claims = claiming.load(claiming.claim())
    statements: list[str] = []
    with counting(statements):
        assert admit(db.engine, claims).claims == claims
    assert statements == []


def test_limits_are_read_once_in_a_while(crm: Receiver, configure: Configure) -> None:
    """A worker does not ask for the limits in each round."""
    use(crm, configure)
    limits = ReceiverLimits(db.engine)
    statements: list[str] = []
    with counting(statements):
        for _ in range(100):
            limits.refresh()
    assert 1 <= len(statements) <= 3
    with read_connection(db.engine):
        assert limits.current.caps == {}
