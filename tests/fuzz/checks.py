"""Invariants of the results for any messages of a PBX."""

from collections.abc import Iterable

from callevents.db.models import MAX_NUMBER_LENGTH
from callevents.enums import EventType, Format
from callevents.errors import InvalidError
from callevents.ingest.report import (
    MAX_CAUSE,
    MAX_DURATION_SECONDS,
    MAX_KEY_LENGTH,
    MAX_TEXT_LENGTH,
    Report,
    read_report,
)
from callevents.vendors.asterisk.tracker import AsteriskTracker
from callevents.vendors.freeswitch.tracker import FreeswitchTracker
from callevents.vendors.message import MAX_REPORTS, FindEarlier, Message, ReadResult
from callevents.vendors.registry import READERS
from callevents.vendors.tracking.events import TrackedEvent
from callevents.vendors.tracking.extension_set import ExtensionSet
from callevents.vendors.tracking.tracker import MAX_ENDED, Tracker

MAX_SENTENCE = 300


def check_events(events: Iterable[TrackedEvent], extensions: ExtensionSet) -> None:
    """Fail if an event is none of a wanted extension, or could not be stored."""
    for event in events:
        check_report(event.report)
        assert event.report.extension in extensions
        assert event.report.call_id
        assert event.report.key
        assert (event.answered is None) == (event.report.event_type is not EventType.HANGUP)


def check_report(report: Report) -> None:
    """Fail if the report could not be stored."""
    assert isinstance(report.event_type, EventType)
    texts = [value for value in vars(report).values() if isinstance(value, str)]
    assert all(len(text) <= MAX_TEXT_LENGTH for text in texts)
    assert "\x00" not in "".join(texts)
    "".join(texts).encode()
    assert 0 < len(report.extension) <= MAX_NUMBER_LENGTH
    assert len(report.key) <= MAX_KEY_LENGTH
    assert report.cause is None or 0 <= report.cause <= MAX_CAUSE
    assert 0 <= (report.duration_seconds or 0) <= MAX_DURATION_SECONDS


def check_tracker(tracker: Tracker, limit: int) -> None:  # type: ignore[type-arg]  # of either kind
    """Fail if the tracker remembers more than it may."""
    assert tracker.running <= limit
    assert len(tracker._ended) <= MAX_ENDED
    if isinstance(tracker, AsteriskTracker):
        _check_asterisk(tracker, limit)
    else:
        assert isinstance(tracker, FreeswitchTracker)
        assert all(len(leg.ringing) <= 500 for leg in tracker._legs)


def _check_asterisk(tracker: AsteriskTracker, limit: int) -> None:
    legs = list(tracker._legs)
    assert set(tracker._legs._halves.values()) <= {leg.id for leg in legs}
    assert all(len(leg.origin_phones) <= 50 for leg in legs)
    assert len(tracker._rows) <= limit
    assert all(len(value) <= MAX_TEXT_LENGTH for row in tracker._rows for value in row.values())


def read_message(
    format_: Format, message: Message, find_earlier: FindEarlier
) -> tuple[list[Report], str]:
    """Return the reports in a vendor's message, and the reason if it was ignored.

    Raises InvalidError if it, or each of its reports, is rejected; fails if the result is wrong.
    """
    result = READERS[format_](message, find_earlier)
    check_result(result)
    reports, refused = [], None
    for fields in result.reports:
        try:
            report, ignored = read_report(fields)
        except InvalidError as error:
            refused = error
            continue
        assert ignored == []
        check_report(report)
        reports.append(report)
    if refused and not reports:
        raise refused
    return reports, result.ignored


def check_result(result: ReadResult) -> None:
    """Fail if a result is unbounded, or has both reports and a reason."""
    assert bool(result.reports) != bool(result.ignored)
    assert len(result.reports) <= MAX_REPORTS
    if result.ignored:
        check_sentence(result.ignored)


def check_sentence(sentence: str) -> None:
    """Fail if the sentence cannot be shown to users."""
    assert 0 < len(sentence) < MAX_SENTENCE
    assert sentence.isprintable()
