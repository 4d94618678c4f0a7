"""The retry schedule: when a failed delivery is retried, and when it fails for good."""

import random
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from callevents.config.settings import Settings
from callevents.counted import counted
from callevents.delivery.http.client import Response

#: Each wait is changed by up to this share, so that deliveries are not retried all at once.
JITTER = 0.2
#: The last attempt is due within this range before expiry, so that a worker has time to start.
LAST_ATTEMPT_SECONDS = (5.0, 10.0)
#: Steps of the schedule from this length on are the long ones.
LONG_STEP_SECONDS = 3600
#: Client errors that may be temporary; RFC 9110 and RFC 8470.
TRANSIENT_STATUSES = frozenset({408, 425, 429})
#: Gone for good (RFC 9110): the request must not be repeated.
GONE = 410


def find_next_attempt(
    settings: Settings, failures: int, response: Response, now: datetime, expires_at: datetime
) -> datetime | None:
    """Return when the next attempt is due after that many failures, None to give up.

    Retry-After is respected, up to a limit. No attempt is due after `expires_at`; if the
    schedule's next attempt would be, a last one is due just before.
    """
    if response.status_code == GONE or response.is_hopeless:
        return None
    wait = _scheduled_wait(settings, failures, response) * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311  # no secret
    requested = min(find_retry_after(response, now), settings.retry_after_max_seconds)
    due_at = now + timedelta(seconds=max(wait, requested))
    if due_at <= expires_at:
        return due_at
    # No sooner than after a first failure, so that permanent errors are not retried at once.
    shortest = _scheduled_wait(settings, 1, response) * (1 - JITTER)
    due_at = expires_at - timedelta(seconds=random.uniform(*LAST_ATTEMPT_SECONDS))  # noqa: S311  # no secret
    earliest = now + timedelta(seconds=max(shortest, requested, *LAST_ATTEMPT_SECONDS))
    return due_at if due_at >= earliest else None


def find_retry_after(response: Response, now: datetime) -> float:
    """Return the seconds to wait according to Retry-After, zero without one.

    RFC 9110, 10.2.3: a number of seconds, or a date.
    """
    text = next((value for name, value in response.headers if name.lower() == "retry-after"), "")
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text[:12])
    try:
        moment = parsedate_to_datetime(text)
        # A date without a zone is in UTC.
        moment = moment.replace(tzinfo=moment.tzinfo or UTC)
        return max(0.0, (moment - now).total_seconds())
    except (ValueError, OverflowError):
        return 0.0


def describe_age(age: timedelta) -> str:
    """Return an age as text, such as '5 minutes', in the largest unit without a remainder."""
    seconds = round(age.total_seconds())
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds % length == 0 and seconds >= length:
            count = seconds // length
            if unit == "day" and count == 1:
                return "24 hours"
            return counted(count, unit)
    return counted(seconds, "second")


def _scheduled_wait(settings: Settings, failures: int, response: Response) -> float:
    """Return the schedule's wait in seconds; permanent errors get a long step."""
    schedule = settings.retry_schedule_seconds
    step = min(failures, len(schedule)) - 1
    if not _is_transient(response):
        long = [i for i, seconds in enumerate(schedule) if seconds >= LONG_STEP_SECONDS]
        step = max(step, long[0] if long else len(schedule) - 1)
    return schedule[step]


def _is_transient(response: Response) -> bool:
    status = response.status_code
    return status is None or status in TRANSIENT_STATUSES or status >= 500
