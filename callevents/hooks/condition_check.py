"""Checks of a hook's conditions. Fields of errors are paths, such as `conditions/hours/zone`."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from difflib import get_close_matches
from functools import lru_cache

from callevents.conditions import Conditions, Hours
from callevents.conditions.hours import list_zones
from callevents.conditions.numbers import is_pattern
from callevents.conditions.words import DIRECTIONS
from callevents.enums import EventType
from callevents.errors import InvalidError

MAX_NUMBERS = 50
MAX_DIDS = 50
MAX_QUEUES = 20
MAX_NUMBER_LENGTH = 40
MAX_QUEUE_LENGTH = 100
MAX_SECONDS = 24 * 3600
PARTIES = ("internal", "external")

_FIELD = "conditions"
_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)", re.ASCII)
_ONLY_AFTER_HANGUP = (
    "Only hangups can have this condition: until the call ends, it is not known whether the "
    "parties talk, and for how long."
)

#: Pairs of a field and its error message.
Problems = Iterator[tuple[str, str]]


def check_conditions(conditions: Conditions, event_type: EventType) -> Conditions:
    """Return the conditions as they are stored; raises one InvalidError for all invalid fields."""
    conditions = _normalize(conditions)
    errors: dict[str, list[str]] = {}
    for field, message in _find_problems(conditions, event_type):
        errors.setdefault(f"{_FIELD}/{field}", []).append(message)
    if errors:
        raise InvalidError(errors)
    return conditions


def _normalize(conditions: Conditions) -> Conditions:
    """Return the conditions without blanks, empty values and values that are there twice."""
    hours = conditions.hours
    return replace(
        conditions,
        directions=_clean(conditions.directions),
        hours=_normalize_hours(hours) if hours else None,
        numbers=_clean(conditions.numbers),
        dids=_clean(conditions.dids),
        queues=_clean(conditions.queues),
    )


def _normalize_hours(hours: Hours) -> Hours:
    zone = hours.zone.strip()
    return replace(
        hours,
        days=tuple(sorted(set(hours.days))),
        start=hours.start.strip().zfill(len("HH:MM")),
        end=hours.end.strip().zfill(len("HH:MM")),
        zone=_zones_by_name().get(zone.casefold(), zone),
    )


def _clean(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for value in values if (text := value.strip())))


@lru_cache(maxsize=1)
def _zones_by_name() -> dict[str, str]:
    return {zone.casefold(): zone for zone in list_zones()}


def _find_problems(conditions: Conditions, event_type: EventType) -> Problems:
    yield from _call_problems(conditions)
    yield from _event_problems(conditions, event_type)
    if conditions.hours:
        yield from _hours_problems(conditions.hours)
    for field, values, check, most in (
        ("numbers", conditions.numbers, _number_problem, MAX_NUMBERS),
        ("dids", conditions.dids, _number_problem, MAX_DIDS),
        ("queues", conditions.queues, _queue_problem, MAX_QUEUES),
    ):
        yield from _list_problems(field, values, check, most)


def _call_problems(conditions: Conditions) -> Problems:
    if unknown := set(conditions.directions) - set(DIRECTIONS):
        yield "directions", f"{min(unknown)[:40]!r} is not a direction. Write in or out."
    if conditions.party not in ("", *PARTIES):
        yield "party", f"{conditions.party[:40]!r} is neither {' nor '.join(PARTIES)}."
    if not 0 <= conditions.min_seconds <= MAX_SECONDS:
        yield "min_seconds", f"Must be between 0 and {MAX_SECONDS:,} seconds."
    if conditions.answered is False and conditions.min_seconds > 0:
        yield "min_seconds", "A missed call has no duration. Leave out one of the two conditions."


def _event_problems(conditions: Conditions, event_type: EventType) -> Problems:
    """Yield the conditions that no event of this type can meet."""
    if event_type is not EventType.HANGUP:
        if conditions.answered is not None:
            yield "answered", _ONLY_AFTER_HANGUP
        if conditions.min_seconds:
            yield "min_seconds", _ONLY_AFTER_HANGUP
    flow = event_type.call_flow.lower()
    if flow and conditions.directions and flow not in conditions.directions:
        word = DIRECTIONS[flow]
        yield "directions", f"{event_type.label} is always {word}, so nothing would ever be sent."


def _hours_problems(hours: Hours) -> Problems:
    if not hours.days:
        yield "hours/days", "Choose at least one day."
    elif not set(hours.days) <= set(range(1, 8)):
        yield "hours/days", "Days are numbers from 1 (Monday) to 7 (Sunday)."
    for name, time in (("start", hours.start), ("end", hours.end)):
        if not _TIME.fullmatch(time):
            yield f"hours/{name}", f"{time[:40]!r} is not a time. Write it like 09:00 or 17:30."
    if hours.zone not in list_zones():
        yield "hours/zone", _zone_problem(hours.zone)


def _zone_problem(zone: str) -> str:
    if not zone:
        return "Enter a time zone, such as Europe/Bucharest."
    near = get_close_matches(zone.casefold()[:80], _zones_by_name(), n=1)
    hint = f"Did you mean {_zones_by_name()[near[0]]}?" if near else "Write it like Europe/Berlin."
    return f"There is no time zone {zone[:80]!r}. {hint}"


def _list_problems(
    field: str, values: Sequence[str], check: Callable[[str], str], most: int
) -> Problems:
    if len(values) > most:
        yield field, f"At most {most} values (got {len(values)})."
    for value in values[:most]:
        if message := check(value):
            yield field, message


def _number_problem(number: str) -> str:
    if len(number) <= MAX_NUMBER_LENGTH and number.isprintable() and is_pattern(number):
        return ""
    return (
        f"{number[:MAX_NUMBER_LENGTH]!r} is not a number. Write it like +40721000001, or like "
        "+40* for all that begin with it."
    )


def _queue_problem(queue: str) -> str:
    if len(queue) > MAX_QUEUE_LENGTH:
        return f"The name of a queue must be at most {MAX_QUEUE_LENGTH} characters."
    return "" if queue.isprintable() else "The name of a queue must not have control characters."
