"""Reports: what a PBX says of one call event, read from loosely named fields into exact values."""

import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from callevents.db.models import MAX_NUMBER_LENGTH, to_milliseconds
from callevents.enums import CallFlow, CallStatus, EventType
from callevents.errors import InvalidError

MAX_TEXT_LENGTH = 255
MAX_KEY_LENGTH = 200
MAX_CAUSE = 127
MAX_DURATION_SECONDS = 10_000_000
FIRST_YEAR, LAST_YEAR = 2000, 2099
#: What Asterisk writes for a value that it does not know.
UNKNOWN = "<unknown>"

#: Every field with its other names. Case, dashes and underscores in names make no difference.
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
}


@dataclass(frozen=True, kw_only=True)
class Report:
    """One reported call event. Texts are empty where the PBX said nothing."""

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
    #: In UTC; None where the PBX gave no time.
    at: datetime | None = None
    #: The sender's own key of the event.
    key: str = ""


def normalize_name(name: str) -> str:
    """Return the field's or event's name without case, dashes, underscores and spaces."""
    # For every name of every report: replacing is several times as fast as an expression.
    return name.replace("-", "").replace("_", "").replace(" ", "").lower()


_CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
#: Half of a character that is written in two parts: no database and no request can take it.
_SURROGATES = re.compile(r"[\ud800-\udfff]")

#: The fields by all their names, as they are documented and without case, dashes and the like.
_FIELD_NAMES = {
    spelling: name
    for name, aliases in FIELDS.items()
    for alias in (name, *aliases)
    for spelling in (alias, normalize_name(alias))
}
_EVENTS_BY_NAME = {normalize_name(event.slug): event for event in EventType}
_EVENTS_BY_CODE = {str(event.value): event for event in EventType}
_STATUSES_BY_NAME = {status.value.lower(): status for status in CallStatus} | {
    # The word of Asterisk's call records.
    "answered": CallStatus.ANSWER,
}


def read_report(fields: Mapping[str, object]) -> tuple[Report, list[str]]:
    """Return the report, and the names of fields that mean nothing to us.

    Values may be texts or numbers. Raises InvalidError with a sentence for every wrong field.
    """
    texts, ignored, errors = _sort_fields(fields)
    values: dict[str, object] = {}
    for name, read in _READERS.items():
        if name in errors:
            continue
        try:
            values[_ATTRIBUTES.get(name, name)] = read(texts.get(name, ""))
        except ValueError as error:
            errors[name] = [str(error)]
    if errors:
        raise InvalidError(errors)
    return Report(**values), ignored  # type: ignore[arg-type]  # each reader returns its field's type


def _sort_fields(
    fields: Mapping[str, object],
) -> tuple[dict[str, str], list[str], dict[str, list[str]]]:
    """Sort the fields into known texts, unknown names, and errors of known fields."""
    texts: dict[str, str] = {}
    ignored: list[str] = []
    errors: dict[str, list[str]] = {}
    for given, value in fields.items():
        name = _FIELD_NAMES.get(given) or _FIELD_NAMES.get(normalize_name(given))
        if name is None:
            ignored.append(given)
            continue
        try:
            text = _to_text(value)
            if text and texts.get(name, "") not in {"", text}:
                raise ValueError("This is given twice, with different values.")
            texts[name] = text or texts.get(name, "")
        except ValueError as error:
            errors[name] = [str(error)]
    return texts, ignored, errors


def _to_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("This must be a text or a number.")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("This number is too large.")
    return str(value).strip()


def _read_event(text: str) -> EventType:
    if not text:
        raise ValueError("This is missing; it says which of the five call events happened.")
    # Codes are compared as they are: -1 is not 1, though a name's dashes make no difference.
    event = _EVENTS_BY_CODE.get(text, _EVENTS_BY_NAME.get(normalize_name(text)))
    if event is None:
        names = ", ".join(f"{event.slug} ({event.value})" for event in EventType)
        raise ValueError(f"{shorten(text)!a} is not one of {names}.")
    return event


