"""Parsing of fields in PBXs' messages: strings of bounded length, numbers, times."""

import re
import unicodedata
from datetime import UTC, datetime

from callevents.db.models import to_milliseconds
from callevents.ingest.field_values import (
    FIRST_YEAR,
    LAST_YEAR,
    MAX_CAUSE,
    MAX_DURATION_SECONDS,
    UNKNOWN,
)
from callevents.ingest.field_values import MAX_TEXT_LENGTH as MAX_LENGTH

#: For IDs of legs and calls. Those of real PBXs are far shorter.
MAX_ID_LENGTH = 150

Message = dict[str, str]


def text_of(message: Message, name: str) -> str:
    """Return the value; empty if it is missing or `<unknown>`."""
    value = message.get(name, "")
    if value == UNKNOWN:
        return ""
    if not value.isprintable():
        value = "".join(c for c in value if unicodedata.category(c) not in {"Cc", "Cs"})
    return value[:MAX_LENGTH].strip()


def id_of(message: Message, name: str) -> str:
    """Return the ID; empty if it is missing or invalid."""
    value = message.get(name, "")
    return value if 0 < len(value) <= MAX_ID_LENGTH and value.isprintable() else ""


def cause_of(message: Message, name: str) -> int | None:
    """Return the Q.850 cause; None if invalid."""
    cause = _whole_number(message.get(name, ""))
    return cause if cause is not None and cause <= MAX_CAUSE else None


def seconds_of(message: Message, name: str) -> int | None:
    """Return a duration in seconds; None if invalid."""
    seconds = _whole_number(message.get(name, ""))
    return seconds if seconds is not None and seconds <= MAX_DURATION_SECONDS else None


def moment_of(message: Message, name: str, units_per_second: int = 1) -> datetime | None:
    """Return a time given in units since 1970; None if invalid."""
    text = message.get(name, "")
    if not re.fullmatch(r"\d{1,18}(\.\d{1,9})?", text, re.ASCII):
        return None
    try:
        moment = datetime.fromtimestamp(float(text) / units_per_second, UTC)
    except (OverflowError, ValueError, OSError):
        return None
    return to_milliseconds(moment) if FIRST_YEAR <= moment.year <= LAST_YEAR else None


def _whole_number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"\d{1,9}", text, re.ASCII) else None
