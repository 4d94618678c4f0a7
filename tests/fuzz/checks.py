"""Invariants of reports and trackers that must hold for any message of a PBX."""

from collections.abc import Iterable

from callevents.db.models import MAX_NUMBER_LENGTH
from callevents.enums import EventType, Format
from callevents.errors import InvalidError
from callevents.ingest.field_values import (
    MAX_CAUSE,
    MAX_DURATION_SECONDS,
    MAX_KEY_LENGTH,
    MAX_TEXT_LENGTH,
)
from callevents.ingest.report import Report, read_report
from callevents.vendors.asterisk.tracker import AsteriskTracker
from callevents.vendors.freeswitch.tracker import FreeswitchTracker
from callevents.vendors.message import MAX_REPORTS, FindEarlier, Message, ReadResult
from callevents.vendors.registry import READERS
from callevents.vendors.tracking.events import TrackedEvent
from callevents.vendors.tracking.extension_set import ExtensionSet
from callevents.vendors.tracking.tracker import MAX_ENDED, Tracker

MAX_ERROR_LENGTH = 300


def check_events(events: Iterable[TrackedEvent], extensions: ExtensionSet) -> None:
    """Fail if an event is not of a known extension, or could not be stored."""
    for event in events:
        check_report(event.report)
        assert event.report.extension in extensions
        assert event.report.call_id
        assert event.report.key
        assert (event.answered is None) == (event.report.event_type is not EventType.HANGUP)


def check_report(report: Report) -> None:
    """Fail if the report could not be stored."""
    assert isinstance(report.event_type, EventType)
    texts = [value for value in report if isinstance(value, str)]
    assert all(len(text) <= MAX_TEXT_LENGTH for text in texts)
    assert "\x00" not in "".join(texts)
    "".join(texts).encode()
    assert 0 < len(report.extension) <= MAX_NUMBER_LENGTH
    assert len(report.key) <= MAX_KEY_LENGTH
    assert report.cause is None or 0 <= report.cause <= MAX_CAUSE
    assert 0 <= (report.duration_seconds or 0) <= MAX_DURATION_SECONDS


def check_tracker(tracker: Tracker, limit: int) -> None:  # type: ignore[type-arg]  # of either kind
    """Fail if the tracker holds more state than its limits allow."""
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
    format_: Format, message: Message, earlier: FindEarlier
) -> tuple[list[Report], str]:
    """Return the reports of a vendor's message, and the reason if it is ignored.

    Raises InvalidError if the message or each of its reports is rejected; fails on a wrong reading.
    """
    reading = READERS[format_](message, earlier)
    check_reading(reading)
    reports, rejected = [], None
    for fields in reading.reports:
        try:
            report, unknown = read_report(fields)
        except InvalidError as error:
            rejected = error
            continue
        assert unknown == []
        check_report(report)
        reports.append(report)
    if rejected and not reports:
        raise rejected
    return reports, reading.ignored


def check_reading(reading: ReadResult) -> None:
    """Fail if a reading has too many reports, or both reports and a reason to ignore it."""
    assert bool(reading.reports) != bool(reading.ignored)
    assert len(reading.reports) <= MAX_REPORTS
    if reading.ignored:
        check_error_message(reading.ignored)


def check_error_message(message: str) -> None:
    """Fail if the message cannot be shown to users."""
    assert 0 < len(message) < MAX_ERROR_LENGTH
    assert message.isprintable()
