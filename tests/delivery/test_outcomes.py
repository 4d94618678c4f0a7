"""Recording: an attempt is a row always, and moves its delivery only if it may."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import delete, update

from callevents.config.settings import Settings
from callevents.db.models import CallEvent, Delivery, Hook, utc_now
from callevents.db.session import begin_write, write_transaction
from callevents.delivery.claim import Claim
from callevents.delivery.http.client import Response
from callevents.delivery.outcomes import Outcome, record
from callevents.delivery.removal import REMOVED_ERROR, end_removals
from callevents.enums import DeliveryState, EventType, Method
from callevents.extensions import db
from callevents.hooks import hooks
from tests.conftest import Configure
from tests.delivery.conftest import ReportEvents, get_delivery, list_attempts
from tests.support import claims as claiming
from tests.support.claims import LEASE, MOMENT

STARTED = utc_now()
SUCCESS = Response(
    STARTED, 12, "", 204, [["X-Id", "7"], ["X-Id", "8"]], body="thanks", truncated=True
)
FAILURE = Response(STARTED, 34, "The receiver returned 500 Internal Server Error.", 500)
NO_ANSWER = Response(STARTED, 56, "No response within 10 seconds.", is_unreachable=True)
PENDING, DELIVERED = DeliveryState.PENDING, DeliveryState.DELIVERED
FAILED, CANCELLED = DeliveryState.FAILED, DeliveryState.CANCELLED


@pytest.fixture
def hook(configure: Configure) -> Hook:
    """A hook for dial-in of all extensions."""
    return configure.hook("*", EventType.DIAL_IN, "http://127.0.0.1:9/", Method.POST)


@pytest.fixture
def claims(hook: Hook, report_events: ReportEvents) -> list[Claim]:
    """Three claimed deliveries."""
    report_events(3)
    return claim(utc_now())


def claim(now: datetime) -> list[Claim]:
    """Claim and load due deliveries."""
    return claiming.load(claiming.claim(now=now))


def note(*outcomes: Outcome, now: datetime | None = None) -> None:
    """Record the outcomes."""
    with write_transaction(db.engine) as connection:
        record(connection, outcomes, now or utc_now(), Settings())


def is_about(wait: timedelta, *, seconds: float) -> bool:
    """Return True if the wait is the schedule's, changed by up to a fifth."""
    return 0.8 * seconds <= wait.total_seconds() <= 1.2 * seconds


def test_success(claims: list[Claim]) -> None:
    """A success finishes the delivery; the attempt keeps the request and the response."""
    now = utc_now()
    note(Outcome(claims[0], SUCCESS), now=now)
    delivery = get_delivery(claims[0].delivery_id)
    assert (delivery.state, delivery.attempts, delivery.claimed_at) == (DELIVERED, 1, None)
    assert (delivery.status_code, delivery.error, delivery.duration_ms) == (204, "", 12)
    assert (delivery.attempted_at, delivery.finished_at) == (STARTED, now)
    [attempt] = list_attempts(delivery.id)
    assert (attempt.number, attempt.started_at, attempt.duration_ms) == (1, STARTED, 12)
    assert (attempt.method, attempt.url) == (Method.POST, "http://127.0.0.1:9/")
    assert attempt.request_body == claims[0].request.body
    assert ["User-Agent", "CallEvents/1.0"] in attempt.request_headers
    assert attempt.response_headers == [["X-Id", "7"], ["X-Id", "8"]]
    assert (attempt.status_code, attempt.error) == (204, "")
    assert (attempt.response_body, attempt.response_truncated) == ("thanks", True)


@pytest.mark.parametrize("response", [FAILURE, NO_ANSWER], ids=["500", "silence"])
def test_failure_is_tried_again(claims: list[Claim], response: Response) -> None:
    """Any failure, with a response or without, makes the delivery due after the schedule's wait."""
    now = utc_now()
    note(Outcome(claims[0], response), now=now)
    delivery = get_delivery(claims[0].delivery_id)
    assert (delivery.state, delivery.attempts) == (PENDING, 1)
    assert (delivery.is_retry, delivery.claimed_at) == (True, None)
    assert is_about(delivery.due_at - now, seconds=1)
    assert (delivery.status_code, delivery.error) == (response.status_code, response.error)
    assert delivery.finished_at is None
    assert claim(delivery.due_at - MOMENT) == []
    [again] = claim(delivery.due_at)
    assert (again.delivery_id, again.fence) == (delivery.id, 2)
    note(Outcome(again, response), now=now)
    assert is_about(get_delivery(delivery.id).due_at - now, seconds=5)
    assert [attempt.number for attempt in list_attempts(delivery.id)] == [1, 2]


