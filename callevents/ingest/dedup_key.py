"""Deduplication keys: two reports of the same event have the same key."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from callevents.db.models import new_id
from callevents.ingest.report import Report

#: A report without a time is a duplicate of the same report within this window.
LEG_WINDOW = timedelta(minutes=10)
#: The window of reports without a leg: a queue may ring the same extension again soon.
CALL_WINDOW = timedelta(seconds=10)


@dataclass(frozen=True)
class DedupKey:
    """The key of an event, and the key of the same event in the previous time window."""

    text: str
    previous: str | None = None
    window: timedelta | None = None

    @classmethod
    def of(cls, report: Report, now: datetime) -> "DedupKey":
        """Return the key of a report that was received now."""
        if report.key:
            return cls("given:" + report.key)
        identity = report.leg_id or report.call_id
        if not identity:
            # Nothing distinguishes a duplicate from a second event, so no report is a duplicate.
            return cls("random:" + new_id())
        facts = [str(report.event_type.value), report.extension, identity]
        if report.at is not None:
            return cls("timed:" + _digest([*facts, report.at.isoformat()]))
        window = LEG_WINDOW if report.leg_id else CALL_WINDOW
        # Time is divided into windows; a duplicate is in this window or in the previous one.
        number = int(now.timestamp() // window.total_seconds())
        stem = "window:" + _digest(facts)
        return cls(f"{stem}:{number}", f"{stem}:{number - 1}", window)

    def find(self, known: dict[str, "StoredEvent"]) -> "StoredEvent | None":
        """Return the first event with this key, None if the event is new."""
        return known.get(self.text) or (known.get(self.previous) if self.previous else None)


@dataclass(frozen=True)
class StoredEvent:
    """An event that is already stored."""

    id: str
    received_at: datetime


def _digest(facts: Iterable[str]) -> str:
    # Facts contain no control characters, so none can contain the separator.
    return sha256("\0".join(facts).encode()).hexdigest()[:40]
