"""Removes old call events with their deliveries and attempts, a bounded batch at a time.

Each batch is a transaction of its own that takes milliseconds, so nobody waits long for it.
"""

import threading
from collections import Counter
from collections.abc import Collection, Generator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Row, delete, select, tuple_

from callevents.db.models import (
    Attempt,
    CallEvent,
    Delivery,
    MinuteStatistics,
    Notification,
    SeenExtension,
    SignInFailure,
    first_id,
)
from callevents.db.session import write_transaction
from callevents.enums import DeliveryState

#: Call events that are looked at in one transaction.
BATCH_EVENTS = 200
#: Events, deliveries and attempts that one transaction removes; a single event may have more.
BATCH_ROWS = 2000
#: Between two batches, in which others get their turn.
PAUSE_SECONDS = 0.05
#: The overview looks back one day.
KEEP_STATISTICS = timedelta(days=2)


@dataclass(frozen=True)
class Purged:
    """What one batch has removed. `kept`: old events whose deliveries are still open."""

    events: int
    deliveries: int
    attempts: int
    kept: int
    last_id: str


def purge(
    database: Engine, before: datetime, stopped: threading.Event, *, dry_run: bool = False
) -> Generator[Purged]:
    """Remove what was accepted before then, oldest first; yield after each batch's commit.

    `dry_run` removes nothing and says what would be. Ends early once `stopped` is set.
    """
    after = ""
    while not stopped.is_set():
        with write_transaction(database) as connection:
            done = purge_batch(connection, before, after, dry_run=dry_run)
        if done is None:
            return
        after = done.last_id
        yield done
        stopped.wait(PAUSE_SECONDS)


def purge_batch(
    connection: Connection, before: datetime, after: str = "", *, dry_run: bool = False
) -> Purged | None:
    """Remove a batch of events accepted before then, with ids above `after`; None: there is none.

    An event stays as long as one of its deliveries is open.
    """
    ids = _old_events(connection, before, after)
    if not ids:
        return None
    deliveries = _lock_deliveries(connection, ids)
    ids = _cut(ids, deliveries)
    is_open = {one.call_event_id for one in deliveries if one.state is DeliveryState.PENDING}
    going = set(ids) - is_open
    with_them = [one for one in deliveries if one.call_event_id in going]
    if not dry_run:
        _remove(connection, going, [one.id for one in with_them])
    return Purged(
        events=len(going),
        deliveries=len(with_them),
        attempts=sum(one.attempts for one in with_them),
        kept=len(ids) - len(going),
        last_id=ids[-1],
    )


def forget(connection: Connection, before: datetime) -> None:
    """Remove what else is older: numbers nobody has added, failed sign-ins, notifications."""
    number = (SeenExtension.pbx_id, SeenExtension.number)
    is_old = [
        at.is_(None) | (at < before) for at in (SeenExtension.last_seen_at, SeenExtension.listed_at)
    ]
    old = select(*number).where(*is_old).limit(BATCH_ROWS)
    connection.execute(delete(SeenExtension).where(tuple_(*number).in_(old)))
    connection.execute(delete(SignInFailure).where(SignInFailure.failed_at < before))
    connection.execute(delete(Notification).where(Notification.id < first_id(before)))


def remove_old_statistics(connection: Connection, now: datetime) -> None:
    """Remove figures of minutes that nobody looks at any more."""
    connection.execute(
        delete(MinuteStatistics).where(MinuteStatistics.minute < now - KEEP_STATISTICS)
    )


def _old_events(connection: Connection, before: datetime, after: str) -> Sequence[str]:
    found = select(CallEvent.id).where(CallEvent.id < first_id(before))
    if after:
        found = found.where(CallEvent.id > after)
    return connection.scalars(found.order_by(CallEvent.id).limit(BATCH_EVENTS)).all()


def _lock_deliveries(
    connection: Connection, event_ids: Collection[str]
) -> Sequence[Row[*tuple[Any, ...]]]:
    """Lock the events' deliveries, in the order that others use too, so that none is reopened."""
    return connection.execute(
        select(Delivery.id, Delivery.call_event_id, Delivery.state, Delivery.attempts)
        .where(Delivery.call_event_id.in_(event_ids))
        .order_by(Delivery.id)
        .with_for_update()
    ).all()


def _cut(ids: Sequence[str], deliveries: Collection[Row[*tuple[Any, ...]]]) -> Sequence[str]:
    """Return as many of the events, from the first on, as one transaction may remove."""
    rows: Counter[str] = Counter(ids)
    for one in deliveries:
        rows[one.call_event_id] += 1 + one.attempts
    total = 0
    for index, event_id in enumerate(ids):
        total += rows[event_id]
        if total > BATCH_ROWS:
            return ids[: max(index, 1)]
    return ids


def _remove(
    connection: Connection, event_ids: Collection[str], delivery_ids: Collection[str]
) -> None:
    # The database would do the first two by itself, but one row at a time.
    connection.execute(delete(Attempt).where(Attempt.delivery_id.in_(delivery_ids)))
    connection.execute(delete(Delivery).where(Delivery.id.in_(delivery_ids)))
    connection.execute(delete(CallEvent).where(CallEvent.id.in_(event_ids)))
