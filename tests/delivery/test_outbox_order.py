"""Deliveries of one call to one origin go out one after the other, as their events happened."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import update

from callevents.config.settings import Settings
from callevents.db.models import Delivery, Hook, Origin, Pbx, utc_now
from callevents.db.session import begin_write, write_transaction
from callevents.delivery.expiry import fail_expired
from callevents.delivery.http.client import Response
from callevents.delivery.load_claims import finish_without_attempt
from callevents.delivery.outbox import DEFER_BEHIND_RUNNING, MAX_DEFER
from callevents.delivery.outcomes import Outcome, record
from callevents.delivery.suspend import note_health
from callevents.enums import DeliveryState, EventType
from callevents.extensions import db
from callevents.hooks import hooks
from callevents.pbxs import extensions
from tests.conftest import Configure
from tests.delivery.conftest import MakeEngine, ReportCall, Serve, get_delivery
from tests.support.claims import claim, load
from tests.support.raw_server import OK, Connection
from tests.support.receiver import Arrival, Receiver, Reply
from tests.support.waiting import wait_for_delivery, wait_for_state, wait_until

DELIVERED, PENDING = DeliveryState.DELIVERED, DeliveryState.PENDING
URL = "http://127.0.0.1:9/"
QUICK = {"poll_seconds": 0.05, "retry_schedule_seconds": (0.05,)}
HOUR = timedelta(hours=1)


@pytest.fixture
def hook(configure: Configure, receiver: Receiver) -> Hook:
    """A hook for dial-in of all extensions, at a receiver that responds at once."""
    return configure.hook("*", EventType.DIAL_IN, receiver.url)


def arrived(receiver: Receiver) -> list[str]:
    """Return the ids of what has arrived, in the order of arrival."""
    return [arrival.parameters["DeliveryID"] for arrival in receiver.arrivals]


def record_one(claimed: dict[str, int], response: Response, *, now: datetime | None = None) -> None:
    """Record the outcome of the one claimed delivery."""
    [loaded] = load(claimed)
    with write_transaction(db.engine) as connection:
        record(connection, [Outcome(loaded, response)], now or utc_now(), Settings())


def success() -> Response:
    """Return a successful response."""
    return Response(utc_now(), 1, "", 200)


def failure() -> Response:
    """Return a failure after which the next attempt comes late."""
    return Response(utc_now(), 1, "No.", 503, [["Retry-After", "3600"]])


def test_reported_in_another_order(
    hook: Hook, report_call: ReportCall, make_engine: MakeEngine, receiver: Receiver
) -> None:
    """Events reported late or mixed up are sent in the order in which they happened."""
    third, first = report_call("c1", 3, 1)
    [other] = report_call("c2", 9)
    [second] = report_call("c1", 2)
    make_engine(**QUICK)
    receiver.wait_for(4)
    assert [one for one in arrived(receiver) if one != other] == [first, second, third]


def test_the_next_waits_for_retries(
    hook: Hook, report_call: ReportCall, make_engine: MakeEngine, receiver: Receiver
) -> None:
    """While a delivery is tried again the next ones of its call wait, and no other call's."""
    first, second, third = report_call("c1", 1, 2, 3)
    [other] = report_call("c2", 1)
    failed: list[str] = []

    def reply(arrival: Arrival) -> Reply:
        delivery_id = arrival.parameters["DeliveryID"]
        if delivery_id != other and len(failed) < 3:
            failed.append(delivery_id)
            return Reply(503)
        return Reply()

    receiver.reply = reply
    make_engine(**QUICK)
    receiver.wait_for(7)
    ours = [one for one in arrived(receiver) if one != other]
    assert ours == [first] * 4 + [second, third]


