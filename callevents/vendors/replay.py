"""Replays a captured stream of a PBX and returns its call events."""

from collections.abc import Iterable, Iterator

from callevents.errors import CallEventsError
from callevents.vendors.registry import SOURCES
from callevents.vendors.tracking.events import TrackedEvent
from callevents.vendors.tracking.extension_set import ExtensionSet
from callevents.vendors.tracking.fields import Message

#: The fields of a line that come first; the other fields of a report follow.
#: What is known only when an event is stored, or is of no interest outside.
_NOT_SHOWN = frozenset({"key", "started_at", "answered_at", "answered_by", "is_followed"})
FIRST_FIELDS = (
    *("event", "extension", "peer", "call_id", "leg_id", "at", "cause", "cause_name"),
    *("status", "answered", "duration", "flow"),
)

#: More phones than an installation has. A hostile capture could have any number.
MAX_SEEN = 100_000


class NotACaptureError(CallEventsError):
    """The file is not a captured stream of this kind."""


class WatchedExtensionSet(ExtensionSet):
    """An extension set that remembers the phones that it was asked for."""

    def __init__(self, numbers: Iterable[str], domain: str = "") -> None:
        super().__init__(numbers, domain=domain)
        #: Their names in the order in which they were first seen.
        self.seen: dict[str, None] = {}

    def pick(self, name: str) -> str:
        """Return the name of a phone if it is an extension; else an empty text."""
        self._note(name)
        return super().pick(name)

    def find(self, address: str) -> str:
        """Return the extension of a phone with this address; empty if none."""
        self._note(address)
        return super().find(address)

    def _note(self, name: str) -> None:
        if name and len(self.seen) < MAX_SEEN:
            self.seen[name] = None


class Replay:
    """Yields the call events of a capture, and counts unreadable messages."""

    def __init__(self, source: str, extensions: ExtensionSet) -> None:
        self._source = SOURCES[source]
        self._parser = self._source.make_parser()
        self.tracker = self._source.make_tracker(extensions)
        self._is_capture = False
        self._beginning = b""

    @property
    def broken(self) -> int:
        """Number of messages and lines that could not be read."""
        return self._parser.broken + self.tracker.counts.broken

    @property
    def forged(self) -> int:
        """Number of messages that the PBX would not write."""
        return self._parser.forged

    @property
    def is_empty(self) -> bool:
        """True if the file has no content, for example because the PBX sent nothing."""
        return not self._beginning.strip()

    def run(self, chunks: Iterable[bytes]) -> Iterator[TrackedEvent]:
        """Yield the events; an empty capture has none.

        Raises NotACaptureError if the file has content, but no message of such a stream.
        """
        for chunk in chunks:
            self._beginning = self._beginning.lstrip() or chunk
            yield from self._follow(self._parser.feed(chunk))
        yield from self._follow(self._parser.close())
        if not self.is_empty and not self._is_capture:
            raise NotACaptureError(self._complaint())

    def _follow(self, messages: Iterable[Message]) -> Iterator[TrackedEvent]:
        for message in messages:
            self._is_capture = self._is_capture or self._source.is_message(message)
            yield from self.tracker.feed(message)

    def _complaint(self) -> str:
        sentence = f"This is no capture of {self._source.label}."
        for name, source in SOURCES.items():
            if source.is_capture(self._beginning):
                return f"{sentence} It looks like one of {source.label}: try --source {name}."
        return sentence


def as_line(event: TrackedEvent) -> dict[str, object]:
    """Return every field of the event for a line of JSON; null if the PBX sent no value."""
    report = event.report._asdict()
    report["event"] = report.pop("event_type").slug
    report["duration"] = report.pop("duration_seconds")
    report["late"] = report.pop("is_late")
    if event.report.at is not None:
        report["at"] = event.report.at.isoformat(timespec="milliseconds")
    line = report | {"cause_name": event.cause_name, "answered": event.answered}
    names = [*FIRST_FIELDS, *(name for name in line if name not in FIRST_FIELDS)]
    shown = [name for name in names if name not in _NOT_SHOWN]
    return {name: None if line[name] == "" else line[name] for name in shown}
