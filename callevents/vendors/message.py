"""What all formats share: the message they read, what they make of it, and values made plain."""

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

#: No message of a maker is about more events than these.
MAX_REPORTS = 200

#: The fields of a report, as ingest/report.py reads them.
Fields = dict[str, object]


class Told(Protocol):
    """What was accepted earlier of an extension in a call."""

    event_type: EventType
    extension: str
    leg_id: str
    peer: str


#: Finds what was accepted of a call before, the oldest first.
Earlier = Callable[[str], Sequence[Told]]


@dataclass(frozen=True)
class Message:
    """What a PBX has sent: the fields of query and body, by their plain names.

    A name that stands in a query or a form several times has a list of texts.
    """

    values: Mapping[str, object]

    @classmethod
    def of(cls, *parts: Mapping[str, object]) -> "Message":
        """Return the message of these parts; what a later one says goes before an earlier one."""
        return cls({normalize_name(name): value for part in parts for name, value in part.items()})

    def text(self, *names: str) -> str:
        """Return the first of the values that says something, as a text."""
        for name in names:
            if found := text_of(self.values.get(normalize_name(name))):
                return found
        return ""

    def texts(self, name: str) -> list[str]:
        """Return all values of a name that may stand there several times."""
        value = self.values.get(normalize_name(name))
        found = value if isinstance(value, list) else [value]
        return [text for one in found[:MAX_REPORTS] if (text := text_of(one))]

    def part(self, name: str) -> "Message":
        """Return an object within the message; an empty one if it is none."""
        value = self.values.get(normalize_name(name))
        return Message.of(value) if isinstance(value, Mapping) else Message({})


@dataclass(frozen=True)
class Reading:
    """The reports that a message makes, and the sentence why it makes none."""

    reports: list[Fields] = field(default_factory=list)
    passed_over: str = ""


#: Reads a message of one format; raises InvalidError about what breaks a rule.
Read = Callable[[Message, Earlier], Reading]


def reported(reports: Iterable[Fields], otherwise: str) -> Reading:
    """Return the reports, or the sentence why there are none."""
    found = list(reports)
    return Reading(found[:MAX_REPORTS]) if found else Reading(passed_over=otherwise)


def passed_over(what: str, name: str) -> Reading:
    """Return the reading of a message that is about none of the five call events."""
    return Reading(passed_over=f"{what} {shorten(name)!a} is none of the five call events.")


def require(message: Message, *names: str) -> str:
    """Return the first of the values that says something; raises InvalidError about the first."""
    if found := message.text(*names):
        return found
    raise InvalidError.of(names[0], "This is missing, or neither a text nor a number.")


def text_of(value: object) -> str:
    """Return a value as a text that can be stored; empty for what is none."""
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
    """Return a whole or broken number of seconds as it is, empty for anything else."""
    return text if re.fullmatch(r"\d{1,7}(\.\d{1,9})?", text, re.ASCII) else ""


def cause_of(text: str) -> str:
    """Return a Q.850 cause as it is, empty for anything else: no reason to lose a hangup."""
    return text if re.fullmatch(r"\d{1,3}", text, re.ASCII) and int(text) <= MAX_CAUSE else ""


def moment_of(text: str, *, units_per_second: int = 1, epoch_offset: int = 0) -> str:
    """Return a time that is given in units since an epoch, in seconds since 1970; else empty.

    Makers' times that cannot be read are no reason to lose the event.
    """
    if not re.fullmatch(r"\d{1,18}(\.\d{1,9})?", text, re.ASCII):
        return ""
    seconds = float(text) / units_per_second - epoch_offset
    # The years that a report may have; see ingest/report.py.
    return f"{seconds:.3f}" if 946_684_800 <= seconds < 4_102_444_800 else ""


def written_moment_of(text: str) -> str:
    """Return a time that is written with its offset, as 2026-03-01T10:00:00Z; else empty."""
    try:
        return exact(datetime.fromisoformat(text))
    except ValueError:
        return ""


def exact(moment: datetime) -> str:
    """Return a time as reports have it, empty if its offset is unknown or its year is odd."""
    has_place = moment.tzinfo is not None and FIRST_YEAR < moment.year < LAST_YEAR
    return moment.isoformat() if has_place else ""


def make_key(*facts: str) -> str:
    """Return a key of an event that these facts tell from all others."""
    text = ";".join(facts)
    return text if len(text) <= MAX_KEY_LENGTH else sha256(text.encode()).hexdigest()


def told_of(told: Sequence[Told], extension: str) -> set[EventType]:
    """Return what was accepted of the extension since its last hangup in the call."""
    found: set[EventType] = set()
    for one in told:
        if one.extension == extension:
            found = set() if one.event_type is EventType.HANGUP else found | {one.event_type}
    return found


def present(told: Sequence[Told]) -> list[str]:
    """Return the extensions that are in the call: something was accepted, and no hangup after."""
    names = dict.fromkeys(one.extension for one in told)
    return [name for name in names if told_of(told, name)]


def mapping_of(value: object) -> Mapping[str, object]:
    """Return an object as it is, an empty one for anything else."""
    return value if isinstance(value, Mapping) else {}
