"""Shared code of the vendors' readers: the message, the result, and parsing of values."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Protocol
from urllib.parse import unquote

from callevents.enums import EventType
from callevents.errors import InvalidError
from callevents.ingest.field_values import (
    FIRST_YEAR,
    LAST_YEAR,
    MAX_CAUSE,
    MAX_KEY_LENGTH,
    MAX_TEXT_LENGTH,
    UNKNOWN,
    normalize_name,
    shorten,
)

#: Per message. A message about more events is truncated.
MAX_REPORTS = 200

#: The fields of a report, as ingest/report.py reads them.
Fields = dict[str, object]


class EarlierEvent(Protocol):
    """An event of the same call that was accepted earlier."""

    event_type: EventType
    extension: str
    leg_id: str
    peer: str


#: Returns the events accepted earlier for a call ID, oldest first.
FindEarlier = Callable[[str], Sequence[EarlierEvent]]


@dataclass(frozen=True)
class Message:
    """A message of a PBX: the fields of query and body, by normalized name.

    A field that occurs several times in a query or form has a list of strings.
    """

    values: Mapping[str, object]

    @classmethod
    def of(cls, *parts: Mapping[str, object]) -> "Message":
        """Return the message of these parts; a later part takes precedence over an earlier one."""
        return cls({normalize_name(name): value for part in parts for name, value in part.items()})

    def text(self, *names: str) -> str:
        """Return the first value that is not empty, as a string."""
        for name in names:
            if found := text_of(self.values.get(normalize_name(name))):
                return found
        return ""

    def texts(self, name: str) -> list[str]:
        """Return all values of a field that may occur several times."""
        value = self.values.get(normalize_name(name))
        found = value if isinstance(value, list) else [value]
        return [text for one in found[:MAX_REPORTS] if (text := text_of(one))]

    def part(self, name: str) -> "Message":
        """Return a nested object as a message; empty if the field is not an object."""
        value = self.values.get(normalize_name(name))
        return Message.of(value) if isinstance(value, Mapping) else Message({})


@dataclass(frozen=True)
class ReadResult:
    """The reports that a message contains, or the reason why it was ignored."""

    reports: list[Fields] = field(default_factory=list)
    ignored: str = ""


#: Reads a message of one format; raises InvalidError about a field that breaks a rule.
Read = Callable[[Message, FindEarlier], ReadResult]


def make_result(reports: Iterable[Fields], reason: str) -> ReadResult:
    """Return the reports, or the reason if there are none."""
    found = list(reports)
    return ReadResult(found[:MAX_REPORTS]) if found else ReadResult(ignored=reason)


def ignore(what: str, name: str) -> ReadResult:
    """Return the result for a message that is none of the five call events."""
    return ReadResult(ignored=f"{what} {shorten(name)!a} is none of the five call events.")


def require(message: Message, *names: str) -> str:
    """Return the first value that is not empty; raises InvalidError about the first name."""
    if found := message.text(*names):
        return found
    raise InvalidError.of(names[0], "Must be given, as a string or a number.")


def text_of(value: object) -> str:
    """Return a value as a string that can be stored; empty if it is no string or number."""
    if isinstance(value, list) and value:
        value = value[0]
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    if isinstance(value, int) and value.bit_length() > 200:
        return ""
    text = str(value)[: 4 * MAX_TEXT_LENGTH]
    if not text.isprintable():
        text = "".join(c for c in text if unicodedata.category(c) not in {"Cc", "Cs"})
    text = text.strip()[:MAX_TEXT_LENGTH]
    return "" if text == UNKNOWN else text


_URI = re.compile(r"^(?:sips?|tel|client):(?://)?", re.IGNORECASE)


def number_of(address: str) -> str:
    """Return the number or user of a SIP address, a tel URI, a client's name, or a plain number."""
    if "<" in address:
        address = address.partition("<")[2].partition(">")[0]
    plain = _URI.sub("", address.strip())
    user = re.split(r"[@;?]", plain, maxsplit=1)[0]
    return text_of(unquote(user)) if "%" in user else user.strip()


def seconds_of(text: str) -> str:
    """Return an integer or decimal number of seconds unchanged; empty for anything else."""
    return text if re.fullmatch(r"\d{1,7}(\.\d{1,9})?", text, re.ASCII) else ""


def cause_of(text: str) -> str:
    """Return a Q.850 cause unchanged; empty for anything else, so that the hangup is accepted."""
    return text if re.fullmatch(r"\d{1,3}", text, re.ASCII) and int(text) <= MAX_CAUSE else ""


def moment_of(text: str, *, units_per_second: int = 1, epoch_offset: int = 0) -> str:
    """Return a time given in units since an epoch, in seconds since 1970.

    Returns an empty string for an invalid time, so that the event is accepted.
    """
    if not re.fullmatch(r"\d{1,18}(\.\d{1,9})?", text, re.ASCII):
        return ""
    seconds = float(text) / units_per_second - epoch_offset
    # The range of years that ingest/report.py accepts.
    return f"{seconds:.3f}" if 946_684_800 <= seconds < 4_102_444_800 else ""


def iso_time_of(text: str) -> str:
    """Return an ISO 8601 time with offset, such as 2026-03-01T10:00:00Z; empty if invalid."""
    try:
        return format_time(datetime.fromisoformat(text))
    except ValueError:
        return ""


def format_time(moment: datetime) -> str:
    """Return a time as reports have it; empty without offset or outside the accepted years."""
    is_valid = moment.tzinfo is not None and FIRST_YEAR < moment.year < LAST_YEAR
    return moment.isoformat() if is_valid else ""


def make_key(*facts: str) -> str:
    """Return a deduplication key for the event that these facts identify."""
    text = ";".join(facts)
    return text if len(text) <= MAX_KEY_LENGTH else sha256(text.encode()).hexdigest()


def find_event_types(events: Sequence[EarlierEvent], extension: str) -> set[EventType]:
    """Return the types of the extension's events since its last hangup in the call."""
    found: set[EventType] = set()
    for event in events:
        if event.extension == extension:
            is_hangup = event.event_type is EventType.HANGUP
            found = set() if is_hangup else found | {event.event_type}
    return found


def find_extensions_in_call(events: Sequence[EarlierEvent]) -> list[str]:
    """Return the extensions that have an event in the call and no hangup after it."""
    names = dict.fromkeys(event.extension for event in events)
    return [name for name in names if find_event_types(events, name)]


def mapping_of(value: object) -> Mapping[str, object]:
    """Return an object unchanged; an empty one for anything else."""
    return value if isinstance(value, Mapping) else {}
