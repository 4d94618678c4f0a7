"""The circuit breaker: an unreachable origin gets a probe now and then, from one worker."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from sqlalchemy import select, update

from callevents.config.settings import Settings
from callevents.db.models import Attempt, Hook, Origin, utc_now
from callevents.db.session import write_transaction
from callevents.delivery.circuit_breaker import acquire_probe, note_responses
from callevents.delivery.fair_share import find_breakers
from callevents.delivery.http.client import Response
from callevents.enums import DeliveryState, EventType
from callevents.extensions import db
from tests.conftest import Configure
from tests.delivery.conftest import MakeEngine, ReportEvents, Serve, list_attempts
from tests.support.raw_server import OK, Connection
from tests.support.receiver import Receiver, Reply
from tests.support.waiting import wait_for_delivery, wait_for_state, wait_until

NOW = utc_now()
SETTINGS = Settings(breaker_failures=3, breaker_open_seconds=10, breaker_open_max_seconds=35)
SILENCE = Response(NOW, 1, "No response within 10 seconds.", is_unreachable=True)
REFUSED = Response(NOW, 1, "The address 10.0.0.1 is private.")
SECOND = timedelta(seconds=1)


@pytest.fixture
def hook(configure: Configure) -> Hook:
    """A hook at an origin of its own."""
    return configure.hook("*", EventType.DIAL_IN, "http://crm.example.com/")


def note(hook: Hook, *responses: Response, now: datetime = NOW, probed: bool = False) -> Origin:
    """Record responses of the hook's origin; return the origin."""
    origin_id = hook.origin_id
    with write_transaction(db.engine) as connection:
        probes = {origin_id} if probed else set()
        note_responses(
            connection,
            {origin_id: responses},
            failing={origin_id},
            probed=probes,
            now=now,
            settings=SETTINGS,
        )
    return get_origin(origin_id)


def get_origin(origin_id: int) -> Origin:
    """Return the origin as it is stored now."""
    db.session.rollback()
    return db.session.get_one(Origin, origin_id)


def answered(status: int) -> Response:
    """Return a response with that status."""
    return Response(NOW, 1, "" if status == 200 else "It failed.", status)


def test_opens_after_silences_in_a_row(hook: Hook) -> None:
    """The third timeout opens it, with the reason and the time of the first probe."""
    assert not note(hook, SILENCE).is_open
    assert not note(hook, SILENCE).is_open
    origin = note(hook, SILENCE)
    assert (origin.failures, origin.opened_at, origin.times_opened) == (3, NOW, 1)
    assert origin.probe_at == NOW + 10 * SECOND
    assert origin.error == SILENCE.error
    with db.engine.connect() as connection:
        assert find_breakers(connection) == {origin.id: origin.probe_at}


def test_silences_of_one_batch_count_each(hook: Hook) -> None:
    """Three timeouts recorded together count as three."""
    assert note(hook, SILENCE, SILENCE, SILENCE).is_open


@pytest.mark.parametrize("status", [200, 301, 404, 410, 429, 500, 503])
def test_any_response_resets_the_count(hook: Hook, status: int) -> None:
    """Any response resets the count, also within a batch."""
    note(hook, SILENCE, SILENCE)
    assert note(hook, answered(status)).failures == 0
    note(hook, SILENCE, SILENCE)
    assert note(hook, SILENCE, answered(status), SILENCE).failures == 0
    assert not note(hook, SILENCE, SILENCE).is_open


def test_refused_addresses_do_not_count(hook: Hook) -> None:
    """A blocked address says nothing about the receiver."""
    assert note(hook, *[REFUSED] * 9).failures == 0
    note(hook, SILENCE, SILENCE)
    assert note(hook, REFUSED).failures == 2
    assert note(hook, SILENCE, REFUSED).is_open


def test_each_failed_probe_doubles_the_pause(hook: Hook) -> None:
    """The open time grows up to its maximum, counted from the end of the probe."""
    note(hook, SILENCE, SILENCE, SILENCE)
    now = NOW
    for seconds in (20, 35, 35, 35):
        now += 60 * SECOND
        origin = note(hook, SILENCE, now=now, probed=True)
        assert origin.probe_at == now + seconds * SECOND
        assert origin.opened_at == NOW
    note(hook, *[SILENCE] * 100, now=now, probed=True)


def test_pauses_without_end_stay_numbers(hook: Hook) -> None:
    """An origin that is unreachable for years is still probed at the maximum interval."""
    note(hook, SILENCE, SILENCE, SILENCE)
    with write_transaction(db.engine) as connection:
        connection.execute(update(Origin).values(times_opened=2_000_000))
    assert note(hook, SILENCE, probed=True).probe_at == NOW + 35 * SECOND


def test_attempts_from_before_it_opened_say_nothing_new(hook: Hook) -> None:
    """Attempts that end after it opened do not defer the probe."""
    note(hook, SILENCE, SILENCE, SILENCE)
    for later in range(1, 17):
        origin = note(hook, SILENCE, now=NOW + later * SECOND)
    assert (origin.probe_at, origin.times_opened) == (NOW + 10 * SECOND, 1)
    assert origin.failures == 19


@pytest.mark.parametrize("status", [200, 404, 500])
@pytest.mark.parametrize("probed", [True, False])
def test_closes_on_any_answer(hook: Hook, status: int, probed: bool) -> None:
    """A response to the probe or an old attempt closes it; the next open time is short again."""
    note(hook, SILENCE, SILENCE, SILENCE)
    note(hook, SILENCE, probed=True)
    origin = note(hook, answered(status), probed=probed)
    assert (origin.failures, origin.times_opened, origin.error) == (0, 0, "")
    assert (origin.opened_at, origin.probe_at) == (None, None)
    assert note(hook, SILENCE, SILENCE, SILENCE).probe_at == NOW + 10 * SECOND