@pytest.mark.slow
def test_retry_after_holds_the_call_and_no_other(
    hook: Hook, report_call: ReportCall, make_engine: MakeEngine, receiver: Receiver
) -> None:
    """After a 503 with Retry-After no attempt comes sooner, nor the call's next event."""
    first, second = report_call("c1", 1, 2)
    replies = iter([Reply(503, {"Retry-After": wait}) for wait in ("2", "3600")])

    def reply(arrival: Arrival) -> Reply:
        return next(replies, Reply()) if arrival.parameters["DeliveryID"] == first else Reply()

    receiver.reply = reply
    make_engine(**QUICK)
    wait_until(lambda: arrived(receiver).count(first) == 2, "the second attempt")
    times = [arrival.at for arrival in receiver.arrivals]
    assert times[1] - times[0] >= 2
    due_at = wait_for_delivery(first, lambda one: one.attempts == 2).due_at
    assert due_at > utc_now() + HOUR / 2
    [other] = report_call("c2", 1)
    wait_for_state(other, DELIVERED)
    with write_transaction(db.engine) as connection:
        connection.execute(update(Delivery).where(Delivery.id == first).values(due_at=utc_now()))
    receiver.wait_for(5)
    assert arrived(receiver) == [first, first, other, first, second]


def test_the_next_waits_while_an_attempt_hangs(
    configure: Configure, report_call: ReportCall, make_engine: MakeEngine, serve: Serve
) -> None:
    """While a receiver has not answered the first, it gets another call's, and not the second."""
    response = threading.Event()
    held: list[str] = []

    def talk(connection: Connection) -> None:
        while request := connection.read_request():
            if held and held[0].encode() in request:
                response.wait()
            connection.send(OK)

    server = serve(talk)
    configure.hook("*", EventType.DIAL_IN, server.url)
    first, second = report_call("c1", 1, 2)
    held.append(first)
    make_engine(**QUICK, read_timeout_seconds=60, total_timeout_seconds=60)
    [other] = report_call("c2", 1)
    wait_for_state(other, DELIVERED)
    # It is checked again and again.
    parked_until = wait_for_delivery(second, lambda one: one.deferred).due_at
    wait_for_delivery(second, lambda one: one.due_at > parked_until)
    assert not any(second.encode() in request for request in server.requests)
    response.set()
    wait_for_state(second, DELIVERED)
    assert get_delivery(first).state is DELIVERED
    assert get_delivery(second).fence == 1


def test_the_next_waits_behind_an_open_breaker(
    hook: Hook, report_call: ReportCall, make_engine: MakeEngine, receiver: Receiver
) -> None:
    """The first delivery probes an open circuit, and then all follow in order."""
    ids = report_call("c1", *range(5))
    with write_transaction(db.engine) as connection:
        connection.execute(
            update(Origin).values(failures=9, opened_at=utc_now(), probe_at=utc_now())
        )
        # The last ones are due first, as after many deferrals.
        for place, delivery_id in enumerate(ids):
            connection.execute(
                update(Delivery)
                .where(Delivery.id == delivery_id)
                .values(due_at=utc_now() - timedelta(seconds=place))
            )
    make_engine(**QUICK)
    receiver.wait_for(5)
    assert arrived(receiver) == ids


@pytest.fixture
def chain(configure: Configure, report_call: ReportCall) -> tuple[str, str]:
    """A delivery that is claimed, and the next of its call, of another hook of the same origin."""
    configure.extension("101")
    configure.hook("101", EventType.DIAL_IN, URL + "a")
    configure.hook("*", EventType.HANGUP, URL + "b")
    [second] = report_call("c1", 2, event=EventType.HANGUP)
    [first] = report_call("c1", 1)
    return first, second


def end_delivered(hook: Hook, claimed: dict[str, int]) -> None:
    record_one(claimed, success())


def end_failed(hook: Hook, claimed: dict[str, int]) -> None:
    with write_transaction(db.engine) as connection:
        connection.execute(
            update(Delivery).where(Delivery.id.in_(claimed)).values(expires_at=utc_now())
        )
    record_one(claimed, failure())


