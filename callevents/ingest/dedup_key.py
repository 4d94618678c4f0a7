"""Duplicate detection: the key under which a repeated report is recognised."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from callevents.db.models import new_id
from callevents.ingest.report import Report

#: A report without a time is a repeated one if the same was received at most this long before.
LEG_WINDOW = timedelta(minutes=10)

#: The same, where only the call is known: a queue may soon ring the same extension again.
CALL_WINDOW = timedelta(seconds=10)


@dataclass(frozen=True)
class DedupKey:
    """What makes an event the same as another, and where an earlier one may be found."""

    text: str
    earlier: str | None = None
    window: timedelta | None = None

    @classmethod
    def of(cls, report: Report, now: datetime) -> "DedupKey":
        """Return the key of a report that came now."""
        if report.key:
            return cls("given:" + report.key)
        identity = report.leg_id or report.call_id
        if not identity:
            # Nothing tells a repeated report from a second event, so none is taken for repeated.
            return cls("random:" + new_id())
        facts = [str(report.event_type.value), report.extension, identity]
        if report.at is not None:
            return cls("timed:" + _digest([*facts, report.at.isoformat()]))
        window = LEG_WINDOW if report.leg_id else CALL_WINDOW
        # Time is cut into windows; the same report lies in this window or in the one before.
        number = int(now.timestamp() // window.total_seconds())
        stem = "window:" + _digest(facts)
        return cls(f"{stem}:{number}", f"{stem}:{number - 1}", window)

    def find(self, known: dict[str, "StoredEvent"]) -> "StoredEvent | None":
        """Return the first event if this one repeats it."""
        return known.get(self.text) or (known.get(self.earlier) if self.earlier else None)


@dataclass(frozen=True)
class StoredEvent:
    """An event that has been accepted before."""

    id: str
    received_at: datetime


def _digest(facts: Iterable[str]) -> str:
    # Facts have no control characters, so none can imitate what separates them.
    return sha256("\0".join(facts).encode()).hexdigest()[:40]
