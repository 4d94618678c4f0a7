"""Finds a value in a JSON answer by a pointer: RFC 6901.

The libraries for it return whatever a document has, in Python's types. What is needed here is one
value as text, with all its digits, from an answer that is not trusted.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

MAX_POINTER_LENGTH = 200
MAX_VALUE_LENGTH = 1000

#: A tilde stands for itself as ~0, a slash as ~1.
_POINTER = re.compile(r"(?:/(?:[^~/]|~[01])*)*")
#: Without leading zeros; `-` would be the element after the last.
_INDEX = re.compile(r"0|[1-9][0-9]{0,9}")


def is_pointer(text: str) -> bool:
    """Return True if the text is a JSON pointer."""
    return _POINTER.fullmatch(text) is not None


def read_values(body: str, pointers: Mapping[str, str]) -> dict[str, str]:
    """Return the values that the pointers find in the JSON text, by name.

    Numbers are as the text has them, booleans `true` or `false`. Objects, arrays, null, and texts
    that are too long or that a database cannot store, count as missing.
    """
    try:
        document = read_document(body)
    except ValueError:
        return {}
    found = {name: _as_text(find(document, pointer)) for name, pointer in pointers.items()}
    return {name: value for name, value in found.items() if value is not None}


def read_document(body: str) -> Any:
    """Return the JSON document, its numbers as texts; raises ValueError."""
    try:
        # As texts, so that no digit of a long ID is lost.
        return json.loads(body.removeprefix("\ufeff"), parse_int=str, parse_float=str)
    except RecursionError:
        raise ValueError("It is nested too deeply.") from None


def find(document: Any, pointer: str) -> Any:
    """Return what the pointer finds, None without it."""
    value = document
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, list) and _INDEX.fullmatch(key) and int(key) < len(value):
            value = value[int(key)]
        else:
            return None
    return value


def _as_text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str) or len(value) > MAX_VALUE_LENGTH:
        return None
    is_storable = "\0" not in value and not any("\ud800" <= one <= "\udfff" for one in value)
    return value if is_storable else None
