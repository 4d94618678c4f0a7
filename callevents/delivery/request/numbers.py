"""Phone numbers in E.164, by the rules of a PBX: its country, and how numbers are dialed there."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import phonenumbers

#: Characters in numbers that say nothing.
_SEPARATORS = str.maketrans("", "", " -./()")
_DIGITS = frozenset("0123456789")
#: E.164 allows 15 digits; prefixes come before them.
_MAX_DIGITS = 30


@dataclass(frozen=True)
class NumberPlan:
    """How the numbers of a PBX are written. Without values, only `+` tells a public number."""

    #: As in ISO 3166, for example RO; numbers without a country belong to it.
    country: str = ""
    #: Dialed before outside numbers, for example 9.
    outside_prefix: str = ""
    #: Put before numbers by a trunk, for example 99.
    trunk_prefix: str = ""
    #: Numbers with this many digits are internal.
    internal_lengths: frozenset[int] = frozenset()

    @classmethod
    def of(cls, pbx: object) -> "NumberPlan":
        """Return the plan of a PBX, or of a row with the same columns."""
        names = ("country", "outside_prefix", "trunk_prefix", "internal_lengths")
        return _make_plan(*(str(getattr(pbx, name, "")) for name in names))

    def to_e164(self, text: str) -> str:
        """Return the number in E.164, as in +40721000001.

        Internal numbers, and texts that are no number of the country, stay as they are.
        """
        return _to_e164(self, text)


NO_PLAN = NumberPlan()


@lru_cache(maxsize=256)
def _make_plan(country: str, outside: str, trunk: str, lengths: str) -> NumberPlan:
    found = frozenset(int(length) for length in lengths.split(",") if length)
    return NumberPlan(country, outside, trunk, found)


@lru_cache(maxsize=4096)
def _to_e164(plan: NumberPlan, text: str) -> str:
    number = text.translate(_SEPARATORS)
    digits = number.removeprefix("+")
    if not digits or not _DIGITS.issuperset(digits) or len(digits) > _MAX_DIGITS:
        return text
    if number != digits:
        return _format(_parse(number, None)) or text
    if not plan.country or len(digits) in plan.internal_lengths:
        return text
    found = [_parse(one, plan.country) for one in dict.fromkeys(_without_prefixes(plan, digits))]
    numbers = [one for one in found if one]
    valid = [one for one in numbers if phonenumbers.is_valid_number(one)]
    possible = [one for one in numbers if _is_possible(one)]
    return _format(next(iter(valid + possible), None)) or text


def _without_prefixes(plan: NumberPlan, digits: str) -> Iterator[str]:
    """Yield what may be the number: a number that comes in need not have the prefixes."""
    inner = digits.removeprefix(plan.outside_prefix)
    yield inner.removeprefix(plan.trunk_prefix)
    yield inner
    yield digits.removeprefix(plan.trunk_prefix)
    yield digits


def _parse(number: str, country: str | None) -> phonenumbers.PhoneNumber | None:
    try:
        return phonenumbers.parse(number, country)
    except phonenumbers.NumberParseException:
        return None


def _is_possible(number: phonenumbers.PhoneNumber) -> bool:
    reason = phonenumbers.is_possible_number_with_reason(number)
    return reason == phonenumbers.ValidationResult.IS_POSSIBLE


def _format(number: phonenumbers.PhoneNumber | None) -> str:
    if number is None:
        return ""
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
