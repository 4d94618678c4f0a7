"""A bad receiver hurts only itself: slots are divided among origins."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from callevents.db.models import Delivery, Origin, utc_now
from callevents.db.session import write_transaction
from callevents.delivery.fair_share import Ready, Share, add_ahead, allocate_slots, find_ready
from callevents.enums import DeliveryState, EventType
from callevents.extensions import db
from tests.conftest import Configure
from tests.delivery.conftest import MakeEngine, ReportEvents, Serve
from tests.support.claims import MOMENT, claim
from tests.support.raw_server import OK, Connection
from tests.support.receiver import Receiver
from tests.support.waiting import wait_for_state

DELIVERED = DeliveryState.DELIVERED
origins = st.integers(1, 12)
readies = st.lists(st.builds(Ready, origins, st.booleans()), unique=True, max_size=20)
flights = st.dictionaries(origins, st.integers(0, 20), max_size=12)
frees = st.integers(0, 64)
caps = st.integers(1, 20)


@given(readies, frees, flights, caps, st.booleans())
def test_limits_of_shares(
    ready: list[Ready], free: int, in_flight: dict[int, int], cap: int, retries_first: bool
) -> None:
    """Never more than is free, never more for an origin than its cap, and each share once."""
    shares = allocate_slots(ready, free, in_flight, cap, retries_first=retries_first)
    assert sum(share.limit for share in shares) <= free
    assert all(share.limit > 0 and share.probe_at is None for share in shares)
    assert Counter(share.ready for share in shares) <= Counter(ready)
    for origin_id in {one.origin_id for one in ready}:
        taken = sum(share.limit for share in shares if share.ready.origin_id == origin_id)
        assert taken <= max(0, cap - in_flight.get(origin_id, 0))


def test_limit_of_a_receiver() -> None:
    """An origin with a limit of its own gets no more slots than that leaves, others as many."""
    ready = [Ready(1, is_retry=False), Ready(2, is_retry=False)]
    shares = allocate_slots(ready, 40, {1: 1, 2: 1}, 8, caps={1: 3})
    assert {share.ready.origin_id: share.limit for share in shares} == {1: 2, 2: 7}
    assert allocate_slots(ready[:1], 40, {1: 3}, 8, caps={1: 3}) == []


@given(readies, frees, flights, caps)
def test_everybody_gets_something(
    ready: list[Ready], free: int, in_flight: dict[int, int], cap: int
) -> None:
    """With enough slots, each origin without one gets at least one."""
    shares = allocate_slots(ready, max(free, len(ready)), in_flight, cap)
    served = {share.ready.origin_id for share in shares}
    for one in ready:
        assert one.origin_id in served or in_flight.get(one.origin_id, 0) > 0


@given(readies, frees, flights, caps, st.booleans())
def test_who_goes_first(
    ready: list[Ready], free: int, in_flight: dict[int, int], cap: int, retries_first: bool
) -> None:
    """No retry is served before a first attempt of an idle origin, or vice versa."""
    shares = allocate_slots(ready, free, in_flight, cap, retries_first=retries_first)
    served = {share.ready for share in shares}
    preferred = [one for one in ready if one.is_retry == retries_first]
    if any(share.ready.is_retry != retries_first for share in shares):
        for one in preferred:
            assert one in served or in_flight.get(one.origin_id, 0) > 0


@given(st.integers(8, 64), caps, st.lists(origins, max_size=60))
def test_nobody_takes_all(slots: int, cap: int, looks: list[int]) -> None:
    """Three receivers that hang, however often they ask, leave a thread for the fourth."""
    in_flight: Counter[int] = Counter()
    for origin_id in looks:
        free = slots - in_flight.total()
        hanging = Ready(origin_id % 3, is_retry=False)
        for share in allocate_slots([hanging], free, in_flight, cap):
            in_flight[hanging.origin_id] += share.limit
    assert slots - in_flight.total() >= 1
    assert max(in_flight.values(), default=0) <= min(cap, slots // 2 + 1)


@given(readies, frees, flights, caps, st.dictionaries(origins, st.integers(0, 64)))
def test_ahead(
    ready: list[Ready], free: int, in_flight: dict[int, int], cap: int, rooms: dict[int, int]
) -> None:
    """The ahead limit is used up, but not while another origin has no thread."""
    shares = allocate_slots(ready, free, in_flight, cap)
    found = add_ahead(
        shares, ready, in_flight, lambda origin_id, _starting: rooms.get(origin_id, 0)
    )
    assert [(one.ready, one.limit) for one in found if one.limit] == [
        (one.ready, one.limit) for one in shares
    ]
    assert Counter(one.ready for one in found) <= Counter(ready)
    served = {one.ready.origin_id for one in shares} | in_flight.keys()
    is_fair = {one.origin_id for one in ready} <= served
    for origin_id in {one.origin_id for one in ready}:
        ahead = sum(one.ahead for one in found if one.ready.origin_id == origin_id)
        assert ahead == (rooms.get(origin_id, 0) if is_fair else 0)


def test_ahead_has_some_of_both() -> None:
    """Neither first attempts nor retries of an origin take all that is claimed ahead."""
    both = [Ready(1, is_retry=False), Ready(1, is_retry=True)]
    for order in (both, both[::-1]):
        found = add_ahead([], order, {1}, lambda _origin_id, _starting: 64)
        assert [(one.ready, one.ahead) for one in found] == [(order[0], 56), (order[1], 8)]


def test_nothing_ahead_while_another_has_no_thread() -> None:
    """Nothing is claimed ahead while an origin waits for its first thread."""
    quick, waiting = Ready(1, is_retry=False), Ready(2, is_retry=False)
    shares = [Share(quick, 3)]

    def ahead(in_flight: set[int]) -> int:
        found = add_ahead(shares, [quick, waiting], in_flight, lambda _origin_id, _starting: 8)
        return sum(share.ahead for share in found)

    assert ahead(set()) == 0
    assert ahead({2}) == 16


def test_shares_are_drawn_again() -> None:
    """With fewer slots than origins, not always the same origins are served."""
    ready = [Ready(origin_id, is_retry=False) for origin_id in range(10)]
    served = {
        share.ready.origin_id for _ in range(200) for share in allocate_slots(ready, 1, {}, 9)
    }
    assert served == set(range(10))


def test_finding_what_is_ready(configure: Configure, report_events: ReportEvents) -> None:
    """Each origin with due deliveries is found once for first attempts and once for retries."""
    urls = [f"http://{name}.example/" for name in ("a", "b", "c")]
    hooks = [
        configure.hook("*", event, url)
        for event, url in zip(
            (EventType.DIAL_IN, EventType.HANGUP, EventType.DIAL_OUT), urls, strict=True
        )
    ]
    ids = [report_events(3, hook.event_type) for hook in hooks]
    first, second, third = [hook.origin_id for hook in hooks]
    later = utc_now() + timedelta(hours=1)
    with write_transaction(db.engine) as connection:
        connection.execute(
            update(Delivery).where(Delivery.id.in_([ids[0][0], *ids[1]])).values(is_retry=True)
        )
        connection.execute(update(Delivery).where(Delivery.id.in_(ids[2])).values(due_at=later))
    expected = [
        Ready(first, is_retry=False),
        *(Ready(first, is_retry=True), Ready(second, is_retry=True)),
    ]
    assert find(utc_now()) == expected
    assert find(later - MOMENT) == expected
    assert find(later) == [expected[0], Ready(third, is_retry=False), *expected[1:]]
    assert len(claim(now=later)) == 9
    assert find(later) == []


def find(now: object) -> list[Ready]:
    """Return what is ready."""
    with db.engine.connect() as connection:
        return find_ready(connection, now)  # type: ignore[arg-type]


class Hanging:
    """A receiver that does not respond until the test releases it."""

    def __init__(self, serve: Serve) -> None:
        self.go = threading.Event()
        self.server = serve(self._talk)

    def _talk(self, connection: Connection) -> None:
        while connection.read_request():
            self.go.wait()
            connection.send(OK)


@pytest.fixture
def hang(serve: Serve) -> Iterator[Callable[[], Hanging]]:
    """Creates hanging receivers, which respond when the test is over."""
    made: list[Hanging] = []

    def hang() -> Hanging:
        made.append(Hanging(serve))
        return made[-1]

    yield hang
    for one in made:
        one.go.set()


PATIENT = {
    "poll_seconds": 0.05,
    "read_timeout_seconds": 60,
    "total_timeout_seconds": 60,
    "breaker_failures": 1000,
    "origin_in_flight": 4,
}


def test_hanging_receiver_keeps_no_other_waiting(
    configure: Configure,
    report_events: ReportEvents,
    make_engine: MakeEngine,
    hang: Callable[[], Hanging],
    receiver: Receiver,
) -> None:
    """With a hundred deliveries due at a receiver that hangs, another one gets all of its own."""
    hanging = hang()
    configure.hook("*", EventType.DIAL_IN, hanging.server.url)
    configure.hook("*", EventType.HANGUP, receiver.url)
    held = report_events(100)
    make_engine(**PATIENT)
    hanging.server.wait_for_requests(4)
    for delivery_id in report_events(20, EventType.HANGUP):
        wait_for_state(delivery_id, DELIVERED)
    assert len(hanging.server.requests) == 4, "no more than the cap"
    hanging.go.set()
    for delivery_id in held:
        wait_for_state(delivery_id, DELIVERED)
    assert len(hanging.server.requests) == 100


def test_several_hanging_receivers(
    configure: Configure,
    report_events: ReportEvents,
    make_engine: MakeEngine,
    hang: Callable[[], Hanging],
    receiver: Receiver,
) -> None:
    """Three receivers that hang do not take all eight slots from a fourth."""
    hanging = [hang() for _ in range(3)]
    for one in hanging:
        configure.hook("*", EventType.DIAL_IN, one.server.url)
    configure.hook("*", EventType.HANGUP, receiver.url)
    report_events(10)
    make_engine(**PATIENT, worker_threads=8)
    for one in hanging:
        one.server.wait_for_requests(1)
    for delivery_id in report_events(5, EventType.HANGUP):
        wait_for_state(delivery_id, DELIVERED)


def test_first_attempts_do_not_starve_retries(
    configure: Configure, report_events: ReportEvents, make_engine: MakeEngine, receiver: Receiver
) -> None:
    """With one thread and many first attempts due, a retry comes between them, and not last."""
    configure.hook("*", EventType.DIAL_IN, receiver.url)
    ids = report_events(300)
    with write_transaction(db.engine) as connection:
        connection.execute(update(Delivery).where(Delivery.id == ids[-1]).values(is_retry=True))
        connection.execute(update(Origin).values(failures=0))
    make_engine(poll_seconds=0.05, worker_threads=1)
    arrivals = [one.parameters["DeliveryID"] for one in receiver.wait_for(300)]
    assert 0 < arrivals.index(ids[-1]) < 150
