"""Hides phone numbers in texts: only the last three digits stay."""

import re

#: Seven digits or more, with what separates them, and neither a date nor a part of a word.
_NUMBER = re.compile(
    r"(?<![0-9A-Za-z.-])(?!\d{4}-\d\d-\d\d)\+?\(?\d(?:[ ()/.-]{0,2}\d){6,}(?![0-9A-Za-z])"
)
#: The same behind an encoded plus sign, as in queries and forms.
_ENCODED = re.compile(r"(?<=%2[Bb])\d{7,}(?![0-9A-Za-z])")
KEPT_DIGITS = 3
HIDDEN = "…"


def hide_numbers(text: str) -> str:
    """Return the text with its phone numbers hidden: `+31612345678` becomes `…678`."""
    return _ENCODED.sub(_hide, _NUMBER.sub(_hide, text))


def _hide(found: re.Match[str]) -> str:
    digits = "".join(filter(str.isdecimal, found[0]))
    return HIDDEN + digits[-KEPT_DIGITS:]