def test_failure_after_a_day_is_the_last(claims: list[Claim]) -> None:
    """A delivery that is a day old is given up; it shows as failed, with the last error."""
    now = claims[0].expires_at
    note(Outcome(claims[0], FAILURE), now=now)
    delivery = get_delivery(claims[0].delivery_id)
    assert (delivery.state, delivery.finished_at, delivery.claimed_at) == (FAILED, now, None)
    assert delivery.error == (
        f"{FAILURE.error} Gave up after 24 hours: the next attempt would be too late."
    )
    assert [attempt.error for attempt in list_attempts(delivery.id)] == [FAILURE.error]
    due = {claim.delivery_id for claim in claim(now + timedelta(days=9))}
    assert due == {claims[1].delivery_id, claims[2].delivery_id}, "never again"


def test_interrupted_attempt_is_due_at_once(claims: list[Claim]) -> None:
    """An interrupted attempt is recorded, takes no step of the schedule, and is due at once."""
    now = utc_now()
    note(Outcome(claims[0], NO_ANSWER, interrupted=True), now=now)
    delivery = get_delivery(claims[0].delivery_id)
    assert (delivery.state, delivery.due_at, delivery.claimed_at) == (PENDING, now, None)
    assert len(list_attempts(delivery.id)) == delivery.attempts == 1
    assert not delivery.is_retry
    again = next(one for one in claim(now) if one.delivery_id == delivery.id)
    note(Outcome(again, FAILURE), now=now)
    delivery = get_delivery(delivery.id)
    assert is_about(delivery.due_at - now, seconds=1), "the schedule's first wait"
    assert (delivery.attempts, delivery.is_retry) == (2, True)


def reclaimed(claims: list[Claim]) -> Claim:
    """Let the lease of the first claim end and another worker claim its delivery."""
    again = claim(utc_now() + LEASE)
    return next(one for one in again if one.delivery_id == claims[0].delivery_id)


@pytest.mark.parametrize("interrupted", [False, True])
def test_late_failure_changes_nothing(claims: list[Claim], interrupted: bool) -> None:
    """A failure recorded after another worker's claim adds its attempt and changes nothing else."""
    second = reclaimed(claims)
    before = get_delivery(second.delivery_id)
    lease = (before.state, before.due_at, before.claimed_at, before.fence)
    note(Outcome(claims[0], FAILURE, interrupted))
    delivery = get_delivery(second.delivery_id)
    assert (delivery.state, delivery.due_at, delivery.claimed_at, delivery.fence) == lease
    assert [attempt.error for attempt in list_attempts(delivery.id)] == [FAILURE.error]
    note(Outcome(second, SUCCESS))
    assert get_delivery(second.delivery_id).state is DELIVERED
    assert [attempt.number for attempt in list_attempts(delivery.id)] == [1, 2]


def test_late_success_is_a_success(claims: list[Claim]) -> None:
    """A late success counts: no further attempt is made."""
    second = reclaimed(claims)
    note(Outcome(claims[0], SUCCESS))
    assert get_delivery(second.delivery_id).state is DELIVERED
    note(Outcome(second, FAILURE))
    assert get_delivery(second.delivery_id).state is DELIVERED
    assert len(list_attempts(second.delivery_id)) == 2


@pytest.mark.parametrize(
    ("response", "state"), [(SUCCESS, DELIVERED), (FAILURE, CANCELLED), (NO_ANSWER, CANCELLED)]
)
@pytest.mark.parametrize("end", ["disable", "clear"])
def test_cancelled_during_the_attempt(
    hook: Hook, claims: list[Claim], response: Response, state: DeliveryState, end: str
) -> None:
    """A delivery cancelled during its attempt is delivered if that succeeds, else not retried."""
    begin_write()
    if end == "disable":
        hooks.set_active(hook, active=False)
        hooks.cancel_held(hook)
    else:
        hooks.clear_hooks([hook])
    db.session.commit()
    if end == "clear":
        assert end_removals(db.engine, utc_now() + timedelta(days=1)) == 1
    assert get_delivery(claims[0].delivery_id).state is CANCELLED
    note(Outcome(claims[0], response))
    delivery = get_delivery(claims[0].delivery_id)
    assert delivery.state is state
    assert delivery.finished_at is not None
    assert len(list_attempts(delivery.id)) == 1
    if state is CANCELLED:
        said = "" if end == "disable" else REMOVED_ERROR
        assert (delivery.status_code, delivery.error) == (None, said), "and not the late no"
    assert claim(utc_now() + timedelta(days=1)) == []


