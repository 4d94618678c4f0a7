"""Reports: call events that a PBX reports, read from loosely named fields into exact values."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import NamedTuple

from callevents.enums import CallFlow, CallStatus, EventType
from callevents.errors import InvalidError
from callevents.ingest.field_values import (
    normalize_name,
    read_cause,
    read_duration,
    read_event,
    read_extension,
    read_key,
    read_name,
    read_status,
    read_text,
    read_time,
    to_text,
)

#: Every field with its aliases. Names ignore case, dashes and underscores.
FIELDS: Mapping[str, tuple[str, ...]] = {
    "event": ("type", "event_type"),
    "extension": ("ext",),
    "call_id": ("call",),
    "leg_id": ("leg",),
    "peer": (),
    "caller_number": ("caller",),
    "caller_name": (),
    "called_number": ("called",),
    "called_did": ("did",),
    "caller_extension": (),
    "called_extension": (),
    "status": ("call_status",),
    "cause": ("hangup_cause",),
    "duration": (),
    "at": ("time", "timestamp", "event_time"),
    "id": ("event_key",),
    "queue": (),
}


class Report(NamedTuple):
    """One reported call event. Texts are empty if the PBX sent no value.

    A frozen dataclass takes eight times as long to create, 4 % of reading and answering a report.
    """

    event_type: EventType
    extension: str
    call_id: str = ""
    leg_id: str = ""
    peer: str = ""
    caller_number: str = ""
    caller_name: str = ""
    called_number: str = ""
    called_did: str = ""
    caller_extension: str = ""
    called_extension: str = ""
    flow: CallFlow | None = None
    status: CallStatus | None = None
    #: Q.850.
    cause: int | None = None
    #: From answer to hangup.
    duration_seconds: int | None = None
    #: In UTC; None if the PBX sent no time.
    at: datetime | None = None
    #: True if `at` is not when it happened, but when a listener learned of it after a disconnect.
    is_late: bool = False
    #: The sender's own key of the event.
    key: str = ""
    #: The queue in which the caller waited.
    queue: str = ""
    #: Of hangups, from the history of the call: when the extension's part began, when it was
    #: answered, and by which number.
    started_at: datetime | None = None
    answered_at: datetime | None = None
    answered_by: str = ""
    #: True if a listener follows the call: it also tells when the call is over.
    is_followed: bool = False


class CallOver(NamedTuple):
    """A listener's note that a call is over: its last channel is gone."""

    call_id: str
    at: datetime
    #: The queue in which the caller waited last.
    queue: str = ""
    #: True if the caller left the queue before anybody answered.
    is_abandoned: bool = False


#: The fields by all their names, as documented and as normalized.
_FIELD_NAMES = {
    spelling: name
    for name, aliases in FIELDS.items()
    for alias in (name, *aliases)
    for spelling in (alias, normalize_name(alias))
}
#: The attribute of each field, and what reads its value.
_READERS: Mapping[str, tuple[str, Callable[[str], object]]] = {
    **{name: (name, read_text) for name in FIELDS},
    "event": ("event_type", read_event),
    "extension": ("extension", read_extension),
    "caller_name": ("caller_name", read_name),
    "status": ("status", read_status),
    "cause": ("cause", read_cause),
    "duration": ("duration_seconds", read_duration),
    "at": ("at", read_time),
    "id": ("key", read_key),
}


def read_report(fields: Mapping[str, object]) -> tuple[Report, list[str]]:
    """Return the report, and the names of unknown fields.

    Values may be strings or numbers. Raises InvalidError with a sentence for every invalid field.
    """
    texts, ignored, errors = _sort_fields(fields)
    values: dict[str, object] = {}
    for name, text in texts.items():
        attribute, read = _READERS[name]
        try:
            values[attribute] = read(text)
        except ValueError as error:
            errors.setdefault(name, [str(error)])
    if errors:
        raise InvalidError({name: errors[name] for name in FIELDS if name in errors})
    return Report(**values), ignored  # type: ignore[arg-type]  # each reader returns its field's type


def _sort_fields(
    fields: Mapping[str, object],
) -> tuple[dict[str, str], list[str], dict[str, list[str]]]:
    """Return the texts of known fields, the names of unknown ones, and errors of known ones."""
    # Those that must be given are read even if they are not.
    texts = {"event": "", "extension": ""}
    ignored: list[str] = []
    errors: dict[str, list[str]] = {}
    for given, value in fields.items():
        name = _FIELD_NAMES.get(given) or _FIELD_NAMES.get(normalize_name(given))
        if name is None:
            ignored.append(given)
            continue
        try:
            text = to_text(value)
            if text and texts.get(name, "") not in {"", text}:
                raise ValueError("Given twice with different values.")
            texts[name] = text or texts.get(name, "")
        except ValueError as error:
            errors[name] = [str(error)]
    return texts, ignored, errors
