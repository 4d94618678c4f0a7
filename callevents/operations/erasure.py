"""Erases what is stored of calls with a number: events, deliveries, attempts, reports.

A call is erased as a whole, because each of its events may lead to requests that name the number.
What is erased cannot be restored.
"""

import threading
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    and_,
    delete,
    func,
    or_,
    select,
    tuple_,
)

from callevents import audit
from callevents.audit import mirror
from callevents.audit.actor import current_actor
from callevents.audit.targets import INSTALLATION, Target
from callevents.counted import counted
from callevents.db.models import (
    AuditEntry,
    CallAnswer,
    CallEvent,
    Delivery,
    DiscardedReport,
    Notification,
    OncePerCall,
    Pbx,
    SeenExtension,
    utc_now,
)
from callevents.db.session import write_transaction
from callevents.db.sqlite import SQLITE_BUSY_TIMEOUT_MS
from callevents.delivery.outbox import release_ordering_keys
from callevents.enums import DeliveryState
from callevents.extensions import Model, app_state
from callevents.operations.number_search import Number, contains
from callevents.operations.retention import PAUSE_SECONDS, remove_events

#: Events searched in one transaction.
BATCH_EVENTS = 2000
#: Events with the number that are erased in one transaction, with the others of their calls.
MAX_FOUND = 50
#: Events whose deliveries are removed by one statement. An event may have dozens.
MAX_EVENTS = 100
#: With more events, a call ID is one that the PBX uses for many calls: only matching events go.
MAX_CALL_EVENTS = 1000
#: How long to wait for readers.
CHECKPOINT_TIMEOUT_MS = 1000
WAITING = {DeliveryState.PENDING, DeliveryState.HELD}
_TEXTS = (
    "key",
    "call_id",
    "leg_id",
    "peer",
    "caller_number",
    "caller_name",
    "caller_extension",
    "called_number",
    "called_extension",
    "called_did",
    "answered_by",
)
#: The facts of notifications that can have a number.
_NOTIFIED_TEXTS = ("reason", "extension", "url")
_NUMBERS = (
    *("peer", "caller_number", "caller_extension", "called_number", "called_extension"),
    "answered_by",
)


@dataclass(frozen=True)
class Erased:
    """Rows that were erased. `waiting`: deliveries that were not sent yet."""

    events: int = 0
    deliveries: int = 0
    waiting: int = 0
    attempts: int = 0
    reports: int = 0
    suggestions: int = 0
    notifications: int = 0

    def describe(self) -> str:
        """Return the counts in words."""
        parts = (
            (self.events, "call event"),
            (self.deliveries, "delivery"),
            (self.attempts, "attempt"),
            (self.reports, "rejected report"),
            (self.suggestions, "suggested extension"),
            (self.notifications, "notification"),
        )
        texts = [counted(count, noun) for count, noun in parts]
        text = ", ".join(texts[:-1]) + f" and {texts[-1]}"
        if self.waiting:
            text += f"; {self.waiting:,} of the deliveries had not been sent"
        return text

    def __add__(self, other: "Erased") -> "Erased":
        """Return the sums."""
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return Erased(*(mine + its for mine, its in pairs))


def erase(
    database: Engine,
    number: Number,
    stopped: threading.Event,
    *,
    target: Target = INSTALLATION,
    after: str = "",
    dry_run: bool = False,
) -> Generator[tuple[Erased, str]]:
    """Erase what is stored of calls with the number, of the target: a PBX, or all.

    Yields after each batch: what it erased, and the `after` with which to continue; that is empty
    once everything is erased. `dry_run` erases nothing and yields what would be erased. Ends early
    once `stopped` is set. The history has a receipt of each batch that erased anything.
    """
    pbx_id = target.pbx_id
    while not stopped.is_set():
        with write_transaction(database) as connection:
            _overwrite_deleted(connection)
            end = _find_end(connection, after)
            found, end = _find_events(connection, number, pbx_id, after, end)
            done = _erase_calls(connection, found, dry_run=dry_run)
            if end is None:
                done += _erase_others(connection, number, pbx_id, dry_run=dry_run)
            has_erased = done != Erased() and not dry_run
            receipt = _record(connection, target, number, done) if has_erased else None
        if receipt:
            mirror.write(app_state().settings, [receipt])
        after = end or ""
        if end is None and not dry_run:
            _empty_log(database)
        yield done, after
        if end is None:
            return
        stopped.wait(PAUSE_SECONDS)


def _record(connection: Connection, target: Target, number: Number, erased: Erased) -> AuditEntry:
    counts = {name: count for name, count in vars(erased).items() if count}
    return audit.record_on(
        connection,
        audit.Action.NUMBER_ERASED,
        target,
        actor=current_actor(),
        after={"number": number.masked, **counts},
        at=utc_now(),
    )


def _find_end(connection: Connection, after: str) -> str | None:
    """Return the id of the batch's last event; None if it is the last batch."""
    ids = select(CallEvent.id).order_by(CallEvent.id).offset(BATCH_EVENTS - 1).limit(1)
    return connection.scalar(ids.where(CallEvent.id > after) if after else ids)


