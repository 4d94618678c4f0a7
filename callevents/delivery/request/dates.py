"""Moments as text: ISO 8601, or a format with directives as in C's strftime."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

#: Ours, because those of C depend on the locale and on the operating system.
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August"),
    *("September", "October", "November", "December"),
)
_DIRECTIVE = re.compile(r"%(:z|.|$)", re.DOTALL)


def _offset(moment: datetime) -> str:
    minutes = (moment.utcoffset() or timedelta()) // timedelta(minutes=1)
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


DIRECTIVES: Mapping[str, Callable[[datetime], str]] = {
    "Y": lambda at: f"{at.year:04}",
    "y": lambda at: f"{at.year % 100:02}",
    "m": lambda at: f"{at.month:02}",
    "d": lambda at: f"{at.day:02}",
    "H": lambda at: f"{at.hour:02}",
    "I": lambda at: f"{(at.hour - 1) % 12 + 1:02}",
    "M": lambda at: f"{at.minute:02}",
    "S": lambda at: f"{at.second:02}",
    "f": lambda at: f"{at.microsecond:06}",
    "p": lambda at: "AM" if at.hour < 12 else "PM",
    "A": lambda at: _DAYS[at.weekday()],
    "a": lambda at: _DAYS[at.weekday()][:3],
    "B": lambda at: _MONTHS[at.month - 1],
    "b": lambda at: _MONTHS[at.month - 1][:3],
    "j": lambda at: f"{at.timetuple().tm_yday:03}",
    "z": lambda at: _offset(at).replace(":", ""),
    ":z": _offset,
    "Z": lambda at: at.tzname() or "",
    "%": lambda _at: "%",
}


def to_iso(moment: datetime) -> str:
    """Return the moment in ISO 8601, with milliseconds; an offset of zero is Z."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def format_moment(moment: datetime, text: str) -> str:
    """Return the text with its directives replaced."""
    return _DIRECTIVE.sub(lambda found: DIRECTIVES[found[1]](moment), text)


def find_format_problem(text: str) -> str:
    """Return the error about the first unknown directive, or about a missing format."""
    if not text:
        return "Write a format after the colon, for example %Y-%m-%d."
    for found in _DIRECTIVE.finditer(text):
        if found[1] not in DIRECTIVES:
            known = " ".join(f"%{name}" for name in DIRECTIVES)
            return f"Unknown directive {found[0]!r}. Available: {known}."
    return ""
