"""What differs between two sets of values, without secrets."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Hidden:
    """A secret. Whether it differs is recorded; neither its value nor its length or hash is."""

    secret: str | None


@dataclass(frozen=True)
class Masked:
    """A text that contains secrets, and how it may be shown."""

    text: str
    shown: str


def find_differences(before: Values, after: Values) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the values that differ, as they are stored. Empty values are left out."""
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    old: dict[str, Any] = {}
    new: dict[str, Any] = {}
    for name in names:
        one, other = _show_pair(before.get(name), after.get(name))
        if not _is_empty(one):
            old[name] = one
        if not _is_empty(other):
            new[name] = other
    return old, new


def _show_pair(before: Any, after: Any) -> tuple[Any, Any]:
    if isinstance(before, Hidden) or isinstance(after, Hidden):
        was = bool(isinstance(before, Hidden) and before.secret)
        now = bool(isinstance(after, Hidden) and after.secret)
        if was and after is not None and not now:
            return "set", "removed"
        return "set" if was else None, ("changed" if was else "set") if now else None
    one, other = to_json(before), to_json(after)
    if isinstance(before, Masked) and isinstance(after, Masked) and one == other:
        return one, f"{other} (the masked part changed)"
    return one, other


def _is_empty(value: Any) -> bool:
    return value is None or value in ("", [], {})


def to_json(value: Any) -> Any:
    """Return the value as JSON has it; secrets are not shown."""
    if isinstance(value, Hidden):
        return "set" if value.secret else None
    if isinstance(value, Masked):
        return value.shown
    if isinstance(value, Enum):
        return getattr(value, "slug", value.value)
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    if isinstance(value, Mapping):
        return {str(name): to_json(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(one) for one in value]
    return value
