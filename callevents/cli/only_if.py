"""Conditions of a hook on the command line, such as `direction=in`, and back."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import click

from callevents.conditions import Conditions, Hours, describe
from callevents.db.models import Hook
from callevents.enums import HookScope

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ONLY_IF_HELP = (
    "Send only if this is true; can be repeated: direction=in, party=external, answered=no, "
    "min-seconds=10, 'hours=mon-fri 09:00-17:00 Europe/Bucharest', 'outside=...', number=+40*, "
    "did=+40210000100, queue=support."
)

#: Names whose values are collected, and the field of each.
_LISTS = {"direction": "directions", "number": "numbers", "did": "dids", "queue": "queues"}
#: The names of all conditions, and their fields.
CONDITIONS = {
    **_LISTS,
    "party": "party",
    "answered": "answered",
    "min-seconds": "min_seconds",
    "hours": "hours",
}
_ANSWERED = {"yes": True, "no": False}
_HOURS_EXAMPLE = "Write it like 'hours=mon-fri 09:00-17:00 Europe/Bucharest'."


def parse_conditions(given: Iterable[str]) -> Conditions:
    """Return the conditions that the options give; raises click.UsageError."""
    conditions = Conditions()
    seen: set[str] = set()
    for text in given:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not value:
            raise click.UsageError(f"--only-if needs a name and a value: {text!r}.")
        # Both kinds of hours are one condition.
        kind = "hours" if name == "outside" else name
        if kind in seen and kind not in _LISTS:
            raise click.UsageError(f"--only-if {kind} can be given once.")
        seen.add(kind)
        conditions = _add(conditions, name, value)
    return conditions


def format_conditions(conditions: Conditions) -> list[str]:
    """Return the conditions as options of the command have them."""
    return list(_format(conditions))


def describe_rules(hook: Hook) -> str:
    """Return in words when a hook is sent, to append to a sentence; empty for each event."""
    rules = ", once per call" if hook.scope is HookScope.CALL else ""
    if conditions := describe(Conditions.read(hook.conditions)):
        rules += f", only {conditions}"
    return rules


def _add(conditions: Conditions, name: str, value: str) -> Conditions:
    if field := _LISTS.get(name):
        values: dict[str, Any] = {field: (*getattr(conditions, field), value)}
        return replace(conditions, **values)
    if name == "party":
        return replace(conditions, party=value)
    if name == "answered":
        return replace(conditions, answered=_read_answered(value))
    if name == "min-seconds":
        return replace(conditions, min_seconds=_read_seconds(value))
    if name in ("hours", "outside"):
        return replace(conditions, hours=_read_hours(value, is_outside=name == "outside"))
    names = ", ".join(("party", "answered", "min-seconds", "hours", "outside", *_LISTS))
    raise click.UsageError(f"There is no condition {name!r}. The conditions are: {names}.")


def _read_answered(value: str) -> bool:
    if value not in _ANSWERED:
        raise click.UsageError("--only-if answered is yes or no.")
    return _ANSWERED[value]


def _read_seconds(value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) <= 6):
        raise click.UsageError("--only-if min-seconds needs whole seconds, such as 10.")
    return int(value)


def _read_hours(value: str, *, is_outside: bool) -> Hours:
    words = value.split()
    if len(words) != 3 or words[1].count("-") != 1:
        raise click.UsageError(_HOURS_EXAMPLE)
    start, end = words[1].split("-")
    return Hours(tuple(_read_days(words[0])), start, end, words[2], is_outside)


def _read_days(text: str) -> list[int]:
    """Return the days of a text such as mon-fri or mon,wed,sat-sun."""
    found: set[int] = set()
    for part in text.lower().split(","):
        first, _dash, last = part.partition("-")
        if first not in DAYS or (last or first) not in DAYS:
            raise click.UsageError(f"Unknown days {text!r}. {_HOURS_EXAMPLE}")
        start, end = DAYS.index(first), DAYS.index(last or first)
        # From Saturday to Monday, too.
        found.update((start + more) % 7 + 1 for more in range((end - start) % 7 + 1))
    return sorted(found)


def _format(conditions: Conditions) -> Iterator[str]:
    for direction in conditions.directions:
        yield f"direction={direction}"
    if conditions.party:
        yield f"party={conditions.party}"
    if conditions.answered is not None:
        yield f"answered={'yes' if conditions.answered else 'no'}"
    if conditions.min_seconds:
        yield f"min-seconds={conditions.min_seconds}"
    if hours := conditions.hours:
        days = ",".join(DAYS[day - 1] for day in hours.days)
        name = "outside" if hours.is_outside else "hours"
        yield f"{name}={days} {hours.start}-{hours.end} {hours.zone}"
    for name in ("number", "did", "queue"):
        for value in getattr(conditions, _LISTS[name]):
            yield f"{name}={value}"
