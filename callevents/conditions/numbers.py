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
    forms = {compact(number), compact(normalize(number))} - {""}
    return any(_matches(forms, pattern, normalize) for pattern in patterns)


def _matches(forms: set[str], pattern: str, normalize: Normalize) -> bool:
    wanted = compact(pattern)
    if wanted.endswith(WILDCARD):
        return any(form.startswith(wanted.removesuffix(WILDCARD)) for form in forms)
    return not forms.isdisjoint({wanted, compact(normalize(pattern))})
