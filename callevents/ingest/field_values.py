"""Parsers of the values of a report's fields, from texts or numbers to exact types.

Each parser raises ValueError with a sentence for the sender.
"""

import math
import re
import unicodedata
from datetime import UTC, datetime

from callevents.db.models import MAX_NUMBER_LENGTH, to_milliseconds
from callevents.enums import CallStatus, EventType

MAX_TEXT_LENGTH = 255
MAX_KEY_LENGTH = 200
MAX_CAUSE = 127
MAX_DURATION_SECONDS = 10_000_000
FIRST_YEAR, LAST_YEAR = 2000, 2099
#: The value that Asterisk writes if it does not know one.
UNKNOWN = "<unknown>"

_CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_NUMBER = re.compile(r"-?\d{1,18}(\.\d{1,18})?", re.ASCII)
_CAUSE = re.compile(r"\d{1,6}", re.ASCII)
_UNENCODED_OFFSET = re.compile(r" (\d\d:?\d\d)$")
#: Neither a database nor a request accepts an unpaired surrogate.
_SURROGATES = re.compile(r"[\ud800-\udfff]")


def normalize_name(name: str) -> str:
    """Return the field's or event's name in lower case, without dashes, underscores and spaces."""
    # Runs for every name of every report: replacing is several times as fast as an expression.
    return name.replace("-", "").replace("_", "").replace(" ", "").lower()


_EVENTS_BY_NAME = {normalize_name(event.slug): event for event in EventType}
_EVENTS_BY_CODE = {str(event.value): event for event in EventType}
_EVENT_NAMES = ", ".join(f"{event.slug} ({event.value})" for event in EventType)
_STATUSES_BY_NAME = {status.value.lower(): status for status in CallStatus} | {
    # The word of Asterisk's call records.
    "answered": CallStatus.ANSWER,
}


def to_text(value: object) -> str:
    """Return a text or number as a text without outer spaces, and None as an empty text."""
    if isinstance(value, str):
        return value.strip()
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("Must be a string or a number.")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("The number is too large.")
    return str(value)


def read_event(text: str) -> EventType:
    """Return the event of the name or code."""
    if not text:
        raise ValueError(f"Missing. Must be one of {_EVENT_NAMES}.")
    # Codes are compared as they are: -1 is not 1, though a name's dashes make no difference.
    event = _EVENTS_BY_CODE.get(text, _EVENTS_BY_NAME.get(normalize_name(text)))
    if event is None:
        raise ValueError(f"{shorten(text)!a} is not one of {_EVENT_NAMES}.")
    return event


def read_extension(text: str) -> str:
    """Return the extension's number, which must not be empty."""
    if not text:
        raise ValueError("Missing. Send the number of the extension.")
    _check_length(text, MAX_NUMBER_LENGTH)
    if not text.isprintable():
        raise ValueError("Must contain only printable characters.")
    return text


def read_text(text: str) -> str:
    """Return the text, empty if it is Asterisk's unknown value."""
    _check_length(text, MAX_TEXT_LENGTH)
    # isprintable() is true for nearly all texts; checking each character takes ten times as long.
    if not text.isprintable() and any(unicodedata.category(one) in {"Cc", "Cs"} for one in text):
        raise ValueError("Must not contain control characters or unpaired surrogates.")
    return "" if text == UNKNOWN else text


def read_name(text: str) -> str:
    """Return the displayable part of a name: no event is lost for an invalid or long name."""
    if not text.isprintable():
        text = _CONTROL_CHARACTERS.sub(" ", _SURROGATES.sub("", text)).strip()
    return "" if text == UNKNOWN else text[:MAX_TEXT_LENGTH].rstrip()


def read_key(text: str) -> str:
    """Return the sender's key of the event."""
    _check_length(text, MAX_KEY_LENGTH)
    return read_text(text)


def read_status(text: str) -> CallStatus | None:
    """Return the call status, None for an empty text."""
    if not text:
        return None
    status = _STATUSES_BY_NAME.get(normalize_name(text))
    if status is None:
        raise ValueError(f"{shorten(text)!a} is not one of {', '.join(CallStatus)}.")
    return status


def read_cause(text: str) -> int | None:
    """Return the Q.850 cause, None for an empty text."""
    if not text:
        return None
    if not (_CAUSE.fullmatch(text) and int(text) <= MAX_CAUSE):
        raise ValueError(f"Must be a Q.850 cause: a whole number from 0 to {MAX_CAUSE}.")
    return int(text)


def read_duration(text: str) -> int | None:
    """Return the whole seconds, None for an empty text."""
    if not text:
        return None
    seconds = _parse_number(text)
    if seconds is None or not 0 <= seconds <= MAX_DURATION_SECONDS:
        raise ValueError(f"Must be a number of seconds from 0 to {MAX_DURATION_SECONDS}.")
    return int(seconds)


def read_time(text: str) -> datetime | None:
    """Return the time in UTC with milliseconds, None for an empty text."""
    if not text:
        return None
    seconds = _parse_number(text)
    moment = _parse_rfc3339(text) if seconds is None else _parse_epoch(seconds)
    if moment is None or not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ValueError(
            "Must be a time such as 2026-03-01T10:00:00.250Z (with Z or an offset), or seconds "
            "since 1970 such as 1772359200.25."
        )
    return to_milliseconds(moment)


def shorten(text: str, max_length: int = 40) -> str:
    """Return the text, truncated with an ellipsis if it is too long."""
    return text if len(text) <= max_length else text[: max_length - 1] + "…"


def _check_length(text: str, max_length: int) -> None:
    if len(text) > max_length:
        raise ValueError(f"Must be at most {max_length} characters (got {len(text)}).")


def _parse_epoch(seconds: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _parse_rfc3339(text: str) -> datetime | None:
    # The plus sign of an offset arrives as a space if the sender did not encode it.
    text = _UNENCODED_OFFSET.sub(r"+\1", text)
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _parse_number(text: str) -> float | None:
    if not _NUMBER.fullmatch(text):
        return None
    number = float(text)
    return number if math.isfinite(number) else None
