"""When a failed delivery is tried again, and when it is given up."""

from datetime import datetime, timedelta

#: Waits after the first, second, ... failed attempt; the last one repeats.
SCHEDULE = tuple(
    timedelta(seconds=seconds) for seconds in (1, 5, 15, 60, 300, 900, 3600, 3 * 3600, 6 * 3600)
)
GIVE_UP_AFTER = timedelta(hours=24)
#: What the log says of a delivery that no worker could try in time.
GIVEN_UP = "Given up after 24 hours, before it could be tried again."


def find_next_attempt(failures: int, created_at: datetime, now: datetime) -> datetime | None:
    """Return when the next attempt is due after that many failures, None to give up.

    No attempt starts later than GIVE_UP_AFTER from the delivery's creation.
    """
    due_at = now + SCHEDULE[min(failures, len(SCHEDULE)) - 1]
    return None if is_too_old(created_at, due_at) else due_at


def is_too_old(created_at: datetime, now: datetime) -> bool:
    """Return whether no attempt may start any more."""
    return now > created_at + GIVE_UP_AFTER