def _find_events(
    connection: Connection, number: Number, pbx_id: int | None, after: str, end: str | None
) -> tuple[Sequence[Any], str | None]:
    """Return the events of the batch, and its end, which is earlier if there are many."""
    texts = [getattr(CallEvent, name) for name in (_TEXTS if number.digits else _NUMBERS)]
    found = select(CallEvent.id, CallEvent.pbx_id, CallEvent.call_id.label("call"), *texts)
    found = found.where(_is_about(number))
    if pbx_id is not None:
        found = found.where(CallEvent.pbx_id == pbx_id)
    if after:
        found = found.where(CallEvent.id > after)
    if end is not None:
        found = found.where(CallEvent.id <= end)
    rows = connection.execute(found.order_by(CallEvent.id).limit(MAX_FOUND + 1)).all()
    if len(rows) > MAX_FOUND:
        rows = rows[:MAX_FOUND]
        end = rows[-1].id
    # The database finds the digits anywhere, also in longer numbers.
    return [row for row in rows if number.is_in(*row[3:])], end


def _is_about(number: Number) -> ColumnElement[bool]:
    if not number.digits:
        return or_(*(getattr(CallEvent, name) == number.text for name in _NUMBERS))
    return or_(*(contains(getattr(CallEvent, name), number) for name in _TEXTS))


def _erase_calls(connection: Connection, found: Sequence[Any], *, dry_run: bool) -> Erased:
    """Erase the events, and the other events of their calls."""
    if not found:
        return Erased()
    ids = {row.id for row in found}
    for call in {(row.pbx_id, row.call) for row in found if row.call}:
        others = connection.scalars(
            select(CallEvent.id)
            .where(tuple_(CallEvent.pbx_id, CallEvent.call_id) == call)
            .limit(MAX_CALL_EVENTS + 1)
        ).all()
        if len(others) <= MAX_CALL_EVENTS:
            ids |= set(others)
            if not dry_run:
                _forget_call(connection, *call)
    erased = Erased()
    in_order = sorted(ids)
    for start in range(0, len(in_order), MAX_EVENTS):
        erased += _erase_events(connection, in_order[start : start + MAX_EVENTS], dry_run=dry_run)
    return erased


def _forget_call(connection: Connection, pbx_id: int, call_id: str) -> None:
    """Remove what was kept of a call while it lasted."""
    for model in (OncePerCall, CallAnswer):
        is_of_call = tuple_(model.pbx_id, model.call_id) == (pbx_id, call_id)
        connection.execute(delete(model).where(is_of_call))


def _erase_events(connection: Connection, ids: Sequence[str], *, dry_run: bool) -> Erased:
    deliveries = connection.execute(
        select(Delivery.id, Delivery.state, Delivery.attempts, Delivery.ordering_key)
        .where(Delivery.call_event_id.in_(ids))
        .order_by(Delivery.id)
        .with_for_update()
    ).all()
    waiting = [row for row in deliveries if row.state in WAITING]
    if not dry_run:
        remove_events(connection, ids, [row.id for row in deliveries])
        release_ordering_keys(connection, [row.ordering_key for row in waiting], utc_now())
    return Erased(
        events=len(ids),
        deliveries=len(deliveries),
        waiting=len(waiting),
        attempts=sum(row.attempts for row in deliveries),
    )


def _erase_others(
    connection: Connection, number: Number, pbx_id: int | None, *, dry_run: bool
) -> Erased:
    """Erase the number where it stands without an event."""
    is_report = or_(
        contains(DiscardedReport.sent, number), contains(DiscardedReport.reason, number)
    )
    is_suggestion = or_(
        contains(SeenExtension.number, number), contains(SeenExtension.name, number)
    )
    is_notified = _is_notified(number)
    if pbx_id is not None:
        is_report = and_(is_report, DiscardedReport.pbx_id == pbx_id)
        is_suggestion = and_(is_suggestion, SeenExtension.pbx_id == pbx_id)
        slug = select(Pbx.slug).where(Pbx.id == pbx_id).scalar_subquery()
        is_notified = and_(is_notified, Notification.facts["pbx"].as_string() == slug)

    def erase_rows(model: type[Model], condition: ColumnElement[bool]) -> int:
        if dry_run:
            query = select(func.count()).select_from(model).where(condition)
            return connection.scalar(query) or 0
        return connection.execute(delete(model).where(condition)).rowcount

    return Erased(
        reports=erase_rows(DiscardedReport, is_report),
        suggestions=erase_rows(SeenExtension, is_suggestion),
        notifications=erase_rows(Notification, is_notified),
    )


def _is_notified(number: Number) -> ColumnElement[bool]:
    """Return the condition that a text of a notification has the number.

    Its times and IDs are not searched: their digits are no phone numbers.
    """
    texts = (Notification.facts[name].as_string() for name in _NOTIFIED_TEXTS)
    return or_(*(contains(func.coalesce(text, ""), number) for text in texts))


def _overwrite_deleted(connection: Connection) -> None:
    """Have SQLite overwrite what is deleted; otherwise it stays in the file until it is reused."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA secure_delete = ON")


def _empty_log(database: Engine) -> None:
    """Empty SQLite's write-ahead log, which has earlier versions of the pages.

    While another connection reads, SQLite cannot; the next checkpoint of any process does it.
    """
    if database.dialect.name == "sqlite":
        with database.connect() as connection:
            driver: Any = connection.connection.dbapi_connection
            driver.execute(f"PRAGMA busy_timeout = {CHECKPOINT_TIMEOUT_MS}")
            driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            driver.execute(f"PRAGMA busy_timeout = {SQLITE_BUSY_TIMEOUT_MS}")
