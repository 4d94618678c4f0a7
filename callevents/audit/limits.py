"""Keeps entries small: long texts and lists are shortened, with a mark."""

from typing import Any

MAX_TEXT_LENGTH = 2_000
MAX_ITEMS = 100


def shorten(value: Any) -> Any:
    """Return the JSON value with long texts, lists and mappings cut, and what was left out."""
    if isinstance(value, str):
        return _shorten_text(value, "… ({:,} characters in all)")
    if isinstance(value, list):
        left_out = len(value) - MAX_ITEMS
        more = [f"… and {left_out:,} more"] if left_out > 0 else []
        return [*map(shorten, value[:MAX_ITEMS]), *more]
    if isinstance(value, dict):
        names = list(value)
        kept = {_shorten_text(name, "…"): shorten(value[name]) for name in names[:MAX_ITEMS]}
        left_out = len(names) - MAX_ITEMS
        return kept | ({"…": f"and {left_out:,} more"} if left_out > 0 else {})
    return value


def _shorten_text(text: str, mark: str) -> str:
    if len(text) <= MAX_TEXT_LENGTH:
        return text
    return text[:MAX_TEXT_LENGTH] + mark.format(len(text))
