"""Number patterns: whole numbers, and beginnings with a `*` at the end."""

import re
from collections.abc import Callable, Sequence

#: Returns a number in international format, or as it is.
Normalize = Callable[[str], str]

WILDCARD = "*"
#: What people write within a number.
_SEPARATORS = re.compile(r"[\s().\-/]+")
_NUMBER = re.compile(r"\+?[0-9*#]+", re.ASCII)
_PATTERN = re.compile(r"\+?[0-9#]+\*?", re.ASCII)


def compact(text: str) -> str:
    """Return the number without separators, with its `+`; empty if it is no number."""
    number = _SEPARATORS.sub("", text)
    return number if _NUMBER.fullmatch(number) else ""


def is_pattern(text: str) -> bool:
    """Return True if the text is a number, or the beginning of one with a `*` at its end."""
    return _PATTERN.fullmatch(_SEPARATORS.sub("", text)) is not None


def matches(number: str, patterns: Sequence[str], normalize: Normalize) -> bool:
    """Return True if the number is one of the patterns, as it is or in international format."""
    forms = _find_forms(number, normalize)
    return any(_matches(forms, compact(pattern), normalize) for pattern in patterns)


def _find_forms(number: str, normalize: Normalize) -> set[str]:
    """Return the number as it is and in international format; none if it is no number."""
    plain = compact(number)
    # Codes such as *97 are no phone numbers.
    is_phone = plain and plain.lstrip("+").isdigit()
    return {plain, compact(normalize(plain))} - {""} if is_phone else {plain} - {""}


def _matches(forms: set[str], wanted: str, normalize: Normalize) -> bool:
    if wanted.endswith(WILDCARD):
        return any(form.startswith(wanted.removesuffix(WILDCARD)) for form in forms)
    return not forms.isdisjoint(_find_forms(wanted, normalize))