def end_expired(hook: Hook, claimed: dict[str, int]) -> None:
    with write_transaction(db.engine) as connection:
        connection.execute(
            update(Delivery)
            .where(Delivery.id.in_(claimed))
            .values(expires_at=utc_now() - HOUR, due_at=utc_now())
        )
        assert fail_expired(connection, utc_now()) == 1


def end_unsent(hook: Hook, claimed: dict[str, int]) -> None:
    with write_transaction(db.engine) as connection:
        finish_without_attempt(connection, claimed, DeliveryState.CANCELLED, utc_now())


def end_disabled(hook: Hook, claimed: dict[str, int]) -> None:
    begin_write()
    hooks.set_active(hook, active=False)
    db.session.commit()


def end_cleared(hook: Hook, claimed: dict[str, int]) -> None:
    begin_write()
    hooks.clear_hooks([hook])
    db.session.commit()


def end_deleted(hook: Hook, claimed: dict[str, int]) -> None:
    begin_write()
    extension = extensions.get_extension_by_number(db.session.get_one(Pbx, hook.pbx_id), "101")
    assert extension is not None
    extensions.delete_extension(extension)
    db.session.commit()


def end_suspended(hook: Hook, claimed: dict[str, int]) -> None:
    with write_transaction(db.engine) as connection:
        gone = [Response(utc_now(), 1, "Gone.", 410)]
        note_health(connection, hook.id, gone, utc_now(), Settings())


def end_moved(hook: Hook, claimed: dict[str, int]) -> None:
    begin_write()
    hooks.update_hook(hook, hooks.HookData(method=hook.method, url="http://elsewhere.example/"))
    db.session.commit()


ENDS = [
    *(end_delivered, end_failed, end_expired, end_unsent, end_disabled, end_cleared, end_deleted),
    *(end_suspended, end_moved),
]


@pytest.mark.parametrize("end", ENDS)
def test_the_next_goes_on_at_once(
    chain: tuple[str, str], end: Callable[[Hook, dict[str, int]], None]
) -> None:
    """However the first one ends, in the same transaction the next is due."""
    first, second = chain
    now = utc_now()
    claimed = claim(now=now)
    assert claimed.keys() == {first}, "the next one was looked at, and waits"
    waiting = get_delivery(second)
    assert (waiting.deferred, waiting.fence, waiting.claimed_at) == (True, 0, None)
    assert waiting.due_at == now + DEFER_BEHIND_RUNNING
    hook = get_delivery(first).hook
    assert hook is not None
    end(hook, claimed)
    going = get_delivery(second)
    assert (going.state, going.deferred) == (PENDING, False)
    assert going.due_at <= utc_now()
    assert second in claim()


def test_waiting_is_checked_seldom(chain: tuple[str, str]) -> None:
    """Behind a running delivery the next is checked each second, behind a waiting one seldom."""
    first, second = chain
    now = utc_now()
    claimed = claim(now=now)
    assert get_delivery(second).due_at == now + DEFER_BEHIND_RUNNING
    record_one(claimed, failure(), now=now)
    assert get_delivery(first).due_at >= now + HOUR
    assert claim(now=now + DEFER_BEHIND_RUNNING) == {}
    assert get_delivery(second).due_at == now + DEFER_BEHIND_RUNNING + MAX_DEFER


def test_a_hook_may_opt_out(
    hook: Hook, configure: Configure, receiver: Receiver, report_call: ReportCall
) -> None:
    """Where the order does not matter nothing waits, and nothing waits for it."""
    loose = configure.hook("*", EventType.HANGUP, receiver.url + "/loose")
    begin_write()
    loose.in_order = False
    db.session.commit()
    first, second = report_call("c1", 1, 2)
    free = report_call("c1", 0, 3, event=EventType.HANGUP)
    assert claim().keys() == {first, *free}
    assert get_delivery(second).deferred


