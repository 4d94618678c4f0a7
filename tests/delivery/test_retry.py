"""The retry schedule."""

from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callevents.config.settings import Settings
from callevents.delivery.http.client import Response
from callevents.delivery.retry import describe_age, find_next_attempt, find_retry_after

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SETTINGS = Settings()
SCHEDULE = (1, 5, 15, 60, 300, 900, 3600, 3 * 3600, 6 * 3600)
NEVER = NOW + timedelta(days=999)
SILENCE = None
#: Temporary errors, and timeouts.
PASSING = [SILENCE, 408, 425, 429, 500, 502, 503, 504, 599]
#: Permanent errors.
LASTING = [100, 301, 302, 307, 308, 400, 401, 403, 404, 405, 422, 451]

statuses = st.sampled_from([*PASSING, *LASTING])
failures = st.integers(1, 1_000_000)


def failed(status: int | None, retry_after: str | None = None) -> Response:
    """Return a failed response with that status, or a timeout."""
    headers = [] if retry_after is None else [["rEtry-aFter", retry_after]]
    return Response(NOW, 1, "It failed.", status, headers, is_unreachable=status is None)


def find_wait(count: int, response: Response, now: datetime = NOW, end: datetime = NEVER) -> float:
    """Return the seconds until the next attempt."""
    due_at = find_next_attempt(SETTINGS, count, response, now, end)
    assert due_at is not None
    return (due_at - now).total_seconds()


def is_near(wait: float, seconds: float) -> bool:
    """Return True if the wait is that long, within a fifth."""
    return seconds * 0.8 - 1e-3 <= wait <= seconds * 1.2 + 1e-3


@given(failures, st.sampled_from(PASSING))
def test_waits_grow_and_the_last_repeats(count: int, status: int | None) -> None:
    """After each failure the next attempt is due later, at last every six hours."""
    assert is_near(find_wait(count, failed(status)), SCHEDULE[min(count, 9) - 1])


@given(failures, st.sampled_from(LASTING))
def test_answers_that_will_hardly_change_wait_long(count: int, status: int) -> None:
    """Permanent errors are retried on the long steps only, from an hour on."""
    assert is_near(find_wait(count, failed(status)), SCHEDULE[max(7, min(count, 9)) - 1])


def test_schedule_without_long_steps() -> None:
    """If the schedule has short steps only, permanent errors use the longest."""
    settings = Settings(retry_schedule_seconds="1,2,30")
    due_at = find_next_attempt(settings, 1, failed(404), NOW, NEVER)
    assert due_at is not None
    assert is_near((due_at - NOW).total_seconds(), 30)


def test_waits_differ() -> None:
    """Deliveries that failed together do not retry together, and waits use the whole range."""
    waits = [find_wait(4, failed(503)) for _ in range(400)]
    assert len(set(waits)) > 300
    assert min(waits) < 51
    assert max(waits) > 69


@given(failures, statuses)
def test_gone_is_the_end(count: int, status: int | None) -> None:
    """A 410 is never followed by another attempt, whatever it asks for."""
    assert find_next_attempt(SETTINGS, count, failed(410, "1"), NOW, NEVER) is None


@given(
    failures,
    statuses,
    st.floats(-100_000, 100_000, allow_nan=False),
    st.one_of(st.none(), st.text(), st.integers(0, 10**6).map(str)),
)
def test_nothing_is_due_after_its_end(
    count: int, status: int | None, left: float, retry_after: str | None
) -> None:
    """The next attempt is due after now and not after expiry, or never."""
    end = NOW + timedelta(seconds=left)
    due_at = find_next_attempt(SETTINGS, count, failed(status, retry_after), NOW, end)
    assert due_at is None or NOW < due_at <= end
    if left < 0.8:
        assert due_at is None


def test_a_receiver_that_never_answers_is_given_up() -> None:
    """Always failing at once, a delivery has up to 14 attempts, the last at the end of the day."""
    now: datetime | None = NOW
    end, count = NOW + timedelta(days=1), 0
    while now is not None:
        count += 1
        attempted_at = now
        now = find_next_attempt(SETTINGS, count, failed(SILENCE), now, end)
    assert 12 <= count <= 14
    assert end - timedelta(seconds=20) <= attempted_at <= end


