"""The fields of an event: what a body says, and what an answer shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from callevents.api.uapi.errors import UapiError
from callevents.api.uapi.place import Place
from callevents.db.models import Hook
from callevents.delivery.request.masking import mask_url
from callevents.enums import EventType, Method
from callevents.errors import InvalidError

T = TypeVar("T")
Event = dict[str, Any]

FIELDS = ("type", "id", "method", "note", "url", "status", "modified", "links")
TYPES = {str(int(event_type)): event_type for event_type in EventType}
METHODS = {"0": Method.GET, "1": Method.POST}
STATUSES = {"0": False, "1": True}

#: Codes of errors by the name of the field in the domain.
_CODES = {
    "url": "pce_url_invalid",
    "receiver": "pce_url_invalid",
    "note": "pce_note_invalid",
    "event": "pce_limit_reached",
    "requests": "pce_limit_reached",
}


@dataclass(frozen=True)
class GivenFields:
    """What a body says; None: nothing."""

    event_type: EventType | None
    method: Method | None
    note: str | None
    url: str | None
    active: bool | None

    @property
    def is_empty(self) -> bool:
        """True if nothing is to be changed."""
        return all(one is None for one in (self.method, self.note, self.url, self.active))


def read_fields(body: Mapping[str, Any], *, type_code: str) -> GivenFields:
    """Return what the body says; raises UapiError. Unknown fields are ignored.

    `type_code`: the error code for a wrong type, which differs between requests.
    """
    return GivenFields(
        _read_code(body, "type", TYPES, type_code),
        _read_code(body, "method", METHODS, "pce_method_invalid"),
        _read_text(body, "note", "pce_note_invalid"),
        _read_text(body, "url", "pce_url_invalid"),
        _read_code(body, "status", STATUSES, "pce_status_invalid"),
    )


def read_type(text: str, code: str) -> EventType:
    """Return the event type of a path; raises UapiError."""
    if (found := TYPES.get(text)) is None:
        raise _wrong_code("type", TYPES, code)
    return found


def of_domain(error: InvalidError) -> UapiError:
    """Return the error of the first wrong value."""
    field = next(iter(error.errors), "")
    if field in _CODES:
        return UapiError(_CODES[field], " ".join(error.errors[field]))
    # The rest are options that only pages and commands set, and a new URL is what they may not fit.
    return UapiError("pce_url_invalid", f"{error} Change the URL on the page of the extension.")


def to_event(hook: Hook, place: Place) -> Event:
    """Return the hook as VoipNow shows it: codes are texts.

    Users who may not change what it sends see the URL without its secrets, as on the pages.
    """
    code = str(int(hook.event_type))
    return {
        "type": code,
        "id": hook.event_id,
        "method": method_code(hook.method),
        "note": hook.note,
        "url": hook.url if place.shows_url(hook) else mask_url(hook.url),
        "status": "1" if hook.active else "0",
        "modified": to_text(hook.modified_at),
        "links": {"self": f"{place.url}/{code}/{hook.event_id}"},
    }


def method_code(method: Method) -> str:
    """Return VoipNow's code of a method. It knows two; others have a body, as POST has."""
    return "0" if method is Method.GET else "1"


def to_text(moment: datetime) -> str:
    """Return the moment as RFC 3339 has it, in UTC and whole seconds."""
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def _read_code(body: Mapping[str, Any], name: str, codes: Mapping[str, T], error: str) -> T | None:
    text = _to_text(body.get(name))
    if text is None:
        return None
    if text not in codes:
        raise _wrong_code(name, codes, error)
    return codes[text]


def _read_text(body: Mapping[str, Any], name: str, error: str) -> str | None:
    value = body.get(name)
    text = _to_text(value)
    if text == "" and value != "":
        raise UapiError(error, f"The field {name} must be a text.")
    return text


def _to_text(value: Any) -> str | None:
    """Return a text or a whole number as text, None for null, and an empty text for all else."""
    if value is None or isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def _wrong_code(name: str, codes: Mapping[str, object], error: str) -> UapiError:
    return UapiError(error, f"The {name} must be one of {', '.join(codes)}.")
