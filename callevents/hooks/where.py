"""Reads the filter of hooks from texts, as they are in URLs, commands and programs' requests."""

from collections.abc import Callable, Mapping
from typing import Any

from callevents.db.models import MAX_URL_LENGTH, Pbx, Receiver
from callevents.enums import TABLE_ORDER, EventType, HookScope
from callevents.errors import InvalidError, NotFoundError
from callevents.hooks.selection import HookState, HookWhere, find_receivers_of
from callevents.users.rights import Scope

#: The fields, by their names in URLs and commands, with their labels.
FIELDS = {
    "pbx": "PBX",
    "extension": "Extension",
    "group": "Group",
    "event": "Event",
    "state": "State",
    "host": "Host",
    "receiver": "Receiver",
    "scope": "Scope",
    "note": "Note contains",
    "url": "URL contains",
}
SCOPES = {HookScope.EXTENSION: "each extension", HookScope.CALL: "once per call"}


def read_where(texts: Mapping[str, str], scope: Scope, find_pbx: Callable[[str], Pbx]) -> HookWhere:
    """Return the filter with these values; raises InvalidError about each wrong one.

    `scope`: the hooks whose receivers can be named. `find_pbx` raises NotFoundError.
    """
    readers: Mapping[str, Callable[[str], Any]] = {
        "pbx": find_pbx,
        "event": _read_event,
        "state": _read_state,
        "receiver": lambda text: _find_receiver(text, scope),
        "scope": _read_scope,
    }
    values: dict[str, Any] = {}
    errors: dict[str, list[str]] = {}
    for name, text in texts.items():
        try:
            values[name] = readers.get(name, _read_text)(text)
        except (ValueError, NotFoundError) as error:
            errors[name] = [str(error)]
    if errors:
        raise InvalidError(errors)
    if "event" in values:
        values["event_type"] = values.pop("event")
    return HookWhere(**values)


def _read_text(text: str) -> str:
    if not text.isprintable():
        raise ValueError("Must not contain control characters.")
    if len(text) > MAX_URL_LENGTH:
        raise ValueError(f"Must be at most {MAX_URL_LENGTH:,} characters.")
    return text


def _read_event(text: str) -> EventType:
    for event in TABLE_ORDER:
        if text == event.slug:
            return event
    raise ValueError(f"Must be one of: {', '.join(event.slug for event in TABLE_ORDER)}.")


def _read_state(text: str) -> HookState:
    if text not in list(HookState):
        raise ValueError(f"Must be one of: {', '.join(HookState)}.")
    return HookState(text)


def _read_scope(text: str) -> HookScope:
    if text not in list(HookScope):
        raise ValueError(f"Must be one of: {', '.join(HookScope)}.")
    return HookScope(text)


def _find_receiver(slug: str, scope: Scope) -> Receiver:
    for receiver in find_receivers_of(scope):
        if receiver.slug == slug:
            return receiver
    raise NotFoundError(f"No request uses a receiver {slug!r}.")
