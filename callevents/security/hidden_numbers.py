"""Hides phone numbers in texts: only the last three digits stay.

The digits may be separated, also as queries, forms and JSON encode it, and stand next to anything.
"""

import html
import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

#: The start of a word, also behind an encoded character.
_START = "(?:(?<![0-9A-Za-z])|(?<=%[0-9A-Fa-f]{2}))"
#: Digits that are no phone numbers, whatever stands next to them.
_KEPT = (
    # Encoded characters, whose own digits are not those of the number behind them.
    r"%(?:25)?(?:0[ADad]|2[0-9A-Fa-f]|3[A-Fa-f]|[57][BDbd])",
    r"\\u00[0-9A-Fa-f]{2}",
    # IDs, digests and signatures.
    rf"{_START}[0-9A-Fa-f]{{8}}(?:-[0-9A-Fa-f]{{4}}){{3}}-[0-9A-Fa-f]{{12}}(?![0-9A-Za-z])",
    rf"{_START}(?=[0-9]*[A-Fa-f])[0-9A-Fa-f]{{24,}}(?![0-9A-Za-z])",
    rf"{_START}v1a?,[0-9A-Za-z+/]{{40,}}={{0,2}}",
    # Dates and times, as 2026-11-23T02:50:57.245Z, also in a query.
    r"(?<!\d)(?:19|20)\d\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])(?!\d)"
    r"(?:(?:[T +]|%20)\d\d(?::|%3[Aa])\d\d(?:(?::|%3[Aa])\d\d(?:\.\d+)?)?"
    r"(?:(?:[+-]|%2[Bb])\d\d(?::|%3[Aa])?\d\d)?(?!\d))?",
    # IPv4 addresses, with their ports, and the time that begins an Asterisk's call ID.
    r"(?<![\d.])(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.){3}"
    r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?![\d.])(?::\d{1,5}(?!\d))?",
    r"(?<!\d)1[67]\d{8}\.\d{1,6}(?![\d.])",
)
_SEPARATOR = (
    "(?:[ \N{NO-BREAK SPACE}\N{HYPHEN}-\N{EN DASH}()./+-]"
    r"|%(?:25)?(?:20|2[89BDEFbdef])|%C2%A0|\\u00(?:20|2[89BDEFbdef]|[Aa]0)|\\/)"
)
#: Seven digits or more.
_NUMBER = re.compile(rf"(?P<kept>{'|'.join(_KEPT)})|\+?\(?\d(?:{_SEPARATOR}{{0,3}}\d){{6,}}")
_DIGITS = re.compile(r"%(?:25)?[0-9A-Fa-f]{2}|\\u00[0-9A-Fa-f]{2}|(\d)")
MIN_DIGITS = 7
KEPT_DIGITS = 3
HIDDEN = "…"


def hide_numbers(text: str, known: Iterable[str] = ()) -> str:
    """Return the text with its phone numbers hidden: `+31612345678` becomes `…678`.

    `known`: values of the call that the text is about. Those with a number are replaced first,
    however they are encoded.
    """
    for value in known:
        if sum(map(str.isdecimal, value)) >= MIN_DIGITS:
            text = _replace(text, value)
    return _NUMBER.sub(_hide, text)


def _replace(text: str, value: str) -> str:
    # What it becomes is safe in each of the encodings.
    hidden = _hide_digits(value)
    for form in sorted(set(_encode(value)), key=len, reverse=True):
        text = text.replace(form, hidden)
    return text


def _encode(value: str) -> Iterator[str]:
    """Yield the value as URLs, forms, JSON and HTML have it."""
    yield value
    for safe in ("", "/", "-._~+()/:@"):
        yield quote(value, safe=safe)
        yield quote_plus(value, safe=safe)
    yield quote(quote(value, safe=""), safe="")
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    yield html.escape(value)


def _hide(found: re.Match[str]) -> str:
    return found[0] if found["kept"] else _hide_digits(found[0])


def _hide_digits(text: str) -> str:
    digits = "".join(one or "" for one in _DIGITS.findall(text))
    return HIDDEN + digits[-KEPT_DIGITS:]
