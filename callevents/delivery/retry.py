"""When a failed delivery is tried again, and when it is given up."""

import random
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from callevents.config.settings import Settings
from callevents.delivery.http.client import Response

#: Each wait is changed by up to this share, so that what failed together is not tried together.
JITTER = 0.2
#: The last attempt is made so long before the end, spread, with time for a worker to begin it.
LAST_SECONDS = (5.0, 10.0)
#: Waits from this on are the long ones.
LONG_STEP_SECONDS = 3600
#: Answers that a receiver may give for a moment only; RFC 9110 and RFC 8470 have the meanings.
PASSING_STATUSES = frozenset({408, 425, 429})
#: The receiver wants no more requests of this kind, ever (RFC 9110).
GONE = 410


def find_next_attempt(
    settings: Settings, failures: int, answer: Response, now: datetime, expires_at: datetime
) -> datetime | None:
    """Return when the next attempt is due after that many failures, None to give up.

    A wait that the receiver asks for is kept, up to a limit. No attempt is due after `expires_at`;
    the last one is made just before, if the schedule's would be later.
    """
    if answer.status_code == GONE:
        return None
    wait = _scheduled_wait(settings, failures, answer) * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311  # no secret
    asked = min(find_retry_after(answer, now), settings.retry_after_max_seconds)
    due_at = now + timedelta(seconds=max(wait, asked))
    if due_at <= expires_at:
        return due_at
    # No sooner than after any first failure, so that what will hardly change is not tried at once.
    shortest = _scheduled_wait(settings, 1, answer) * (1 - JITTER)
    due_at = expires_at - timedelta(seconds=random.uniform(*LAST_SECONDS))  # noqa: S311  # no secret
    soonest = now + timedelta(seconds=max(shortest, asked, *LAST_SECONDS))
    return due_at if due_at >= soonest else None


def find_retry_after(answer: Response, now: datetime) -> float:
    """Return the seconds that the answer's Retry-After asks to wait, zero without one.

    RFC 9110, 10.2.3: a number of seconds, or a date.
    """
    text = next((value for name, value in answer.headers if name.lower() == "retry-after"), "")
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text[:12])
    try:
        moment = parsedate_to_datetime(text)
        # A date without a zone is one in UTC.
        moment = moment.replace(tzinfo=moment.tzinfo or UTC)
        return max(0.0, (moment - now).total_seconds())
    except (ValueError, OverflowError):
        return 0.0


def describe_age(age: timedelta) -> str:
    """Return an age as people say it, such as '5 minutes'."""
    seconds = round(age.total_seconds())
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds % length == 0 and seconds >= length:
            count = seconds // length
            if unit == "day" and count == 1:
                return "24 hours"
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{seconds} second{'' if seconds == 1 else 's'}"


def _scheduled_wait(settings: Settings, failures: int, answer: Response) -> float:
    """Return the schedule's wait; answers that will hardly change by themselves get a long one."""
    schedule = settings.retry_schedule_seconds
    step = min(failures, len(schedule)) - 1
    if not _may_pass(answer):
        long = [i for i, seconds in enumerate(schedule) if seconds >= LONG_STEP_SECONDS]
        step = max(step, long[0] if long else len(schedule) - 1)
    return schedule[step]


def _may_pass(answer: Response) -> bool:
    status = answer.status_code
    return status is None or status in PASSING_STATUSES or status >= 500
