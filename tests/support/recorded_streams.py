"""Streams recorded from real PBXs, and the events that they must give."""

import gzip
import json
from collections import defaultdict
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from callevents.enums import EventType
from callevents.vendors.registry import SOURCES
from callevents.vendors.replay import Replay
from callevents.vendors.tracking.events import TrackedEvent
from callevents.vendors.tracking.extension_set import ExtensionSet
from callevents.vendors.tracking.fields import Message, moment_of

TRACES = Path(__file__).parents[1] / "traces"
EXTENSIONS = ExtensionSet(str(number) for number in range(101, 110))
EXPECTED: dict[str, dict[str, list[dict[str, Any]]]] = {
    source: json.loads((TRACES / source / "expected.json").read_text()) for source in SOURCES
}
SCENARIOS = [(source, name) for source in SOURCES for name in EXPECTED[source]]
SUFFIXES = {"asterisk": ".ami.txt.gz", "freeswitch": ".esl.txt.gz"}

#: What is compared, in order, for each extension.
Summary = tuple[Any, ...]


def read_stream(source: str, name: str) -> bytes:
    """Return the bytes of a scenario's stream, as they were on the wire."""
    with gzip.open(TRACES / source / (name + SUFFIXES[source])) as file:
        return file.read()


@cache
def read_messages(source: str, name: str) -> list[Message]:
    """Return the messages of a scenario."""
    parser = SOURCES[source].make_parser()
    return [*parser.feed(read_stream(source, name)), *parser.close()]


def tell_all(source: str, messages: list[Message]) -> list[TrackedEvent]:
    """Return the events that follow from the messages."""
    tracker = SOURCES[source].make_tracker(EXTENSIONS)
    return [event for message in messages for event in tracker.feed(message)]


def replay(source: str, stream: bytes) -> list[TrackedEvent]:
    """Return the events that follow from the stream."""
    return list(Replay(source, EXTENSIONS).run([stream]))


def moment(source: str, message: Message) -> datetime:
    """Return the time of a message."""
    names = {"asterisk": ("Timestamp", 1), "freeswitch": ("Event-Date-Timestamp", 1_000_000)}
    found = moment_of(message, *names[source])
    assert found is not None
    return found


def expected(source: str, name: str) -> dict[str, list[Summary]]:
    """Return the expected events of each extension."""
    summary: dict[str, list[Summary]] = defaultdict(list)
    for event in EXPECTED[source][name]:
        end = (event.get("cause"), event.get("answered", event.get("billsec")))
        summary[event["extension"]].append((event["event"], event["peer"], *end))
    return summary


def summarise(source: str, events: list[TrackedEvent]) -> dict[str, list[Summary]]:
    """Return the events of each extension, in the form of the expectations."""
    summary: dict[str, list[Summary]] = defaultdict(list)
    for event in events:
        report = event.report
        end: Summary = (None, None)
        if report.event_type is EventType.HANGUP and source == "asterisk":
            end = (str(report.cause), event.answered)
        elif report.event_type is EventType.HANGUP:
            end = (event.cause_name, report.duration_seconds)
        summary[report.extension].append((report.event_type.slug, report.peer, *end))
    return summary
