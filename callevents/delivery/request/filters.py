"""The filters of placeholders: a fixed list, each a function of a value and its argument.

A value is a text, or a moment between two filters that need one. Values come from calls: a filter
never fails. What it cannot convert becomes empty, or stays.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from callevents.delivery.request.dates import find_format_problem, format_moment, to_iso
from callevents.delivery.request.numbers import NO_PLAN, NumberPlan

Value = str | datetime
#: Longer values are cut, before and after each filter.
MAX_VALUE_LENGTH = 10_000
#: Receivers read longer numbers without their last digits.
_MAX_DIGITS = 15

_NUMBER = re.compile(rf"(-?)0*([0-9]{{1,{_MAX_DIGITS}}})(\.[0-9]{{1,9}})?")
_DURATION = re.compile(rf"[0-9]{{1,{_MAX_DIGITS}}}")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Before the name of a value of the receiver, which is the argument.
_RECEIVER = "receiver."
_RECEIVER_VALUE = re.compile(r"receiver\.[A-Za-z][A-Za-z0-9_]{0,49}")
_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


@dataclass(frozen=True)
class Lookups:
    """What filters look values up in: the hook's maps, the receiver's users, the PBX's numbers."""

    maps: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    users: Mapping[str, str] = field(default_factory=dict)
    plan: NumberPlan = NO_PLAN
    #: The values of the receiver, for arguments such as receiver.zone.
    receiver: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Filter:
    """A filter, and what its argument may be."""

    apply: Callable[[Value, str, Lookups], Value]
    #: Returns the problem of an argument as a sentence; empty if there is none.
    check: Callable[[str], str]


def to_text(value: Value) -> str:
    """Return the text of a value, not longer than allowed. A moment becomes ISO 8601."""
    return value[:MAX_VALUE_LENGTH] if isinstance(value, str) else to_iso(value)


def _read_moment(value: Value) -> datetime | None:
    """Return the moment of a value; one without a time zone is in UTC."""
    if isinstance(value, datetime):
        return value
    try:
        moment = datetime.fromisoformat(value)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except ValueError:
        return None


def _epoch(unit: timedelta) -> Callable[[Value, str, Lookups], Value]:
    def apply(value: Value, _argument: str, _lookups: Lookups) -> Value:
        moment = _read_moment(value)
        return str((moment - _EPOCH) // unit) if moment else ""

    return apply


def _date(value: Value, argument: str, _lookups: Lookups) -> Value:
    moment = _read_moment(value)
    return format_moment(moment, argument) if moment else ""


def _in_zone(value: Value, argument: str, lookups: Lookups) -> Value:
    moment = _read_moment(value)
    zone = lookups.receiver.get(argument.removeprefix(_RECEIVER), argument)
    # A value of a receiver may be anything, and ZoneInfo opens a file with that name.
    if moment is None or zone not in _zones():
        return ""
    try:
        return moment.astimezone(ZoneInfo(zone))
    except (OverflowError, ValueError):
        return ""


def _duration(seconds: int) -> Callable[[Value, str, Lookups], Value]:
    """Return the filter that divides seconds by a number."""

    def apply(value: Value, argument: str, _lookups: Lookups) -> Value:
        text = to_text(value)
        if not _DURATION.fullmatch(text):
            return ""
        if argument == "rest":
            return str(int(text) % (seconds * 60) // seconds)
        unit = Decimal(1).scaleb(-int(argument or 0))
        return str((Decimal(text) / seconds).quantize(unit, rounding=ROUND_DOWN))

    return apply


def _milliseconds(value: Value, _argument: str, _lookups: Lookups) -> Value:
    text = to_text(value)
    return str(int(text) * 1000) if _DURATION.fullmatch(text) else ""


def _map(value: Value, argument: str, lookups: Lookups) -> Value:
    found = lookups.maps.get(argument, {})
    text = to_text(value)
    return found.get(text, found.get("*", text))


def _number(value: Value, _argument: str, _lookups: Lookups) -> Value:
    found = _NUMBER.fullmatch(to_text(value))
    return f"{found[1]}{found[2]}{found[3] or ''}" if found else ""


def _html(value: Value, _argument: str, _lookups: Lookups) -> Value:
    return re.sub("[&<>]", lambda found: _HTML[found[0]], to_text(value))


def to_json(text: str) -> str:
    """Return the text as JSON with quotes."""
    return json.dumps(text, ensure_ascii=False)


def _needs_none(argument: str) -> str:
    return "It takes no argument." if argument else ""


def _check_name(argument: str) -> str:
    return "" if _NAME.fullmatch(argument) else "Write the name of a value map after the colon."


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _check_zone(argument: str) -> str:
    if argument in _zones() or _RECEIVER_VALUE.fullmatch(argument):
        return ""
    return "Write a time zone after the colon, for example Europe/Bucharest or receiver.zone."


def _check_unit(argument: str) -> str:
    if argument in {"", "rest", "1", "2", "3", "4"}:
        return ""
    return "After the colon, write `rest` or the number of decimal places, from 1 to 4."


def _check_text(argument: str) -> str:
    return "" if argument else "Write a text after the colon."


FILTERS: Mapping[str, Filter] = {
    "e164": Filter(lambda value, _, lookups: lookups.plan.to_e164(to_text(value)), _needs_none),
    "unix": Filter(_epoch(timedelta(seconds=1)), _needs_none),
    "unix_ms": Filter(_epoch(timedelta(milliseconds=1)), _needs_none),
    "date": Filter(_date, find_format_problem),
    "in": Filter(_in_zone, _check_zone),
    "minutes": Filter(_duration(60), _check_unit),
    "hours": Filter(_duration(3600), _check_unit),
    "ms": Filter(_milliseconds, _needs_none),
    "lower": Filter(lambda value, *_: to_text(value).lower(), _needs_none),
    "upper": Filter(lambda value, *_: to_text(value).upper(), _needs_none),
    "map": Filter(_map, _check_name),
    "user": Filter(lambda value, _, lookups: lookups.users.get(to_text(value), ""), _needs_none),
    "or": Filter(lambda value, argument, _: value or argument, _check_text),
    "html": Filter(_html, _needs_none),
    "number": Filter(_number, _needs_none),
    # With quotes; an empty value is null.
    "json": Filter(lambda value, *_: to_json(to_text(value)) if value else "", _needs_none),
}
