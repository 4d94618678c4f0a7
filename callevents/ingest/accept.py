"""Accept call events: store them with all their deliveries in one transaction.

The caller begins that transaction with `begin_write`, commits it, and then wakes the workers.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from callevents.db.models import Pbx, find_ordering_key, new_id, utc_now
from callevents.db.models.delivery import SUSPENDED_ERROR
from callevents.db.models.event import REPORTED
from callevents.db.models.hook import ALL_EXTENSIONS
from callevents.delivery.lease import HANDOVER_LEASE
from callevents.delivery.outbox import DEFER_BEHIND_RUNNING, defer_until, find_heads
from callevents.delivery.request.numbers import NumberPlan
from callevents.enums import DeliveryState, EventType, HookScope
from callevents.extensions import app_state, db
from callevents.ingest.dedup_key import DedupKey, StoredEvent
from callevents.ingest.history import complete
from callevents.ingest.once_per_call import Batch, OncePerCall
from callevents.ingest.report import CallOver, Report
from callevents.ingest.skipping import skip_unmet
from callevents.ingest.statements import (
    EVENTS_OF_KEYS,
    EXTENSIONS,
    HOOKS,
    insert_deliveries,
    insert_events,
    run,
    upsert_seen_extensions,
)

Row = dict[str, Any]


@dataclass(frozen=True)
class Accepted:
    """The result of a report: the event's ID and the number of its deliveries that are not skipped.

    A duplicate has the ID of the first event, and no deliveries.
    """

    id: str
    deliveries: int
    is_duplicate: bool


@dataclass
class NewDeliveries:
    """The deliveries of a transaction: what has to be done with them after its commit."""

    #: True if new deliveries may be claimed for whoever picks them up.
    hands_over: bool = False
    claimed_at: datetime = field(default_factory=utc_now)
    #: Their number.
    count: int = 0
    #: IDs of those that are claimed.
    claimed: list[str] = field(default_factory=list)
    #: Ordering keys of those that wait for an earlier delivery.
    deferred: set[int] = field(default_factory=set)


def accept(
    pbx: Pbx,
    reports: Sequence[Report],
    new: NewDeliveries | None = None,
    overs: Sequence[CallOver] = (),
) -> list[Accepted]:
    """Store the events and their deliveries; return a result for each report, in order.

    `overs`: calls that are over, as far as a listener knows.
    """
    new = new or NewDeliveries()
    now = new.claimed_at
    extension_ids = _known_extensions(pbx, reports)
    completed = complete(pbx, reports, extension_ids, now)
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
    batch = Batch(
        pbx,
        list(rows.values()),
        extension_ids,
        overs={over.call_id: over for over in overs},
        followed={report.call_id for report in reports if report.is_followed},
        now=now,
    )
    counts = _insert_deliveries(batch, new)
    _record_unknown_extensions(pbx, rows.values(), extension_ids, now)
    return _results(keys, known, rows, counts)


def _known_extensions(pbx: Pbx, reports: Iterable[Report]) -> dict[str, str]:
    """Return the IDs of the extensions that the reports mention, by number."""
    numbers = {report.extension for report in reports} | {report.peer for report in reports}
    if not numbers:
        return {}
    rows = run(EXTENSIONS, {"pbx_id": pbx.id, "numbers": list(numbers)})
    return {row.number: row.id for row in rows}


def _find_duplicates(pbx: Pbx, keys: Sequence[DedupKey], now: datetime) -> dict[str, StoredEvent]:
    """Return the stored events with these keys, by key, without those outside their window."""
    windows = {key.previous: key.window for key in keys if key.previous}
    found = _find_events(pbx, {key.text for key in keys} | windows.keys())
    return {
        text: event
        for text, event in found.items()
        if (window := windows.get(text)) is None or now - event.received_at <= window
    }


def _find_events(pbx: Pbx, keys: Collection[str]) -> dict[str, StoredEvent]:
    if not keys:
        return {}
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
    """Insert the events; return those, by key, that another transaction has just inserted."""
    if not rows:
        return {}
    # In key order, so that two batches with the same events cannot deadlock.
    rows = sorted(rows, key=lambda row: str(row["key"]))
    # No RETURNING: it would need a separate statement for each number of rows.
    if insert_events(rows) == len(rows):
        return {}
    there = _find_events(pbx, [row["key"] for row in rows])
    return {row["key"]: there[row["key"]] for row in rows if there[row["key"]].id != row["id"]}


def _insert_deliveries(batch: Batch, new: NewDeliveries) -> Counter[str]:
    """Insert the deliveries of each event to active hooks; return their count by event ID."""
    hooks = _active_hooks(batch)
    deliveries = []
    once_per_call = []
    applying: dict[tuple[EventType, str | None], list[Any]] = {}
    for hook in hooks:
        applying.setdefault((hook.event_type, hook.extension_id), []).append(hook)
    for row in batch.rows:
        found = [*applying.get((row["event_type"], None), ())]
        if extension_id := batch.extension_ids.get(row["extension"]):
            found += applying.get((row["event_type"], extension_id), ())
        found.sort(key=lambda hook: hook.id)
        for hook in found:
            if hook.scope is HookScope.CALL:
                once_per_call.append((row, hook))
            else:
                deliveries.append(_delivery_row(batch, row, hook))
    has_ends = any(_wants_ends(hook) for hook in hooks)
    if once_per_call or has_ends:
        maker = OncePerCall(batch, partial(_delivery_row, batch), app_state().settings)
        deliveries += maker.make(once_per_call, has_ends=has_ends)
    if deliveries:
        unreachable = {hook.origin_id for hook in hooks if hook.probe_at is not None}
        _put_in_order(deliveries, unreachable, new)
        insert_deliveries(deliveries)
    sent = [row for row in deliveries if row["state"] is not DeliveryState.SKIPPED]
    new.count += len(sent)
    return Counter(row["call_event_id"] for row in sent)


def _wants_ends(hook: Any) -> bool:
    return hook.scope is HookScope.CALL and hook.event_type is EventType.HANGUP


def _put_in_order(deliveries: list[Row], unreachable: set[int], new: NewDeliveries) -> None:
    """Defer deliveries that have to wait for another one; claim the others if possible.

    `unreachable`: origins whose circuit breaker is open.
    """
    now = new.claimed_at
    # The end of a call that waits is its last delivery. It may be sent when it is due.
    pending = [
        row for row in deliveries if row["state"] is DeliveryState.PENDING and row["due_at"] <= now
    ]
    keys = {row["ordering_key"] for row in pending} - {None}
    firsts = {
        key: (head.happened_at, head.id, defer_until(head, now))
        for key, head in find_heads(db.session.connection(), keys).items()
    }
    for row in sorted(pending, key=lambda row: (row["happened_at"], row["id"])):
        key, position = row["ordering_key"], (row["happened_at"], row["id"])
        if key in firsts and firsts[key][:2] < position:
            row |= {"deferred": True, "due_at": firsts[key][2]}
            new.deferred.add(key)
            continue
        if key is not None:
            firsts[key] = (*position, now + DEFER_BEHIND_RUNNING)
        if new.hands_over and row["origin_id"] not in unreachable:
            row |= {"fence": 1, "claimed_at": now, "due_at": now + HANDOVER_LEASE}
            new.claimed.append(row["id"])


def _active_hooks(batch: Batch) -> Collection[Any]:
    if not batch.rows and not batch.overs:
        return ()
    extension_ids = batch.extension_ids
    numbers = {row["extension"] for row in batch.rows} & extension_ids.keys()
    found = run(
        HOOKS,
        {
            "pbx_id": batch.pbx.id,
            "event_types": list({row["event_type"] for row in batch.rows}),
            "extension_ids": [extension_ids[number] for number in numbers],
        },
    )
    return {hook.id: hook for hook in found}.values()


def _delivery_row(batch: Batch, row: Row, hook: Any, call_values: str = "") -> Row:
    is_suspended = hook.suspended_at is not None
    pbx, now = batch.pbx, batch.now
    delivery = {
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
        # Deliveries of a suspended hook are stored as failed, so that they can be resent.
        "state": DeliveryState.FAILED if is_suspended else DeliveryState.PENDING,
        "attempts": 0,
        "due_at": now,
        "expires_at": now + timedelta(seconds=hook.give_up_seconds),
        "is_retry": False,
        "deferred": False,
        "attempts_before": 0,
        "claimed_at": None,
        "fence": 0,
        "created_at": now,
        "error": SUSPENDED_ERROR if is_suspended else "",
        "finished_at": now if is_suspended else None,
        "call_values": call_values,
    }
    if not hook.conditions:
        return delivery
    return skip_unmet(delivery, hook.conditions, row, NumberPlan.of(pbx))


def _record_unknown_extensions(
    pbx: Pbx, rows: Iterable[Row], extension_ids: dict[str, str], now: datetime
) -> None:
    """Store numbers that are not extensions yet, so that the page can suggest them."""
    unknown = sorted({row["extension"] for row in rows} - extension_ids.keys() - {ALL_EXTENSIONS})
    if not unknown:
        return
    seen = {"pbx_id": pbx.id, "last_seen_at": now, "name": "", "dismissed": False}
    upsert_seen_extensions([{**seen, "number": number} for number in unknown])


def _results(
    keys: Sequence[DedupKey],
    known: dict[str, StoredEvent],
    rows: dict[str, Row],
    counts: Mapping[str, int],
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
