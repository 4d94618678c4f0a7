"""Use case: accept call events. The events and all their deliveries are one transaction.

The caller begins that transaction as a writer's, commits it, and wakes the workers afterwards.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import select

from callevents.completion import CallHistory, complete
from callevents.enums import CallStatus, DeliveryState, EventType
from callevents.extensions import db
from callevents.hooks import ALL_EXTENSIONS
from callevents.ingest_statements import (
    EVENTS_OF_KEYS,
    EXTENSIONS,
    HISTORY,
    HOOKS,
    REPORTED,
    insert_deliveries,
    insert_events,
    note_seen,
    run,
)
from callevents.models import CallEvent, Pbx, find_lane, new_id, utc_now
from callevents.reports import Report

#: A report without a time is a repeated one if the same was received at most this long before.
REPEAT_WINDOW_OF_LEG = timedelta(minutes=10)
#: The same, where only the call is known: a queue may soon ring the same extension again.
REPEAT_WINDOW_OF_CALL = timedelta(seconds=10)

#: What came longer ago under the same call id was another call: PBXs use their ids again.
LONGEST_CALL = timedelta(hours=24)

Row = dict[str, Any]


@dataclass(frozen=True)
class Accepted:
    """What became of a report: the event's id, and how many deliveries were made of it."""

    id: str
    deliveries: int
    repeated: bool


def accept(pbx: Pbx, reports: Sequence[Report]) -> list[Accepted]:
    """Store the events and their deliveries; return what became of each report, in their order.

    A report of an event that is known already creates nothing and gets the first one's id.
    """
    now = utc_now()
    directory = _known_extensions(pbx, reports)
    completed = _complete(pbx, reports, directory)
    keys = [_Key.of(report, now) for report in reports]
    known = _known_keys(pbx, keys, now)
    rows: dict[str, Row] = {}
    for report, key in zip(completed, keys, strict=True):
        if key.find(known) is None and key.text not in rows:
            rows[key.text] = _event_row(pbx, report, key.text, now)
    conflicts = _insert_events(pbx, list(rows.values()))
    for key_text in conflicts:
        del rows[key_text]
    known |= conflicts
    counts = _insert_deliveries(pbx, list(rows.values()), directory, now)
    _remember_unknown(pbx, rows.values(), directory, now)
    return _results(keys, known, rows, counts)


def find_told(pbx: Pbx, call_id: str) -> Sequence[Any]:
    """Return what was accepted of the call within a day, the oldest first."""
    since = utc_now() - LONGEST_CALL
    parameters = {"pbx_id": pbx.id, "call_ids": [call_id], "since": since}
    return list(reversed(run(HISTORY, parameters).all()))


def list_events_since(pbx: Pbx, moment: datetime, limit: int) -> Sequence[CallEvent]:
    """Return the PBX's newest events that were received at or after the moment, newest first."""
    statement = (
        select(CallEvent)
        .where(CallEvent.pbx_id == pbx.id, CallEvent.received_at >= moment)
        .order_by(CallEvent.received_at.desc(), CallEvent.id.desc())
        .limit(limit)
    )
    return db.session.scalars(statement).all()


def example_report(event_type: EventType, extension: str) -> Report:
    """Return the report of an example call, for previews and test events."""
    outgoing = event_type.call_flow == "OUT"
    hangup = event_type is EventType.HANGUP
    report = Report(
        event_type=event_type,
        extension=extension,
        call_id="example-" + new_id(),
        leg_id="example-" + new_id(),
        peer="+40 721 000 001",
        caller_name="" if outgoing else "Ana Pop",
        called_did="" if outgoing else "+40 21 000 0100",
        status=CallStatus.ANSWER if hangup else None,
        cause=16 if hangup else None,
        duration_seconds=42 if hangup else None,
        at=utc_now(),
        called_extension=extension if hangup else "",
    )
    return complete(report, frozenset({extension}), CallHistory())