def _read_extension(text: str) -> str:
    if not text:
        raise ValueError("This is missing; it is the number of the extension it happened to.")
    if len(text) > MAX_NUMBER_LENGTH:
        raise ValueError(f"At most {MAX_NUMBER_LENGTH} characters are possible.")
    if not text.isprintable():
        raise ValueError("Only printable characters are possible.")
    return text


def _read_text(text: str) -> str:
    if len(text) > MAX_TEXT_LENGTH:
        raise ValueError(f"At most {MAX_TEXT_LENGTH} characters are possible.")
    # Asked first what nearly all are: looking at each character takes ten times as long.
    if not text.isprintable() and any(unicodedata.category(one) in {"Cc", "Cs"} for one in text):
        raise ValueError("Control characters and halves of characters are not possible.")
    return "" if text == UNKNOWN else text


def _read_name(text: str) -> str:
    """Return what can be shown of a name: no call event is lost for a name that is odd or long."""
    if not text.isprintable():
        text = _CONTROL_CHARACTERS.sub(" ", _SURROGATES.sub("", text)).strip()
    return "" if text == UNKNOWN else text[:MAX_TEXT_LENGTH].rstrip()


def _read_key(text: str) -> str:
    if len(text) > MAX_KEY_LENGTH:
        raise ValueError(f"At most {MAX_KEY_LENGTH} characters are possible.")
    return _read_text(text)


def _read_status(text: str) -> CallStatus | None:
    if not text:
        return None
    status = _STATUSES_BY_NAME.get(normalize_name(text))
    if status is None:
        raise ValueError(f"{shorten(text)!a} is not one of {', '.join(CallStatus)}.")
    return status


def _read_cause(text: str) -> int | None:
    if not text:
        return None
    if not (re.fullmatch(r"\d{1,6}", text, re.ASCII) and int(text) <= MAX_CAUSE):
        raise ValueError(f"This must be a Q.850 cause: a whole number from 0 to {MAX_CAUSE}.")
    return int(text)


def _read_duration(text: str) -> int | None:
    if not text:
        return None
    seconds = _parse_number(text)
    if seconds is None or not 0 <= seconds <= MAX_DURATION_SECONDS:
        raise ValueError("This must be a number of seconds, zero or more.")
    return int(seconds)


def _read_moment(text: str) -> datetime | None:
    if not text:
        return None
    seconds = _parse_number(text)
    moment = _parse_rfc3339(text) if seconds is None else _parse_epoch(seconds)
    if moment is None or not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ValueError(
            "This must be a time as in 2026-03-01T10:00:00.250Z (with Z or an offset), or in "
            "seconds since 1970 as in 1772359200.25."
        )
    return to_milliseconds(moment)


def _parse_epoch(seconds: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _parse_rfc3339(text: str) -> datetime | None:
    # An offset's plus sign, when nobody encoded it, arrives as a space.
    text = re.sub(r" (\d\d:?\d\d)$", r"+\1", text)
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _parse_number(text: str) -> float | None:
    if not re.fullmatch(r"-?\d{1,18}(\.\d{1,18})?", text, re.ASCII):
        return None
    number = float(text)
    return number if math.isfinite(number) else None


def shorten(text: str, max_length: int = 40) -> str:
    """Return the text, or its beginning with an ellipsis."""
    return text if len(text) <= max_length else text[: max_length - 1] + "…"


_READERS: Mapping[str, Callable[[str], object]] = {
    **dict.fromkeys(FIELDS, _read_text),
    "event": _read_event,
    "extension": _read_extension,
    "caller_name": _read_name,
    "status": _read_status,
    "cause": _read_cause,
    "duration": _read_duration,
    "at": _read_moment,
    "id": _read_key,
}
_ATTRIBUTES = {"event": "event_type", "duration": "duration_seconds", "id": "key"}
