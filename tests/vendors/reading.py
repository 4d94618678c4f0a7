"""Reads vendors' messages as the ingest route does, with earlier events in a list."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from callevents.enums import EventType, Format
from callevents.ingest.report import Report, read_report
from callevents.vendors.message import Message, ReadResult
from callevents.vendors.registry import READERS


class Pbx:
    """A PBX with a report format. Its reports are kept, as in the database."""

    def __init__(self, format_: Format) -> None:
        self._read = READERS[format_]
        self.reports: list[Report] = []
        self.ignored = ""

    def send(self, *parts: Mapping[str, object]) -> list[Report]:
        """Send a message of these parts; return the new events."""
        reading = self._read(Message.of(*parts), self._earlier)
        self.ignored = reading.ignored
        known = {report.key for report in self.reports if report.key}
        reports = [read_exactly(fields) for fields in reading.reports]
        new = [report for report in reports if report.key not in known]
        self.reports += new
        return new

    def events_of(self, *parts: Mapping[str, object]) -> list[tuple[str, str, str]]:
        """Send a message; return event, extension and peer of each new event."""
        return [(one.event_type.slug, one.extension, one.peer) for one in self.send(*parts)]

    def _earlier(self, call_id: str) -> Sequence[Any]:
        return [report for report in self.reports if report.call_id == call_id]


def read_exactly(fields: Mapping[str, object]) -> Report:
    """Return the report; every field of a format's reading means something."""
    report, ignored = read_report(fields)
    assert ignored == []
    return report


def vary(
    name: str, values: Iterable[object], *messages: Mapping[str, object]
) -> list[dict[str, object]]:
    """Return each of the messages once with each of the values under this name."""
    return [{**message, name: value} for message in messages for value in values]


def nothing_earlier(_call_id: str) -> Sequence[Any]:
    """Find nothing."""
    return ()


__all__ = ["EventType", "Pbx", "ReadResult", "nothing_earlier", "read_exactly", "vary"]
