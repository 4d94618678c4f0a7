"""Replays a captured stream of a PBX and returns its call events."""

from collections.abc import Iterable, Iterator

from callevents.enums import EventType
from callevents.errors import CallEventsError
from callevents.vendors.registry import SOURCES
from callevents.vendors.tracking.events import TrackedEvent
from callevents.vendors.tracking.extension_set import ExtensionSet
from callevents.vendors.tracking.fields import Message


class NotACaptureError(CallEventsError):
    """The file is not a captured stream of this kind."""


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
    """Return the fields of the event for a line of JSON."""
    report = event.report
    is_hangup = report.event_type is EventType.HANGUP
    return {
        "event": report.event_type.slug,
        "extension": report.extension,
        "peer": report.peer,
        "call_id": report.call_id,
        "leg_id": report.leg_id,
        "at": report.at.isoformat(timespec="milliseconds") if report.at else None,
        "cause": report.cause,
        "cause_name": event.cause_name or None,
        "status": report.status,
        "answered": event.answered,
        "duration": report.duration_seconds if is_hangup else None,
    }
