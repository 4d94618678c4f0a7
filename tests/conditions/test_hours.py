"""Hours of a week: days, nights, time zones and the days on which clocks are set."""

from datetime import UTC, datetime, timedelta

import pytest

from callevents.conditions import Hours
from callevents.conditions.hours import is_within, local_time

WEEKDAYS = (1, 2, 3, 4, 5)
BUCHAREST, NEW_YORK = "Europe/Bucharest", "America/New_York"
OFFICE = Hours(WEEKDAYS, "09:00", "17:00", BUCHAREST)
NIGHT = Hours((5, 7), "22:00", "06:00", BUCHAREST)


def is_in(hours: Hours, moment: str) -> bool:
    """Return whether the moment, in UTC, is within the hours."""
    local = local_time(datetime.fromisoformat(moment).replace(tzinfo=UTC), hours.zone)
    assert local is not None
    return is_within(hours, local)


@pytest.mark.parametrize(
    ("hours", "moment", "within"),
    [
        # Monday, 30 November 2026: two hours after UTC.
        (OFFICE, "2026-11-30 06:59:59", False),
        (OFFICE, "2026-11-30 07:00:00", True),
        (OFFICE, "2026-11-30 14:59:59.999", True),
        (OFFICE, "2026-11-30 15:00:00", False),
        (OFFICE, "2026-11-29 10:00:00", False),
        # In summer the same office opens an hour earlier in UTC.
        (OFFICE, "2026-06-01 05:59:59", False),
        (OFFICE, "2026-06-01 06:00:00", True),
        (OFFICE, "2026-06-01 14:00:00", False),
        # From Friday 22:00 to Saturday 06:00, and from Sunday to Monday.
        (NIGHT, "2026-11-27 19:59:00", False),
        (NIGHT, "2026-11-27 20:00:00", True),
        (NIGHT, "2026-11-28 03:59:00", True),
        (NIGHT, "2026-11-28 04:00:00", False),
        (NIGHT, "2026-11-28 21:00:00", False),
        (NIGHT, "2026-11-29 21:00:00", True),
        (NIGHT, "2026-11-30 03:00:00", True),
        (NIGHT, "2026-11-27 02:00:00", False),
        # A whole day, and 24 hours from the morning.
        (Hours((6,), zone=BUCHAREST), "2026-11-27 22:00:00", True),
        (Hours((6,), zone=BUCHAREST), "2026-11-28 21:59:00", True),
        (Hours((6,), zone=BUCHAREST), "2026-11-28 22:00:00", False),
        (Hours((6,), "08:00", "08:00", BUCHAREST), "2026-11-29 05:59:00", True),
        (Hours((6,), "08:00", "08:00", BUCHAREST), "2026-11-29 06:00:00", False),
        # The day is that of the zone: in New York it is still Friday.
        (Hours((5,), "20:00", "23:00", NEW_YORK), "2026-11-28 03:00:00", True),
        (Hours((6,), "20:00", "23:00", NEW_YORK), "2026-11-28 03:00:00", False),
        (Hours((), "00:00", "00:00"), "2026-11-28 03:00:00", False),
    ],
)
def test_moments(hours: Hours, moment: str, within: bool) -> None:
    """A start is within, an end is not, in winter and in summer, over midnight."""
    assert is_in(hours, moment) is within


def test_days_on_which_clocks_are_set() -> None:
    """Hours follow the clocks: a night is an hour shorter in spring, and longer in autumn."""
    night = Hours((6,), "22:00", "06:00", BUCHAREST)
    for first, hours in (("2026-03-28 12:00", 7), ("2026-10-24 12:00", 9), ("2026-11-28 12:00", 8)):
        start = datetime.fromisoformat(first).replace(tzinfo=UTC)
        moments = [start + timedelta(minutes=10 * number) for number in range(6 * 24)]
        within = [is_in(night, moment.replace(tzinfo=None).isoformat()) for moment in moments]
        assert sum(within) == 6 * hours, first


def test_unknown_zones() -> None:
    """A zone that this machine does not know is None, also if its name is a path."""
    for zone in ("Europe/Atlantis", "", "Europe", "../../etc/passwd", "/etc/localtime", "\0"):
        assert local_time(datetime.now(UTC), zone) is None