@pytest.mark.parametrize("age", [300, 3600, 24 * 3600, 7 * 24 * 3600])
@given(st.sampled_from(PASSING), st.floats(0.001, 0.999), failures)
def test_whole_age_is_used(age: int, status: int | None, share: float, count: int) -> None:
    """While there is time for another attempt there is one; the last comes just before the end."""
    end = NOW + timedelta(seconds=age)
    now = end - share * (end - NOW)
    due_at = find_next_attempt(SETTINGS, count, failed(status), now, end)
    if end - now >= timedelta(seconds=20):
        assert due_at is not None
    if count > 9 and age <= 3600 and due_at is not None:
        assert timedelta(seconds=5) <= end - due_at <= timedelta(seconds=10)


def test_last_attempt_keeps_what_must_be_waited_for() -> None:
    """It comes neither before Retry-After, nor soon after a permanent error, nor twice."""
    hour, minutes = NOW + timedelta(hours=1), NOW + timedelta(minutes=5)
    assert find_next_attempt(SETTINGS, 9, failed(404), NOW, hour) is not None
    assert find_next_attempt(SETTINGS, 9, failed(404), NOW, minutes) is None
    assert find_next_attempt(SETTINGS, 9, failed(503, "289"), NOW, minutes) is not None
    assert find_next_attempt(SETTINGS, 9, failed(503, "296"), NOW, minutes) is None
    for seconds in (5, 10, 14):
        soon = NOW + timedelta(seconds=seconds)
        assert find_next_attempt(SETTINGS, 9, failed(503), NOW, soon) is None


@given(failures, statuses, st.integers(0, 3600))
def test_retry_after_in_seconds(count: int, status: int | None, seconds: int) -> None:
    """No attempt is made sooner than the receiver asks, nor sooner than the schedule has it."""
    usual = find_wait(count, failed(status)) / 1.2 * 0.8
    wait = find_wait(count, failed(status, f" {seconds} "))
    assert wait >= seconds
    assert wait >= usual - 1e-3


@given(st.integers(1, 3600), st.sampled_from([UTC, timezone(timedelta(hours=-7))]))
def test_retry_after_as_a_date(seconds: int, zone: timezone) -> None:
    """A date works too, in any time zone."""
    moment = NOW + timedelta(seconds=seconds)
    for text in (format_datetime(moment.astimezone(zone)), format_datetime(moment, usegmt=True)):
        assert find_retry_after(failed(503, text), NOW) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120),
        ("0", 0),
        ("Sun, 01 Mar 2026 00:02:00 GMT", 120),
        ("Sunday, 01-Mar-26 00:02:00 GMT", 120),
        ("Sun, 01 Mar 2026 00:02:00", 120),
        ("Sun, 01 Mar 2026 00:02:00 +0100", 0),
        ("Sat, 28 Feb 2026 23:59:59 GMT", 0),
        *((text, 0) for text in ("", "soon", "-5", "1.5", "1e3", "٣", "²", "0x10", "1,2")),
        *((text, 0) for text in ("Sun, 99 Mar 2026 00:00:00 GMT", "99999 Mar", "\x00", "None")),
    ],
)
def test_kinds_of_retry_after(text: str, seconds: float) -> None:
    """RFC 9110's forms are read; anything else, or a time in the past, means no wait."""
    assert find_retry_after(failed(503, text), NOW) == seconds


@given(st.text())
def test_garbage_asks_for_nothing_harmful(text: str) -> None:
    """For any value the wait is a number, and never longer than the limit."""
    assert find_retry_after(failed(503, text), NOW) >= 0
    assert 0.8 <= find_wait(1, failed(503, text)) <= SETTINGS.retry_after_max_seconds


@pytest.mark.parametrize(
    "text", ["9" * 500, "3601", "Fri, 31 Dec 9999 23:59:59 GMT", "Fri, 31 Dec 9999 23:59:59 -2359"]
)
def test_asked_waits_are_capped(text: str) -> None:
    """A receiver cannot defer a delivery for longer than the setting allows."""
    assert find_wait(1, failed(503, text)) == SETTINGS.retry_after_max_seconds


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        *((30, "30 seconds"), (1, "1 second"), (0.4, "0 seconds"), (90, "90 seconds")),
        *((60, "1 minute"), (300, "5 minutes"), (3600, "1 hour"), (7200, "2 hours")),
        *((86400, "24 hours"), (7 * 86400, "7 days"), (86399.6, "24 hours")),
    ],
)
def test_ages_in_words(seconds: float, words: str) -> None:
    """Ages are in the largest unit without a remainder."""
    assert describe_age(timedelta(seconds=seconds)) == words
