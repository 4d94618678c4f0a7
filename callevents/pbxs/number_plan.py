"""How the numbers of a PBX are written: its country, prefixes, and lengths of internal numbers."""

import re
from collections.abc import Iterable, Sequence

import phonenumbers

from callevents import audit
from callevents.audit.targets import of_pbx
from callevents.db.models import Pbx
from callevents.errors import InvalidError
from callevents.validation import check_all

MAX_PREFIX_LENGTH = 8
#: Of an internal number; public ones are longer.
MAX_INTERNAL_LENGTH = 9

FIELDS = ("country", "outside_prefix", "trunk_prefix", "internal_lengths")

_DIGITS = re.compile(rf"[0-9]{{1,{MAX_PREFIX_LENGTH}}}")


def set_number_plan(
    pbx: Pbx,
    *,
    country: str,
    outside_prefix: str,
    trunk_prefix: str,
    internal_lengths: Iterable[int],
) -> None:
    """Set how the numbers of a PBX are written; empty values for nothing in particular.

    Raises one InvalidError about all invalid fields.
    """
    country = country.strip().upper()
    outside_prefix, trunk_prefix = outside_prefix.strip(), trunk_prefix.strip()
    lengths = sorted(set(internal_lengths))
    check_all(
        lambda: _check_country(country, is_needed=bool(outside_prefix or trunk_prefix or lengths)),
        lambda: _check_prefix("outside_prefix", outside_prefix),
        lambda: _check_prefix("trunk_prefix", trunk_prefix),
        lambda: _check_lengths(lengths),
    )
    before = _values(pbx)
    pbx.country = country
    pbx.outside_prefix, pbx.trunk_prefix = outside_prefix, trunk_prefix
    pbx.internal_lengths = ",".join(map(str, lengths))
    action = audit.Action.PBX_NUMBER_PLAN_CHANGED
    audit.record_change(action, of_pbx(pbx), before, _values(pbx))


def internal_lengths(pbx: Pbx) -> list[int]:
    """Return the lengths of the PBX's internal numbers."""
    return read_lengths(pbx.internal_lengths)


def read_lengths(text: str) -> list[int]:
    """Return the lengths in a text such as `3, 4`; raises InvalidError about them."""
    parts = [part.strip() for part in text.replace(",", " ").split()]
    if not all(part.isascii() and part.isdigit() and len(part) == 1 for part in parts):
        raise _lengths_error()
    return [int(part) for part in parts]


def describe(pbx: Pbx) -> str:
    """Return the number plan in sentences."""
    if not pbx.country:
        return "Numbers are sent as the PBX reports them. Without a country, E.164 needs a +."
    sentences = [f"Numbers without a country are from {pbx.country}."]
    if pbx.outside_prefix:
        sentences.append(f"Numbers outside are dialed with {pbx.outside_prefix} before them.")
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
        raise InvalidError.of("country", "Enter the country to which the other rules belong.")


def _check_prefix(field: str, prefix: str) -> None:
    if prefix and not _DIGITS.fullmatch(prefix):
        raise InvalidError.of(field, f"Enter at most {MAX_PREFIX_LENGTH} digits, or nothing.")


def _check_lengths(lengths: Sequence[int]) -> None:
    if not all(1 <= length <= MAX_INTERNAL_LENGTH for length in lengths):
        raise _lengths_error()


def _lengths_error() -> InvalidError:
    return InvalidError.of(
        "internal_lengths",
        f"Enter numbers of digits from 1 to {MAX_INTERNAL_LENGTH}, separated by commas, for "
        "example 3, 4.",
    )