def test_failed_probe_of_what_is_closed_again(hook: Hook) -> None:
    """If the origin has responded meanwhile, a late timeout of a probe opens nothing."""
    note(hook, SILENCE, SILENCE, SILENCE)
    note(hook, answered(200))
    assert not note(hook, SILENCE, probed=True).is_open


def test_one_worker_takes_the_probe(hook: Hook) -> None:
    """Of concurrent workers one probes, and no other until its lease ends."""
    origin_id, engine = hook.origin_id, db.engine
    note(hook, SILENCE, SILENCE, SILENCE)
    taken: list[bool] = []
    probe_at, until = NOW + 10 * SECOND, NOW + 40 * SECOND
    start = threading.Barrier(4)

    def work() -> None:
        start.wait()
        with write_transaction(engine) as connection:
            taken.append(acquire_probe(connection, origin_id, probe_at, until))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == [False, False, False, True]
    assert get_origin(origin_id).probe_at == until


class Moody:
    """A receiver that closes connections without a response until the test turns it on."""

    def __init__(self, serve: Serve) -> None:
        self.is_well = False
        self.server = serve(self._talk)

    def _talk(self, connection: Connection) -> None:
        while connection.read_request() and self.is_well:
            connection.send(OK)


@pytest.fixture
def moody(serve: Serve, configure: Configure) -> Moody:
    """A closing receiver, with a hook for dial-in."""
    moody = Moody(serve)
    configure.hook("*", EventType.DIAL_IN, moody.server.url)
    return moody


def pause(seconds: float) -> None:
    """Open the circuits of all origins for the first time."""
    with write_transaction(db.engine) as connection:
        connection.execute(
            update(Origin).values(
                failures=9,
                times_opened=1,
                opened_at=utc_now(),
                probe_at=utc_now() + seconds * SECOND,
            )
        )


QUICK = {"poll_seconds": 0.02, "retry_schedule_seconds": (0.01,), "breaker_failures": 3}


def test_paused_origin_gets_one_probe_at_a_time(
    moody: Moody, report_events: ReportEvents, make_engine: MakeEngine
) -> None:
    """Two workers with many due deliveries send single probes, at growing intervals."""
    report_events(12)
    opened_at = utc_now()
    pause(0.2)
    engines = [
        make_engine(**QUICK, breaker_open_seconds=0.2, breaker_open_max_seconds=0.5)
        for _ in range(2)
    ]
    [origin_id] = find_open_origins()
    wait_until(lambda: get_origin(origin_id).times_opened >= 5, "four failed probes")
    for engine in engines:
        engine.close()
    attempts = db.session.scalars(select(Attempt).order_by(Attempt.started_at)).all()
    assert attempts[0].started_at >= opened_at + 0.2 * SECOND
    millisecond = timedelta(milliseconds=1)
    for (one, other), wait in zip(pairwise(attempts), (0.4, 0.5, 0.5), strict=False):
        ended_at = one.started_at + one.duration_ms * millisecond
        assert other.started_at >= ended_at + wait * SECOND - 2 * millisecond


def find_open_origins() -> list[int]:
    """Return the ids of origins with an open circuit."""
    db.session.rollback()
    return list(db.session.scalars(select(Origin.id).where(Origin.probe_at.is_not(None))))


def test_silent_origin_is_paused_and_comes_back(
    moody: Moody, report_events: ReportEvents, make_engine: MakeEngine
) -> None:
    """Timeouts open the circuit; when the receiver responds, all waiting deliveries arrive."""
    ids = report_events(12)
    make_engine(**QUICK, breaker_open_seconds=0.3, breaker_open_max_seconds=0.3)
    wait_until(find_open_origins, "the pause")
    [origin_id] = find_open_origins()
    error = get_origin(origin_id).error
    assert error == "The receiver closed the connection before it responded."
    moody.is_well = True
    for delivery_id in ids:
        wait_for_state(delivery_id, DeliveryState.DELIVERED)
    origin = get_origin(origin_id)
    assert (origin.is_open, origin.failures, origin.error) == (False, 0, "")


def test_other_origins_go_on(
    moody: Moody,
    configure: Configure,
    report_events: ReportEvents,
    make_engine: MakeEngine,
    receiver: Receiver,
) -> None:
    """While a circuit is open nothing is sent to its origin, and other origins get all."""
    report_events(5)
    pause(3600)
    configure.hook("*", EventType.HANGUP, receiver.url)
    make_engine(**QUICK)
    for delivery_id in report_events(5, EventType.HANGUP):
        wait_for_state(delivery_id, DeliveryState.DELIVERED)
    assert moody.server.requests == []


@pytest.mark.parametrize(
    ("url", "reply"),
    [
        # No connection is opened at all, because the address is refused.
        ("http://10.0.0.1:9/", None),
        ("", lambda _arrival: Reply(500)),
    ],
    ids=["refused", "500"],
)
def test_what_pauses_no_origin(
    configure: Configure,
    report_events: ReportEvents,
    make_engine: MakeEngine,
    receiver: Receiver,
    url: str,
    reply: Callable[..., Reply] | None,
) -> None:
    """Blocked addresses and error responses do not open the circuit."""
    configure.hook("*", EventType.DIAL_IN, url or receiver.url)
    if reply:
        receiver.reply = reply
    [delivery_id] = report_events()
    make_engine(**QUICK)
    wait_for_delivery(delivery_id, lambda one: one.attempts >= 4)
    assert find_open_origins() == []
    assert len({attempt.error for attempt in list_attempts(delivery_id)}) == 1
