"""Suspension: a hook whose receiver is gone, or that has failed for long, sends nothing."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, update

from callevents.config.settings import Settings
from callevents.db.models import Attempt, Delivery, Hook, utc_now
from callevents.db.models.delivery import SUSPENDED_ERROR
from callevents.db.session import begin_write, write_transaction
from callevents.delivery.http.client import Response
from callevents.delivery.http.error_messages import INTERRUPTED
from callevents.delivery.suspend import find_changed, note_health
from callevents.enums import DeliveryState, EventType, Method
from callevents.extensions import db
from tests.conftest import Configure
from tests.delivery.conftest import MakeEngine, ReportCall, ReportEvents, get_delivery
from tests.support.claims import claim
from tests.support.database_faults import before_statement
from tests.support.receiver import Receiver, Reply
from tests.support.waiting import wait_for_state, wait_until

FAILED, PENDING, DELIVERED = DeliveryState.FAILED, DeliveryState.PENDING, DeliveryState.DELIVERED
NOW = utc_now()
DAY = timedelta(days=1)
SETTINGS = Settings()
GONE = "The receiver returned 410 Gone."


@pytest.fixture
def hook(configure: Configure, receiver: Receiver) -> Hook:
    """A hook for dial-in of all extensions."""
    return configure.hook("*", EventType.DIAL_IN, receiver.url)


def response(status: int | None, at: datetime = NOW) -> Response:
    """Return a response with that status, or a timeout."""
    return Response(at, 1, "" if status == 200 else "No.", status, is_unreachable=status is None)


def note(hook: Hook, *responses: Response, now: datetime = NOW) -> Hook:
    """Record the responses like the recorder; return the hook as stored."""
    hook_id = hook.id
    if changed := find_changed({hook_id: responses}, {hook_id: hook.failing_since}):
        with write_transaction(db.engine) as connection:
            note_health(connection, hook_id, changed[hook_id], now, SETTINGS)
    return get_hook(hook_id)


def get_hook(hook_id: int) -> Hook:
    """Return the hook as it is stored now."""
    db.session.rollback()
    return db.session.get_one(Hook, hook_id)


def add_attempt(delivery_id: str, number: int, at: datetime, error: str = "It failed.") -> None:
    """Add a failed attempt at that time, as the recorder does first."""
    begin_write()
    db.session.add(
        Attempt(
            delivery_id=delivery_id,
            number=number,
            started_at=at,
            duration_ms=1,
            error=error,
            method=Method.GET,
            url="http://a/",
            request_headers=[],
            response_headers=[],
        )
    )
    db.session.commit()


def test_two_failures_with_silence_between_do_not_suspend(
    hook: Hook, report_events: ReportEvents
) -> None:
    """A failure before a quiet weekend and one after it do not suspend."""
    [delivery_id] = report_events()
    monday = NOW + DAY * 3
    for number, at in enumerate((NOW, monday), start=1):
        add_attempt(delivery_id, number, at)
        assert note(hook, response(500, at), now=at).suspended_at is None
    add_attempt(delivery_id, 3, monday + DAY)
    tuesday = note(hook, response(500, monday + DAY), now=monday + DAY)
    assert tuesday.suspended_at == monday + DAY


def test_interrupted_attempts_say_nothing(hook: Hook, report_events: ReportEvents) -> None:
    """An attempt that a stopping worker interrupted is not a failure of the receiver."""
    [delivery_id] = report_events()
    monday = NOW + DAY * 3
    add_attempt(delivery_id, 1, NOW)
    assert note(hook, response(500)).failing_since == NOW
    add_attempt(delivery_id, 2, monday - DAY * 0.75, INTERRUPTED)
    assert note(hook, response(500, monday), now=monday).suspended_at is None


def test_failing_for_a_day_suspends(hook: Hook, report_events: ReportEvents) -> None:
    """After 24 hours without a success the next failure suspends, and none before."""
    [delivery_id] = report_events()
    add_attempt(delivery_id, 1, NOW)
    assert note(hook, response(500)).failing_since == NOW
    assert note(hook, response(None, NOW + DAY / 2), now=NOW + DAY / 2).failing_since == NOW
    almost = NOW + DAY - timedelta(milliseconds=1)
    assert note(hook, response(404, almost), now=almost).suspended_at is None
    suspended = note(hook, response(500, NOW + DAY), now=NOW + DAY)
    assert (suspended.suspended_at, suspended.failing_since) == (NOW + DAY, NOW)
    assert suspended.suspended_reason == "All attempts have failed for 24 hours."
    assert suspended.active, "it is another thing than disabled"


def test_one_success_resets_the_failures(hook: Hook) -> None:
    """A success before or in the same batch resets the failures."""
    note(hook, response(500))
    assert note(hook, response(200), now=NOW + DAY * 2).failing_since is None
    later = NOW + DAY * 2
    assert note(hook, response(500, later), now=later).failing_since == later
    many = [response(500, later), response(200, later), response(500, later)]
    assert note(hook, *many, now=later + DAY * 2).suspended_at is None


def test_well_hooks_cost_nothing(hook: Hook) -> None:
    """Successes of a healthy hook write nothing."""
    well: dict[int, datetime | None] = {hook.id: None}
    assert find_changed({hook.id: [response(200), response(500)]}, well) == {}
    assert find_changed({hook.id + 1: [response(500)]}, well) == {}
    assert find_changed({hook.id: [response(500)]}, well).keys() == {hook.id}


def test_gone_suspends_at_once(
    hook: Hook, configure: Configure, receiver: Receiver, report_events: ReportEvents
) -> None:
    """A 410 suspends, whatever else came with it, and fails what waits for this hook only."""
    other = configure.hook("*", EventType.HANGUP, receiver.url)
    waiting = report_events(3)
    [others] = report_events(1, EventType.HANGUP)
    suspended = note(hook, response(200), response(410))
    assert (suspended.suspended_at, suspended.suspended_reason) == (NOW, GONE)
    for delivery_id in waiting:
        delivery = get_delivery(delivery_id)
        assert (delivery.state, delivery.finished_at) == (FAILED, NOW)
        assert delivery.error == f"The request was suspended: {GONE}"
    assert get_delivery(others).state is PENDING
    assert get_hook(other.id).suspended_at is None


def test_suspended_stays_suspended(hook: Hook) -> None:
    """Attempts that end after the suspension change nothing; a person resumes it."""
    note(hook, response(410))
    later = NOW + DAY
    suspended = note(hook, response(200, later), response(410, later), now=later)
    assert (suspended.suspended_at, suspended.failing_since) == (NOW, NOW)


def test_hook_that_is_cleared_meanwhile(hook: Hook) -> None:
    """A response for a removed hook is ignored."""
    with write_transaction(db.engine) as connection:
        note_health(connection, hook.id + 1, [response(410)], NOW, SETTINGS)
    assert get_hook(hook.id).suspended_at is None


def test_events_that_come_meanwhile_are_kept(hook: Hook, report_events: ReportEvents) -> None:
    """Events for a suspended hook are stored as failed deliveries with the reason."""
    note(hook, response(410))
    ids = report_events(2)
    for delivery_id in ids:
        delivery = get_delivery(delivery_id)
        assert (delivery.state, delivery.error, delivery.attempts) == (FAILED, SUSPENDED_ERROR, 0)
        assert delivery.finished_at is not None
    assert claim(now=utc_now() + DAY) == {}
    begin_write()
    db.session.execute(update(Hook).values(suspended_at=None, failing_since=None))
    db.session.commit()
    [later] = report_events()
    assert claim().keys() == {later}


def test_gone_ends_a_call_at_the_hook(
    hook: Hook,
    configure: Configure,
    receiver: Receiver,
    report_call: ReportCall,
    make_engine: MakeEngine,
) -> None:
    """A receiver's 410 suspends the hook; other hooks' events of the call go on."""
    configure.hook("*", EventType.HANGUP, receiver.url + "/hangup")
    receiver.reply = lambda one: Reply(200 if one.path == "/hangup" else 410)
    [gone] = report_call("c1", 1)
    [hangup] = report_call("c1", 2, event=EventType.HANGUP)
    make_engine(poll_seconds=0.02)
    wait_for_state(hangup, DELIVERED)
    delivery = get_delivery(gone)
    assert (delivery.state, delivery.attempts, delivery.status_code) == (FAILED, 1, 410)
    assert delivery.error == ("The receiver returned 410 Gone. This delivery is not retried.")
    hook_id = hook.id
    wait_until(lambda: get_hook(hook_id).suspended_at, "the suspension")
    [late] = report_call("c1", 3)
    assert get_delivery(late).error == SUSPENDED_ERROR


def test_failing_receiver_is_suspended(
    hook: Hook, report_events: ReportEvents, make_engine: MakeEngine, receiver: Receiver
) -> None:
    """The worker suspends a hook that fails long enough, and fails its open deliveries."""
    receiver.reply = lambda _arrival: Reply(500)
    [delivery_id] = report_events()
    make_engine(poll_seconds=0.02, retry_schedule_seconds=(0.05,), suspend_after_seconds=0.5)
    delivery = wait_for_state(delivery_id, FAILED)
    reason = "All attempts have failed for 0 seconds."
    assert delivery.error == f"The request was suspended: {reason}"
    assert get_hook(hook.id).suspended_reason == reason
    assert delivery.attempts >= 2


def test_suspended_between_claim_and_load(
    hook: Hook, report_events: ReportEvents, make_engine: MakeEngine, receiver: Receiver
) -> None:
    """A hook suspended after the claim sends nothing."""
    ids = report_events(2)
    engine, database = make_engine(), db.engine

    def suspend() -> None:
        with write_transaction(database) as connection:
            # As when the event is accepted at the moment of the suspension.
            connection.execute(update(Hook).values(suspended_at=utc_now()))

    with before_statement(database, "SELECT delivery.id AS delivery_id", suspend):
        engine.drain()
    for delivery_id in ids:
        delivery = get_delivery(delivery_id)
        assert (delivery.state, delivery.error) == (FAILED, SUSPENDED_ERROR)
    assert receiver.arrivals == []
    assert db.session.scalars(select(Delivery.claimed_at).distinct()).all() == [None]