@dataclass(frozen=True)
class _Key:
    """What makes an event the same as another, and where an earlier one may be found."""

    text: str
    earlier: str | None = None
    window: timedelta | None = None

    @classmethod
    def of(cls, report: Report, now: datetime) -> "_Key":
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
        window = REPEAT_WINDOW_OF_LEG if report.leg_id else REPEAT_WINDOW_OF_CALL
        # Time is cut into windows; the same report lies in this window or in the one before.
        number = int(now.timestamp() // window.total_seconds())
        stem = "window:" + _digest(facts)
        return cls(f"{stem}:{number}", f"{stem}:{number - 1}", window)

    def find(self, known: dict[str, "_Known"]) -> "_Known | None":
        """Return the first event if this one repeats it."""
        return known.get(self.text) or (known.get(self.earlier) if self.earlier else None)


@dataclass(frozen=True)
class _Known:
    """An event that has been accepted before."""

    id: str
    received_at: datetime


def _digest(facts: Iterable[str]) -> str:
    # Facts have no control characters, so none can imitate what separates them.
    return sha256("\0".join(facts).encode()).hexdigest()[:40]


def _known_extensions(pbx: Pbx, reports: Iterable[Report]) -> dict[str, str]:
    """Return the ids of those of the PBX's extensions that the reports speak of, by number."""
    numbers = {report.extension for report in reports} | {report.peer for report in reports}
    rows = run(EXTENSIONS, {"pbx_id": pbx.id, "numbers": list(numbers)})
    return {row.number: row.id for row in rows}


def _complete(pbx: Pbx, reports: Sequence[Report], directory: dict[str, str]) -> list[Report]:
    numbers = frozenset(directory)
    history = _history(pbx, reports)
    completed = []
    for report in reports:
        completed.append(complete(report, numbers, history))
        history.add(completed[-1])
    return completed


def _history(pbx: Pbx, reports: Iterable[Report]) -> CallHistory:
    """Return what was reported before of the calls that now hang up."""
    history = CallHistory()
    calls = {
        report.call_id
        for report in reports
        if report.event_type is EventType.HANGUP and report.call_id
    }
    if calls:
        since = utc_now() - LONGEST_CALL
        rows = run(HISTORY, {"pbx_id": pbx.id, "call_ids": list(calls), "since": since}).all()
        for row in reversed(rows):
            history.add(row)
    return history


def _known_keys(pbx: Pbx, keys: Sequence[_Key], now: datetime) -> dict[str, _Known]:
    """Return the events that have one of the keys already, without those out of their window."""
    windows = {key.earlier: key.window for key in keys if key.earlier}
    found = _find_events(pbx, {key.text for key in keys} | windows.keys())
    return {
        text: event
        for text, event in found.items()
        if (window := windows.get(text)) is None or now - event.received_at <= window
    }


def _find_events(pbx: Pbx, keys: Iterable[str]) -> dict[str, _Known]:
    rows = run(EVENTS_OF_KEYS, {"pbx_id": pbx.id, "keys": list(keys)})
    return {key: _Known(event_id, received_at) for key, event_id, received_at in rows}


def _event_row(pbx: Pbx, report: Report, key: str, now: datetime) -> Row:
    row = {name: getattr(report, name) for name in REPORTED}
    return row | {
        "id": new_id(),
        "pbx_id": pbx.id,
        "key": key,
        "happened_at": report.at or now,
        "received_at": now,
    }


def _insert_events(pbx: Pbx, rows: list[Row]) -> dict[str, _Known]:
    """Insert the events; return those that somebody else has inserted meanwhile."""
    if not rows:
        return {}
    # In the order of their keys, so that two batches with the same events cannot deadlock.
    rows = sorted(rows, key=lambda row: str(row["key"]))
    # No RETURNING, which would be a statement of its own for each number of rows.
    if insert_events(rows) == len(rows):
        return {}
    there = _find_events(pbx, [row["key"] for row in rows])
    return {row["key"]: there[row["key"]] for row in rows if there[row["key"]].id != row["id"]}


def _insert_deliveries(
    pbx: Pbx, rows: list[Row], directory: dict[str, str], now: datetime
) -> dict[str, int]:
    """Insert a delivery for each active hook of each event; return how many, by the event's id."""
    counts = {row["id"]: 0 for row in rows}
    hooks = _active_hooks(pbx, rows, directory)
    deliveries = []
    for row in rows:
        extension_id = directory.get(row["extension"])
        for hook in hooks:
            if hook.event_type is row["event_type"] and hook.extension_id in (None, extension_id):
                deliveries.append(_delivery_row(pbx, row, hook, now))
                counts[row["id"]] += 1
    if deliveries:
        insert_deliveries(deliveries)
    return counts


def _active_hooks(pbx: Pbx, rows: list[Row], directory: dict[str, str]) -> Sequence[Any]:
    if not rows:
        return ()
    extension_ids = {directory[row["extension"]] for row in rows if row["extension"] in directory}
    event_types = {row["event_type"] for row in rows}
    return run(
        HOOKS,
        {
            "pbx_id": pbx.id,
            "event_types": list(event_types),
            "extension_ids": list(extension_ids),
        },
    ).all()


#: What the log says of deliveries that came while their request was suspended.
SUSPENDED = "The request was suspended when this call event came."


def _delivery_row(pbx: Pbx, row: Row, hook: Any, now: datetime) -> Row:
    is_suspended = hook.suspended_at is not None
    return {
        "id": new_id(),
        "pbx_id": pbx.id,
        "call_event_id": row["id"],
        "hook_id": hook.id,
        "hook_event_id": hook.event_id,
        "method": hook.method,
        "url": hook.url,
        "event_type": row["event_type"],
        "extension": row["extension"],
        "call_id": row["call_id"],
        "happened_at": row["happened_at"],
        "origin_id": hook.origin_id,
        "lane": find_lane(pbx.id, row["call_id"], hook.origin_id, in_order=hook.in_order),
        # What comes meanwhile is kept as failed, so that it can be recovered.
        "state": DeliveryState.FAILED if is_suspended else DeliveryState.PENDING,
        "attempts": 0,
        "due_at": now,
        "expires_at": now + timedelta(seconds=hook.give_up_seconds),
        "is_retry": False,
        "parked": False,
        "attempts_before": 0,
        "fence": 0,
        "created_at": now,
        "error": SUSPENDED if is_suspended else "",
        "finished_at": now if is_suspended else None,
    }


def _remember_unknown(
    pbx: Pbx, rows: Iterable[Row], directory: dict[str, str], now: datetime
) -> None:
    """Keep the numbers that are no extensions yet, so that the page can offer to add them."""
    unknown = sorted({row["extension"] for row in rows} - directory.keys() - {ALL_EXTENSIONS})
    if not unknown:
        return
    seen = {"pbx_id": pbx.id, "last_seen_at": now, "name": "", "dismissed": False}
    note_seen([{**seen, "number": number} for number in unknown])


def _results(
    keys: Sequence[_Key], known: dict[str, _Known], rows: dict[str, Row], counts: dict[str, int]
) -> list[Accepted]:
    results = []
    new = dict(rows)
    for key in keys:
        if (row := new.pop(key.text, None)) is not None:
            results.append(Accepted(row["id"], counts[row["id"]], repeated=False))
        else:
            first = key.find(known)
            first_id = first.id if first else rows[key.text]["id"]
            results.append(Accepted(first_id, 0, repeated=True))
    return results