def test_cancelled_delivery_is_never_given_up(hook: Hook, claims: list[Claim]) -> None:
    """A cancelled delivery stays cancelled, even if its last attempt fails after expiry."""
    begin_write()
    hooks.set_active(hook, active=False)
    hooks.cancel_held(hook)
    db.session.commit()
    cancelled_at = get_delivery(claims[0].delivery_id).finished_at
    note(Outcome(claims[0], FAILURE), now=claims[0].expires_at)
    delivery = get_delivery(claims[0].delivery_id)
    assert (delivery.state, delivery.finished_at) == (CANCELLED, cancelled_at)


def test_batch_of_different_outcomes(claims: list[Claim]) -> None:
    """Outcomes that are recorded together do not influence each other."""
    note(
        Outcome(claims[2], SUCCESS),
        Outcome(claims[0], FAILURE),
        Outcome(claims[1], NO_ANSWER, interrupted=True),
    )
    found = [get_delivery(claim.delivery_id) for claim in claims]
    assert [delivery.state for delivery in found] == [PENDING, PENDING, DELIVERED]
    assert [delivery.error for delivery in found] == [FAILURE.error, NO_ANSWER.error, ""]


@pytest.mark.parametrize(
    ("first", "second", "state"),
    [
        (FAILURE, SUCCESS, DELIVERED),
        (SUCCESS, FAILURE, DELIVERED),
        (FAILURE, FAILURE, PENDING),
    ],
)
def test_two_attempts_of_one_delivery_in_a_batch(
    claims: list[Claim], first: Response, second: Response, state: DeliveryState
) -> None:
    """After a long failure of the database a worker may have two outcomes of one delivery."""
    again = reclaimed(claims)
    note(Outcome(claims[0], first), Outcome(again, second), Outcome(claims[1], SUCCESS))
    delivery = get_delivery(again.delivery_id)
    assert (delivery.state, delivery.attempts) == (state, 2)
    attempts = list_attempts(delivery.id)
    assert [attempt.error for attempt in attempts] == [first.error, second.error]
    assert get_delivery(claims[1].delivery_id).state is DELIVERED


def test_deleted_delivery_is_forgotten(claims: list[Claim]) -> None:
    """The outcome of a removed delivery is dropped, and the others are recorded."""
    with write_transaction(db.engine) as connection:
        connection.execute(
            delete(CallEvent).where(
                CallEvent.id == get_delivery(claims[0].delivery_id).call_event_id
            )
        )
    note(Outcome(claims[0], SUCCESS))
    note(Outcome(claims[0], SUCCESS), Outcome(claims[1], SUCCESS))
    db.session.rollback()
    assert db.session.get(Delivery, claims[0].delivery_id) is None
    assert get_delivery(claims[1].delivery_id).state is DELIVERED


def test_what_was_given_up_stays_so(claims: list[Claim]) -> None:
    """A failed delivery stays failed if another failure is recorded late."""
    with write_transaction(db.engine) as connection:
        connection.execute(update(Delivery).values(state=FAILED, finished_at=STARTED))
    note(Outcome(claims[0], FAILURE))
    delivery = get_delivery(claims[0].delivery_id)
    assert (delivery.state, delivery.finished_at) == (FAILED, STARTED)


def test_success_that_comes_after_giving_up(claims: list[Claim]) -> None:
    """A delivery failed or suspended during its attempt is delivered if that succeeds."""
    with write_transaction(db.engine) as connection:
        connection.execute(update(Delivery).values(state=FAILED, finished_at=STARTED, error="x"))
    note(Outcome(claims[0], SUCCESS))
    delivery = get_delivery(claims[0].delivery_id)
    assert (delivery.state, delivery.error) == (DELIVERED, "")
