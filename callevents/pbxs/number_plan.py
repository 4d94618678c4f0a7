"""How the numbers of a PBX are written: its country, prefixes, and lengths of internal numbers."""

import re
from collections.abc import Iterable

import phonenumbers

from callevents import audit
from callevents.audit.targets import of_pbx
from callevents.db.models import Pbx
from callevents.errors import InvalidError
from callevents.validation import check_all

MAX_PREFIX_LENGTH = 8
#: Of an internal number; public ones are longer.
MAX_INTERNAL_LENGTH = 9
_LENGTHS = frozenset("123456789")

FIELDS = ("country", "outside_prefix", "trunk_prefix", "internal_lengths")

_DIGITS = re.compile(rf"[0-9]{{1,{MAX_PREFIX_LENGTH}}}")


def set_number_plan(
    pbx: Pbx,
    *,
    country: str,
    outside_prefix: str,
    trunk_prefix: str,
    internal_lengths: str,
) -> None:
    """Set how the numbers of a PBX are written; empty values for nothing in particular.

    `internal_lengths`: such as `3, 4`. Raises one InvalidError about all invalid fields.
    """
    country, lengths = country.strip().upper(), internal_lengths.strip()
    outside_prefix, trunk_prefix = outside_prefix.strip(), trunk_prefix.strip()
    check_all(
        lambda: _check_country(country, is_needed=bool(outside_prefix or trunk_prefix or lengths)),
        lambda: _check_prefix("outside_prefix", outside_prefix),
        lambda: _check_prefix("trunk_prefix", trunk_prefix),
        lambda: _read_lengths(lengths),
    )
    before = _values(pbx)
    pbx.country = country
    pbx.outside_prefix, pbx.trunk_prefix = outside_prefix, trunk_prefix
    pbx.internal_lengths = join_lengths(_read_lengths(lengths))
    action = audit.Action.PBX_NUMBER_PLAN_CHANGED
    audit.record_change(action, of_pbx(pbx), before, _values(pbx))


def internal_lengths(pbx: Pbx) -> list[int]:
    """Return the lengths of the PBX's internal numbers."""
    return _read_lengths(pbx.internal_lengths)


def join_lengths(lengths: Iterable[int]) -> str:
    """Return the lengths as a text."""
    return ",".join(map(str, sorted(set(lengths))))


def describe(pbx: Pbx) -> str:
    """Return the number plan in sentences."""
    if not pbx.country:
        return "No country is set: only numbers with a + can be sent in international format."
    sentences = [f"Numbers without a country are from {pbx.country}."]
    if pbx.outside_prefix:
        sentences.append(f"Outside numbers are dialed with {pbx.outside_prefix} before them.")
    if pbx.trunk_prefix:
        sentences.append(f"Trunks put {pbx.trunk_prefix} before numbers.")
    if lengths := internal_lengths(pbx):
        *first, last = map(str, lengths)
        text = f"{', '.join(first)} or {last}" if first else last
        sentences.append(f"Numbers of {text} digits are internal.")
    return " ".join(sentences)


def _values(pbx: Pbx) -> dict[str, object]:
    return {name: getattr(pbx, name) for name in FIELDS}


def _check_country(country: str, *, is_needed: bool) -> None:
    if country and country not in phonenumbers.SUPPORTED_REGIONS:
        raise InvalidError.of(
            "country", "Enter the two letters of a country (ISO 3166), for example RO or GB."
        )
    if is_needed and not country:
        raise InvalidError.of("country", "Enter the country too: the other rules need it.")


def _check_prefix(field: str, prefix: str) -> None:
    if prefix and not _DIGITS.fullmatch(prefix):
        raise InvalidError.of(field, f"Enter at most {MAX_PREFIX_LENGTH} digits, or nothing.")


def _read_lengths(text: str) -> list[int]:
    parts = text.replace(",", " ").split()
    if not set(parts) <= _LENGTHS:
        raise InvalidError.of(
            "internal_lengths",
            "Enter lengths from 1 to 9, separated by commas, for example 3, 4.",
        )
    return [int(part) for part in parts]
