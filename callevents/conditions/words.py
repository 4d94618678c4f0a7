"""Conditions in words, such as 'missed external calls, numbers +40*'."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from callevents.conditions.conditions import Conditions, Hours
from callevents.counted import counted

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
DIRECTIONS = {"in": "incoming", "out": "outgoing"}
_MIDNIGHT = "00:00"


def describe(conditions: Conditions, max_items: int | None = None) -> str:
    """Return the conditions in words, empty without any; `max_items`: of each list."""
    parts = [_describe_calls(conditions)]
    if conditions.hours:
        parts.append(_describe_hours(conditions.hours))
    for name, values in (
        ("number", conditions.numbers),
        ("called number", conditions.dids),
        ("queue", conditions.queues),
    ):
        if values:
            parts.append(f"{name}{'s'[: len(values) > 1]} {join(values, max_items)}")
    return ", ".join(part for part in parts if part)


def join(values: Sequence[str], max_items: int | None = None) -> str:
    """Return the values with commas; of more than `max_items`, how many others there are."""
    if max_items is None or len(values) <= max_items:
        return ", ".join(values)
    return f"{', '.join(values[:max_items])} and {len(values) - max_items} more"


def describe_seconds(seconds: int) -> str:
    """Return a number of seconds in words."""
    return counted(seconds, "second")


def describe_times(hours: Hours) -> str:
    """Return the times of day, empty if they are all of it."""
    if hours.start == hours.end == _MIDNIGHT:
        return ""
    return f"{hours.start} to {hours.end}"


def describe_days(days: Sequence[int]) -> str:
    """Return the days of the week in words, with those in a row as one."""
    ordered = sorted(set(days))
    if len(ordered) == len(DAYS):
        return "every day"
    parts = [_describe_run(run) for run in _find_runs(ordered)]
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def _describe_calls(conditions: Conditions) -> str:
    words = []
    if conditions.answered is not None:
        unanswered = "unanswered" if conditions.directions == ("out",) else "missed"
        words.append("answered" if conditions.answered else unanswered)
    words.append(" or ".join(DIRECTIONS[one] for one in conditions.directions))
    words.append(conditions.party)
    words = [word for word in words if word]
    length = ""
    if conditions.min_seconds:
        length = f" of at least {describe_seconds(conditions.min_seconds)}"
    return f"{' '.join([*words, 'calls'])}{length}" if words or length else ""


def _describe_hours(hours: Hours) -> str:
    when = f"{describe_days(hours.days)} {describe_times(hours)}".rstrip()
    return f"{'outside ' if hours.is_outside else ''}{when} ({hours.zone})"


def _find_runs(days: Sequence[int]) -> Iterator[list[int]]:
    """Yield the days that are in a row."""
    run = list(days[:1])
    for before, day in pairwise(days):
        if day != before + 1:
            yield run
            run = []
        run.append(day)
    if run:
        yield run


def _describe_run(days: Sequence[int]) -> str:
    names = [DAYS[day - 1] for day in days]
    return f"{names[0]} to {names[-1]}" if len(names) > 2 else " and ".join(names)