def test_events_without_a_call_wait_for_nothing(hook: Hook, report_call: ReportCall) -> None:
    """Deliveries without a call ID have no order."""
    ids = report_call("", 1, 2, 3)
    assert claim().keys() == set(ids)


def test_one_event_to_several_hooks(
    hook: Hook, configure: Configure, receiver: Receiver, report_call: ReportCall
) -> None:
    """Two hooks of one origin get the event one after the other, another origin beside them."""
    configure.hook("*", EventType.DIAL_IN, receiver.url + "/second")
    elsewhere = configure.hook("*", EventType.DIAL_IN, "http://localhost:9/")
    ids = report_call("c1", 1)
    by_hook = {get_delivery(one).hook_id: one for one in ids}
    other = by_hook.pop(elsewhere.id)
    first, second = sorted(by_hook.values())
    assert claim().keys() == {first, other}
    with write_transaction(db.engine) as connection:
        finish_without_attempt(connection, {first: 1}, DeliveryState.CANCELLED, utc_now())
    assert claim().keys() == {second}


def test_calls_of_different_pbxs_are_different(hook: Hook, report_call: ReportCall) -> None:
    """The same call id, and even the same digits, at another origin or PBX is another call."""
    ordering_keys = {
        get_delivery(report_call(call, 1)[0]).ordering_key for call in ("1", "2", "01")
    }
    assert len(ordering_keys) == 3
    assert None not in ordering_keys


@pytest.mark.slow
def test_two_workers_keep_the_order(
    hook: Hook, report_call: ReportCall, make_engine: MakeEngine, receiver: Receiver
) -> None:
    """Two workers at once, and failures between, send each call's events in order, each once."""
    calls = {f"c{number}": report_call(f"c{number}", *range(5)) for number in range(8)}
    failed: set[str] = set()

    def reply(arrival: Arrival) -> Reply:
        target = arrival.target
        if target not in failed and target.count("7") % 3 == 0:
            failed.add(target)
            return Reply(500)
        return Reply()

    receiver.reply = reply
    for _ in range(2):
        make_engine(**QUICK, worker_threads=4)
    for ids in calls.values():
        wait_for_state(ids[-1], DELIVERED)
    arrivals = arrived(receiver)
    for ids in calls.values():
        assert [one for one in dict.fromkeys(arrivals) if one in ids] == ids
        # What failed came twice, one after the other within its call.
        ours = [one for one in arrivals if one in ids]
        assert ours == sorted(ours)
    assert len(arrivals) == 40 + len(failed)


def test_a_worker_killed_in_the_middle(
    hook: Hook, report_call: ReportCall, make_engine: MakeEngine, receiver: Receiver
) -> None:
    """What a dead worker had claimed is made again after the lease, and only then the next."""
    first, second = report_call("c1", 1, 2)
    now = utc_now()
    with write_transaction(db.engine) as connection:
        connection.execute(
            update(Delivery)
            .where(Delivery.id == first)
            .values(fence=1, claimed_at=now, due_at=now + timedelta(seconds=0.5))
        )
    make_engine(**QUICK)
    wait_for_state(second, DELIVERED)
    assert arrived(receiver) == [first, second]
    attempted_at = get_delivery(first).attempted_at
    assert attempted_at is not None
    assert attempted_at >= now + timedelta(seconds=0.5)


def test_a_lost_release_heals(
    hook: Hook, report_call: ReportCall, make_engine: MakeEngine, receiver: Receiver
) -> None:
    """If the next delivery is not released, it is found soon all the same."""
    first, second = report_call("c1", 1, 2)
    assert claim().keys() == {first}
    assert get_delivery(second).deferred
    with write_transaction(db.engine) as connection:
        connection.execute(update(Delivery).where(Delivery.id == first).values(state=DELIVERED))
    make_engine(**QUICK)
    wait_for_state(second, DELIVERED)
    assert arrived(receiver) == [second]
