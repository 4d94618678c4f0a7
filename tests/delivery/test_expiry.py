"""The age of a delivery: no attempt starts later, and the error says how long it was tried."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from callevents.config.settings import Settings
from callevents.db.models import Delivery, Hook, Origin, utc_now
from callevents.db.session import write_transaction
from callevents.delivery.expiry import BATCH, fail_expired, has_expired
from callevents.delivery.http.client import Response
from callevents.delivery.outcomes import Outcome, record
from callevents.enums import DeliveryState, EventType
from callevents.extensions import db
from tests.conftest import Configure
from tests.delivery.conftest import MakeEngine, ReportEvents, get_delivery, list_attempts
from tests.support.claims import LEASE, MOMENT, claim, load
from tests.support.receiver import Receiver, Reply
from tests.support.waiting import wait_for_state, wait_until

FAILED, PENDING = DeliveryState.FAILED, DeliveryState.PENDING
NOW = utc_now()
MINUTE = timedelta(minutes=1)


@pytest.fixture
def hook(configure: Configure, receiver: Receiver) -> Hook:
    """A hook for dial-in of all extensions, given up after five minutes."""
    hook = configure.hook("*", EventType.DIAL_IN, receiver.url)
    hook.give_up_seconds = 300
    db.session.commit()
    return hook


def change(delivery_id: str, **values: Any) -> None:
    """Change the delivery as it is stored."""
    with write_transaction(db.engine) as connection:
        connection.execute(update(Delivery).where(Delivery.id == delivery_id).values(values))


def give_up(now: Any) -> int:
    """Fail deliveries that have expired by then; return how many."""
    with write_transaction(db.engine) as connection:
        count = fail_expired(connection, now)
        assert not has_expired(connection, now) or not count or count == BATCH
    return count


def test_the_age_is_the_hooks(hook: Hook, report_events: ReportEvents) -> None:
    """A delivery expires after its hook's age, counted from the event's arrival."""
    [delivery_id] = report_events()
    delivery = get_delivery(delivery_id)
    assert delivery.expires_at == delivery.created_at + 5 * MINUTE


def test_given_up_after_its_end_and_not_before(hook: Hook, report_events: ReportEvents) -> None:
    """It may be sent up to the end, and not a moment later."""
    [delivery_id] = report_events()
    end = get_delivery(delivery_id).expires_at
    assert give_up(end) == 0
    assert get_delivery(delivery_id).state is PENDING
    assert give_up(end + MOMENT) == 1
    delivery = get_delivery(delivery_id)
    assert (delivery.state, delivery.finished_at, delivery.attempts) == (FAILED, end + MOMENT, 0)
    assert delivery.error == "Expired after 5 minutes, before the first attempt."


def test_given_up_while_it_waits_for_a_retry(hook: Hook, report_events: ReportEvents) -> None:
    """The last attempt's error stays, followed by the expiry."""
    [delivery_id] = report_events()
    end = get_delivery(delivery_id).expires_at
    change(delivery_id, attempts=2, is_retry=True, error="The receiver returned 500 Oops.")
    give_up(end + MOMENT)
    assert get_delivery(delivery_id).error == (
        "The receiver returned 500 Oops. Expired after 5 minutes, before the next attempt."
    )


def test_age_of_what_was_sent_again(hook: Hook, report_events: ReportEvents) -> None:
    """After a resend its age starts again, and the error counts from there."""
    [delivery_id] = report_events()
    change(delivery_id, resent_at=NOW, expires_at=NOW + 2 * MINUTE, created_at=NOW - 99 * MINUTE)
    give_up(NOW + 3 * MINUTE)
    assert get_delivery(delivery_id).error.startswith("Expired after 2 minutes,")


def test_what_a_worker_has_is_its_own(hook: Hook, report_events: ReportEvents) -> None:
    """A running attempt continues; one whose worker has died expires."""
    [delivery_id] = report_events()
    end = get_delivery(delivery_id).expires_at
    claim(now=end)
    assert give_up(end + LEASE - MOMENT) == 0
    assert give_up(end + LEASE) == 1
    assert get_delivery(delivery_id).claimed_at is None


def test_failure_after_which_no_time_is_left(hook: Hook, report_events: ReportEvents) -> None:
    """If the next attempt would be too late, the delivery fails with both errors."""
    [delivery_id] = report_events()
    [claimed] = load(claim())
    now = get_delivery(delivery_id).expires_at - timedelta(seconds=0.5)
    with write_transaction(db.engine) as connection:
        outcome = Outcome(
            claimed, Response(now, 1, "No response within 10 seconds.", is_unreachable=True)
        )
        record(connection, [outcome], now, Settings())
    delivery = get_delivery(delivery_id)
    assert (delivery.state, delivery.finished_at) == (FAILED, now)
    assert delivery.error == (
        "No response within 10 seconds. "
        "Gave up after 5 minutes: the next attempt would be too late."
    )
    assert delivery.attempts == 1


def test_nothing_starts_later(
    hook: Hook, report_events: ReportEvents, make_engine: MakeEngine, receiver: Receiver
) -> None:
    """However often it is tried, no attempt of a delivery starts after its end."""
    receiver.reply = lambda _arrival: Reply(503)
    ids = report_events(4)
    ends = [utc_now() + timedelta(seconds=0.4 + place / 10) for place in range(4)]
    for delivery_id, end in zip(ids, ends, strict=True):
        change(delivery_id, expires_at=end, created_at=end - MINUTE)
    make_engine(poll_seconds=0.02, retry_schedule_seconds=(0.02,))
    for delivery_id, end in zip(ids, ends, strict=True):
        delivery = wait_for_state(delivery_id, FAILED)
        attempts = list_attempts(delivery_id)
        assert all(attempt.started_at <= end for attempt in attempts)
        assert len(attempts) == delivery.attempts
        assert "Gave up after" in delivery.error or "Expired" in delivery.error
    assert len(receiver.arrivals) == sum(get_delivery(one).attempts for one in ids)


def test_waiting_behind_an_open_breaker_is_no_excuse(
    hook: Hook, report_events: ReportEvents, make_engine: MakeEngine, receiver: Receiver
) -> None:
    """Deliveries behind an open circuit expire in time, without an attempt."""
    [delivery_id] = report_events()
    now = utc_now()
    with write_transaction(db.engine) as connection:
        connection.execute(
            update(Origin).values(
                failures=9, times_opened=1, opened_at=now, probe_at=now + timedelta(hours=1)
            )
        )
    change(delivery_id, expires_at=now + timedelta(seconds=0.2))
    make_engine(poll_seconds=0.02)
    delivery = wait_for_state(delivery_id, FAILED)
    assert delivery.attempts == 0
    assert delivery.finished_at is not None
    assert delivery.finished_at > now + timedelta(seconds=0.2)
    assert receiver.arrivals == []


def test_many_are_given_up_in_batches(
    hook: Hook, report_events: ReportEvents, make_engine: MakeEngine
) -> None:
    """More than a batch expire, one batch after the other."""
    report_events(BATCH + 20)
    with write_transaction(db.engine) as connection:
        connection.execute(update(Delivery).values(expires_at=NOW, due_at=NOW + 999 * MINUTE))
    assert give_up(NOW + MOMENT) == BATCH
    make_engine(poll_seconds=0.02)
    wait_until(lambda: count_open() == 0, "the end of the second batch")


def count_open() -> int:
    """Return how many deliveries are open now."""
    db.session.rollback()
    found = select(func.count()).select_from(Delivery).where(Delivery.state == PENDING)
    return db.session.scalar(found) or 0
