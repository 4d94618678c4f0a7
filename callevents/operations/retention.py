"""Removes old call events with their deliveries and attempts, a bounded batch at a time.

Each batch is a separate transaction of some milliseconds, so it does not block others for long.
"""

import threading
from collections import Counter
from collections.abc import Collection, Generator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Row, delete, not_, select, tuple_

from callevents.db.models import (
    Attempt,
    AuditEntry,
    CallAnswer,
    CallEvent,
    Delivery,
    MinuteStatistics,
    Notification,
    OncePerCall,
    Pbx,
    SeenExtension,
    SignInFailure,
    UnknownToken,
    first_id,
    id_created_at,
    utc_now,
)
from callevents.db.session import write_transaction
from callevents.ingest.token_notes import RETENTION as KEEP_NETWORKS

#: Call events read in one transaction.
BATCH_EVENTS = 200
#: Events, deliveries and attempts removed in one transaction; a single event may have more.
BATCH_ROWS = 2000
#: Pause between two batches, in which other transactions run.
PAUSE_SECONDS = 0.05
#: Longer than any delivery of a call may take.
KEEP_CALLS = timedelta(days=8)
#: The overview looks back one day.
KEEP_STATISTICS = timedelta(days=2)


@dataclass(frozen=True)
class Of:
    """The PBXs whose events are removed, or those whose events are kept."""

    pbx_ids: Collection[int]
    are_excepted: bool = False


@dataclass(frozen=True)
class Purged:
    """Rows that a batch removed. `kept`: old events with pending or held deliveries."""

    events: int
    deliveries: int
    attempts: int
    kept: int
    last_id: str


def purge_by_age(
    database: Engine, retention_days: int, stopped: threading.Event, *, dry_run: bool = False
) -> Generator[Purged]:
    """Remove events older than the retention of their PBX, or than `retention_days` (0: never)."""
    own, now = _own_retentions(database), utc_now()
    for pbx_id, days in own.items():
        before = now - timedelta(days=days)
        yield from purge(database, before, stopped, of=Of([pbx_id]), dry_run=dry_run)
    if retention_days:
        before = now - timedelta(days=retention_days)
        others = Of(own, are_excepted=True)
        yield from purge(database, before, stopped, of=others, dry_run=dry_run)


def has_own_retention(database: Engine) -> bool:
    """Return True if a PBX has a retention of its own."""
    return bool(_own_retentions(database))


def _own_retentions(database: Engine) -> dict[int, int]:
    """Return the days for which PBXs keep their events, by PBX id, for those that say so."""
    query = select(Pbx.id, Pbx.retention_days).where(Pbx.retention_days.is_not(None))
    with database.connect() as connection:
        return {pbx_id: days for pbx_id, days in connection.execute(query) if days is not None}


def purge(
    database: Engine,
    before: datetime,
    stopped: threading.Event,
    *,
    of: Of | None = None,
    dry_run: bool = False,
) -> Generator[Purged]:
    """Remove events accepted before `before`, oldest first; yield after each batch's commit.

    `dry_run` removes nothing and yields what would be removed. Ends early once `stopped` is set.
    """
    after = ""
    while not stopped.is_set():
        with write_transaction(database) as connection:
            done = purge_batch(connection, before, after, of=of, dry_run=dry_run)
        if done is None:
            return
        after = done.last_id
        yield done
        stopped.wait(PAUSE_SECONDS)


def purge_batch(
    connection: Connection,
    before: datetime,
    after: str = "",
    *,
    of: Of | None = None,
    dry_run: bool = False,
    max_events: int = BATCH_EVENTS,
    max_rows: int = BATCH_ROWS,
) -> Purged | None:
    """Remove a batch of events accepted before `before`, with ids above `after`; None at the end.

    Keeps events with a pending or held delivery.
    """
    ids = _old_events(connection, before, after, max_events, of)
    if not ids:
        return None
    deliveries = _lock_deliveries(connection, ids)
    ids = _limit_rows(ids, deliveries, max_rows)
    open_events = {row.call_event_id for row in deliveries if not row.state.is_finished}
    removable = set(ids) - open_events
    removed = [row for row in deliveries if row.call_event_id in removable]
    if not dry_run:
        remove_events(connection, removable, [row.id for row in removed])
    return Purged(
        events=len(removable),
        deliveries=len(removed),
        attempts=sum(row.attempts for row in removed),
        kept=len(ids) - len(removable),
        last_id=ids[-1],
    )


