"""Use case: accept call events. The events and all their deliveries are one transaction.

The caller begins that transaction as a writer's, commits it, and wakes the workers afterwards.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from callevents.db.models import Pbx, find_ordering_key, new_id, utc_now
from callevents.db.models.delivery import SUSPENDED_ERROR
from callevents.db.models.event import REPORTED
from callevents.db.models.hook import ALL_EXTENSIONS
from callevents.enums import DeliveryState, EventType
from callevents.ingest.dedup_key import DedupKey, StoredEvent
from callevents.ingest.enrich import CallHistory, enrich
from callevents.ingest.report import Report
from callevents.ingest.statements import (
    EVENTS_OF_KEYS,
    EXTENSIONS,
    HISTORY,
    HOOKS,
    insert_deliveries,
    insert_events,
    run,
    upsert_seen_extensions,
)

#: What came longer ago under the same call id was another call: PBXs use their ids again.
CALL_ID_REUSE_AFTER = timedelta(hours=24)

Row = dict[str, Any]


@dataclass(frozen=True)
class Accepted:
    """What became of a report: the event's id, and how many deliveries were made of it."""

    id: str
    deliveries: int
    is_duplicate: bool


def accept(pbx: Pbx, reports: Sequence[Report]) -> list[Accepted]:
    """Store the events and their deliveries; return what became of each report, in their order.

    A report of an event that is known already creates nothing and gets the first one's id.
    """
    now = utc_now()
    directory = _known_extensions(pbx, reports)
    completed = _enrich(pbx, reports, directory)
    keys = [DedupKey.of(report, now) for report in reports]
    known = _find_duplicates(pbx, keys, now)
    rows: dict[str, Row] = {}
    for report, key in zip(completed, keys, strict=True):
        if key.find(known) is None and key.text not in rows:
            rows[key.text] = _event_row(pbx, report, key.text, now)
    conflicts = _insert_events(pbx, list(rows.values()))
    for key_text in conflicts:
        del rows[key_text]
    known |= conflicts
    counts = _insert_deliveries(pbx, list(rows.values()), directory, now)
    _record_unknown_extensions(pbx, rows.values(), directory, now)
    return _results(keys, known, rows, counts)


def find_call_events(pbx: Pbx, call_id: str) -> Sequence[Any]:
    """Return what was accepted of the call within a day, the oldest first."""
    since = utc_now() - CALL_ID_REUSE_AFTER
    parameters = {"pbx_id": pbx.id, "call_ids": [call_id], "since": since}
    return list(reversed(run(HISTORY, parameters).all()))


def _known_extensions(pbx: Pbx, reports: Iterable[Report]) -> dict[str, str]:
    """Return the ids of those of the PBX's extensions that the reports speak of, by number."""
    numbers = {report.extension for report in reports} | {report.peer for report in reports}
    rows = run(EXTENSIONS, {"pbx_id": pbx.id, "numbers": list(numbers)})
    return {row.number: row.id for row in rows}


def _enrich(pbx: Pbx, reports: Sequence[Report], directory: dict[str, str]) -> list[Report]:
    numbers = frozenset(directory)
    history = _load_history(pbx, reports)
    completed = []
    for report in reports:
        completed.append(enrich(report, numbers, history))
        history.add(completed[-1])
    return completed


def _load_history(pbx: Pbx, reports: Iterable[Report]) -> CallHistory:
    """Return what was reported before of the calls that now hang up."""
    history = CallHistory()
    calls = {
        report.call_id
        for report in reports
        if report.event_type is EventType.HANGUP and report.call_id
    }
    if calls:
        since = utc_now() - CALL_ID_REUSE_AFTER
        rows = run(HISTORY, {"pbx_id": pbx.id, "call_ids": list(calls), "since": since}).all()
        for row in reversed(rows):
            history.add(row)
    return history


def _find_duplicates(pbx: Pbx, keys: Sequence[DedupKey], now: datetime) -> dict[str, StoredEvent]:
    """Return the events that have one of the keys already, without those out of their window."""
    windows = {key.earlier: key.window for key in keys if key.earlier}
    found = _find_events(pbx, {key.text for key in keys} | windows.keys())
    return {
        text: event
        for text, event in found.items()
        if (window := windows.get(text)) is None or now - event.received_at <= window
    }


def _find_events(pbx: Pbx, keys: Iterable[str]) -> dict[str, StoredEvent]:
    rows = run(EVENTS_OF_KEYS, {"pbx_id": pbx.id, "keys": list(keys)})
    return {key: StoredEvent(event_id, received_at) for key, event_id, received_at in rows}


def _event_row(pbx: Pbx, report: Report, key: str, now: datetime) -> Row:
    row = {name: getattr(report, name) for name in REPORTED}
    return row | {
        "id": new_id(),
        "pbx_id": pbx.id,
        "key": key,
        "happened_at": report.at or now,
        "received_at": now,
    }


def _insert_events(pbx: Pbx, rows: list[Row]) -> dict[str, StoredEvent]:
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
        "ordering_key": find_ordering_key(
            pbx.id, row["call_id"], hook.origin_id, in_order=hook.in_order
        ),
        # What comes meanwhile is kept as failed, so that it can be recovered.
        "state": DeliveryState.FAILED if is_suspended else DeliveryState.PENDING,
        "attempts": 0,
        "due_at": now,
        "expires_at": now + timedelta(seconds=hook.give_up_seconds),
        "is_retry": False,
        "deferred": False,
        "attempts_before": 0,
        "fence": 0,
        "created_at": now,
        "error": SUSPENDED_ERROR if is_suspended else "",
        "finished_at": now if is_suspended else None,
    }


def _record_unknown_extensions(
    pbx: Pbx, rows: Iterable[Row], directory: dict[str, str], now: datetime
) -> None:
    """Keep the numbers that are no extensions yet, so that the page can offer to add them."""
    unknown = sorted({row["extension"] for row in rows} - directory.keys() - {ALL_EXTENSIONS})
    if not unknown:
        return
    seen = {"pbx_id": pbx.id, "last_seen_at": now, "name": "", "dismissed": False}
    upsert_seen_extensions([{**seen, "number": number} for number in unknown])


def _results(
    keys: Sequence[DedupKey],
    known: dict[str, StoredEvent],
    rows: dict[str, Row],
    counts: dict[str, int],
) -> list[Accepted]:
    results = []
    new = dict(rows)
    for key in keys:
        if (row := new.pop(key.text, None)) is not None:
            results.append(Accepted(row["id"], counts[row["id"]], is_duplicate=False))
        else:
            first = key.find(known)
            first_id = first.id if first else rows[key.text]["id"]
            results.append(Accepted(first_id, 0, is_duplicate=True))
    return results
