"""Hours of a week: whether a moment is within them, by the clocks of their time zone."""

from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from callevents.conditions.conditions import Hours

_MINUTES_PER_DAY = 24 * 60


@lru_cache(maxsize=1)
def list_zones() -> frozenset[str]:
    """Return the names of all time zones of this machine."""
    return frozenset(available_timezones())


def local_time(moment: datetime, zone: str) -> datetime | None:
    """Return the time on the zone's clocks; None if this machine does not know the zone."""
    return moment.astimezone(ZoneInfo(zone)) if zone in list_zones() else None


def is_within(hours: Hours, local: datetime) -> bool:
    """Return True if the local time is on one of the days, from start until end.

    Clocks are compared: an hour that is there twice, when they are set back, is within or outside
    twice.
    """
    start, end = to_minutes(hours.start), to_minutes(hours.end)
    minute = local.hour * 60 + local.minute
    length = (end - start) % _MINUTES_PER_DAY or _MINUTES_PER_DAY
    today, yesterday = local.isoweekday(), local.isoweekday() - 1 or 7
    began_today = today in hours.days and 0 <= minute - start < length
    began_yesterday = yesterday in hours.days and minute + _MINUTES_PER_DAY - start < length
    return began_today or began_yesterday


def to_minutes(time: str) -> int:
    """Return the minutes since midnight of a time such as 17:00."""
    hour, minute = time.split(":")
    return int(hour) * 60 + int(minute)