def purge_other_tables(connection: Connection, before: datetime) -> None:
    """Remove older rows of other tables: suggested extensions, failed sign-ins, notifications."""
    number = (SeenExtension.pbx_id, SeenExtension.number)
    is_old = [
        at.is_(None) | (at < before) for at in (SeenExtension.last_seen_at, SeenExtension.listed_at)
    ]
    old = select(*number).where(*is_old).limit(BATCH_ROWS)
    connection.execute(delete(SeenExtension).where(tuple_(*number).in_(old)))
    connection.execute(delete(SignInFailure).where(SignInFailure.failed_at < before))
    connection.execute(delete(Notification).where(Notification.id < first_id(before)))


def purge_history(connection: Connection, before: datetime) -> int:
    """Remove the oldest entries of the history from before `before`; return their number."""
    old = select(AuditEntry.id).where(AuditEntry.id < first_id(before)).order_by(AuditEntry.id)
    found = delete(AuditEntry).where(AuditEntry.id.in_(old.limit(BATCH_ROWS)))
    return connection.execute(found).rowcount


def remove_old_calls(connection: Connection, now: datetime) -> int:
    """Remove what was kept of old calls while they lasted; return the rows of the larger table.

    That is what was sent once per call, and values from answers; at most a batch of each.
    """
    counts = []
    for model in (OncePerCall, CallAnswer):
        key = tuple(model.__table__.primary_key)
        old = select(*key).where(model.created_at < now - KEEP_CALLS).limit(BATCH_ROWS)
        counts.append(connection.execute(delete(model).where(tuple_(*key).in_(old))).rowcount)
    return max(counts)


def remove_old_statistics(connection: Connection, now: datetime) -> None:
    """Remove statistics older than the overview shows."""
    connection.execute(
        delete(MinuteStatistics).where(MinuteStatistics.minute < now - KEEP_STATISTICS)
    )


def remove_old_networks(connection: Connection, now: datetime) -> None:
    """Remove the networks that sent no report without a valid token lately."""
    connection.execute(delete(UnknownToken).where(UnknownToken.last_at < now - KEEP_NETWORKS))


def _old_events(
    connection: Connection, before: datetime, after: str, limit: int, of: Of | None
) -> Sequence[str]:
    found = select(CallEvent.id).where(CallEvent.id < first_id(before))
    if of is not None and of.pbx_ids:
        is_of = CallEvent.pbx_id.in_(of.pbx_ids)
        # Of one PBX, in the order of its index: SQLite would sort all its events for each batch.
        if not of.are_excepted:
            return _old_events_of(connection, before, after, limit, is_of)
        found = found.where(not_(is_of))
    if after:
        found = found.where(CallEvent.id > after)
    return connection.scalars(found.order_by(CallEvent.id).limit(limit)).all()


def _old_events_of(
    connection: Connection, before: datetime, after: str, limit: int, is_of: ColumnElement[bool]
) -> Sequence[str]:
    place = (CallEvent.received_at, CallEvent.id)
    found = select(CallEvent.id).where(is_of, CallEvent.received_at < before)
    if after:
        last = select(*place).where(CallEvent.id == after)
        row = connection.execute(last).first()
        since = row.received_at if row else id_created_at(after)
        found = found.where(tuple_(*place) > (since, after))
    return connection.scalars(found.order_by(*place).limit(limit)).all()


def _lock_deliveries(
    connection: Connection, event_ids: Collection[str]
) -> Sequence[Row[*tuple[Any, ...]]]:
    """Lock the events' deliveries, in the order that all code uses, so that none is reopened."""
    return connection.execute(
        select(Delivery.id, Delivery.call_event_id, Delivery.state, Delivery.attempts)
        .where(Delivery.call_event_id.in_(event_ids))
        .order_by(Delivery.id)
        .with_for_update()
    ).all()


def _limit_rows(
    ids: Sequence[str], deliveries: Collection[Row[*tuple[Any, ...]]], max_rows: int
) -> Sequence[str]:
    """Return the first events, as many as one transaction may remove."""
    rows: Counter[str] = Counter(ids)
    for delivery in deliveries:
        rows[delivery.call_event_id] += 1 + delivery.attempts
    total = 0
    for index, event_id in enumerate(ids):
        total += rows[event_id]
        if total > max_rows:
            return ids[: max(index, 1)]
    return ids


def remove_events(
    connection: Connection, event_ids: Collection[str], delivery_ids: Collection[str]
) -> None:
    """Remove events with their deliveries, and the attempts of these."""
    # The database would cascade to the first two, but one row at a time.
    connection.execute(delete(Attempt).where(Attempt.delivery_id.in_(delivery_ids)))
    connection.execute(delete(Delivery).where(Delivery.id.in_(delivery_ids)))
    connection.execute(delete(CallEvent).where(CallEvent.id.in_(event_ids)))
