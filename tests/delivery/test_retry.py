"""When a failed delivery is tried again, and when it is given up."""

from datetime import UTC, datetime, timedelta

import pytest

from callevents.delivery.retry import GIVE_UP_AFTER, find_next_attempt

CREATED = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("failures", "seconds"),
    [
        *((1, 1), (2, 5), (3, 15), (4, 60), (5, 300), (6, 900), (7, 3600)),
        *((8, 3 * 3600), (9, 6 * 3600), (10, 6 * 3600), (1000, 6 * 3600)),
    ],
)
def test_waits_grow_and_the_last_repeats(failures: int, seconds: int) -> None:
    """After each failure the next attempt is due later, at last every six hours."""
    due_at = find_next_attempt(failures, CREATED, CREATED)
    assert due_at == CREATED + timedelta(seconds=seconds)


def test_no_attempt_starts_after_a_day() -> None:
    """What would be due later than 24 hours after the beginning is given up."""
    last = CREATED + GIVE_UP_AFTER - timedelta(seconds=1)
    assert timedelta(hours=24) == GIVE_UP_AFTER
    assert find_next_attempt(1, CREATED, last) == CREATED + GIVE_UP_AFTER
    assert find_next_attempt(1, CREATED, last + timedelta(milliseconds=1)) is None
    assert find_next_attempt(2, CREATED, last) is None


def test_a_receiver_that_never_answers_is_given_up() -> None:
    """Always failing at once, a delivery has twelve attempts within the day, then no more."""
    now, failures = CREATED, 0
    while now is not None:
        failures += 1
        attempted_at = now
        now = find_next_attempt(failures, CREATED, now)  # type: ignore[assignment]
    assert failures == 12
    assert attempted_at <= CREATED + GIVE_UP_AFTER
