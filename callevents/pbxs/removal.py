"""Removes a PBX: it stops at once, and its rows are deleted in batches afterwards.

What is left to do is in the database, so any worker goes on where another one was killed. One works
at a time, because each batch locks the PBX.
"""

import threading
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import Connection, Engine, delete, func, insert, literal, select, update

from callevents import audit
from callevents.audit.targets import of_pbx
from callevents.db.models import (
    ApiToken,
    Attempt,
    CallAnswer,
    CallEvent,
    Connector,
    Delivery,
    DiscardedReport,
    Extension,
    Hook,
    IngestToken,
    MinuteStatistics,
    Notification,
    OAuthApp,
    OncePerCall,
    OpenIndex,
    Pbx,
    RemovedPbx,
    SeenExtension,
    is_open_by,
    utc_now,
)
from callevents.db.session import read_connection, write_transaction
from callevents.errors import InvalidError
from callevents.extensions import db
from callevents.users.rights import EVERYTHING, Scope

IS_OPEN = is_open_by(OpenIndex.PBX_ID)

#: Rows of one table that a transaction deletes.
BATCH_ROWS = 1000
#: Each delivery may have dozens of attempts.
BATCH_DELIVERIES = 200
#: Pause between two batches, in which other transactions run.
PAUSE_SECONDS = 0.05
#: Rows of one table are counted up to this number.
MAX_COUNT = 1_000_000

#: The tables in the order of deletion, and how rows of a PBX are told apart. Attempts go with their
#: deliveries, and are not counted.
_TABLES: tuple[tuple[Any, Any], ...] = (
    (Delivery, Delivery.id),
    (CallEvent, CallEvent.id),
    (OncePerCall, OncePerCall.call_id),
    (CallAnswer, CallAnswer.call_id),
    (Extension, Extension.id),
    (SeenExtension, SeenExtension.number),
    (DiscardedReport, DiscardedReport.id),
    (MinuteStatistics, MinuteStatistics.minute),
)

log = structlog.get_logger("callevents.pbxs")


@dataclass(frozen=True)
class Contents:
    """The numbers of what a PBX has, each at most MAX_COUNT."""

    extensions: int
    hooks: int
    open_deliveries: int
    deliveries: int
    events: int
    tokens: int
    connectors: int
    #: Those that are limited to it.
    api_tokens: int
    apps: int


@dataclass(frozen=True)
class Progress:
    """How far a removal is. `total`: None if the rows have not been counted yet."""

    removed: int
    total: int | None

    @property
    def text(self) -> str:
        """The progress in words, such as '12,000 of 48,000 rows'."""
        if self.total is None or self.removed > self.total:
            return f"{self.removed:,} rows"
        return f"{self.removed:,} of {self.total:,} rows"


def count_contents(pbx: Pbx) -> Contents:
    """Count what is removed with the PBX."""
    counts = select(
        _count(Extension, Extension.pbx_id == pbx.id),
        _count(Hook, Hook.pbx_id == pbx.id),
        # In order, so that the planner takes the index on open deliveries.
        _count(
            Delivery, Delivery.pbx_id == pbx.id, is_open_by(OpenIndex.PBX_ID), order=Delivery.id
        ),
        _count(Delivery, Delivery.pbx_id == pbx.id),
        _count(CallEvent, CallEvent.pbx_id == pbx.id),
        _count(IngestToken, IngestToken.pbx_id == pbx.id),
        _count(Connector, Connector.pbx_id == pbx.id),
        _count(ApiToken, ApiToken.pbx_id == pbx.id),
        _count(OAuthApp, OAuthApp.pbx_id == pbx.id),
    )
    return Contents(*db.session.execute(counts).one())


def begin_removal(pbx: Pbx, confirmation: str) -> None:
    """Stop the PBX: it accepts no report and sends no request any more, and its rows are deleted.

    Raises InvalidError about `slug` if `confirmation` is not its slug.
    """
    if confirmation.strip() != pbx.slug:
        raise InvalidError.of("slug", f"Type {pbx.slug} to remove {pbx.name}.")
    # No lock that rows which refer to the PBX wait for: one batch of ingest has those of others.
    db.session.execute(select(Pbx.id).where(Pbx.id == pbx.id).with_for_update(key_share=True))
    pbx.removing_at = utc_now()
    before = {"name": pbx.name, "slug": pbx.slug}
    audit.record(audit.Action.PBX_REMOVED, of_pbx(pbx), before=before)
    # Ingest checks tokens, and workers read the hook, in the transaction that needs them.
    for model in (IngestToken, Connector, Hook):
        rows: Any = model
        db.session.execute(delete(rows).where(rows.pbx_id == pbx.id))
    db.session.flush()


def list_removing(scope: Scope = EVERYTHING) -> Sequence[Pbx]:
    """Return the PBXs in the scope that are being removed, oldest removal first."""
    removing = select(Pbx).where(Pbx.removing_at.is_not(None), scope.of_pbxs())
    return db.session.scalars(removing.order_by(Pbx.removing_at, Pbx.id)).all()


def find_removing(slug: str) -> Pbx | None:
    """Return the PBX with this slug if it is being removed, else None."""
    return next((pbx for pbx in list_removing() if pbx.slug == slug), None)


def progress_of(pbx: Pbx) -> Progress:
    """Return how far the removal of the PBX is."""
    return Progress(pbx.rows_removed, pbx.rows_to_remove)


def remove_all(database: Engine, stopped: threading.Event) -> None:
    """Delete the rows of all PBXs that are being removed; stop once `stopped` is set."""
    with read_connection(database) as connection:
        ids = connection.scalars(select(Pbx.id).where(Pbx.removing_at.is_not(None))).all()
    for pbx_id in ids:
        for _ in remove_rows(database, pbx_id, stopped):
            pass


def remove_rows(
    database: Engine, pbx_id: int, stopped: threading.Event, pause: float = PAUSE_SECONDS
) -> Generator[Progress]:
    """Delete the rows of a PBX that is being removed; yield after each batch's commit.

    Ends when the PBX is gone, whoever deleted it.
    """
    while not stopped.is_set():
        with write_transaction(database) as connection:
            progress = remove_batch(connection, pbx_id)
        if progress is None:
            return
        yield progress
        stopped.wait(pause)


def remove_batch(connection: Connection, pbx_id: int) -> Progress | None:
    """Delete the next batch, if nobody else does at this moment; None if the PBX is gone."""
    removing = select(Pbx.slug, Pbx.rows_removed, Pbx.rows_to_remove).where(
        Pbx.id == pbx_id, Pbx.removing_at.is_not(None)
    )
    row = connection.execute(removing.with_for_update(key_share=True, skip_locked=True)).first()
    if row is None:
        row = connection.execute(removing).first()
        return Progress(row.rows_removed, row.rows_to_remove) if row else None
    total = row.rows_to_remove
    if total is None:
        total = sum(connection.scalar(select(_of_pbx(model, pbx_id))) or 0 for model, _ in _TABLES)
        connection.execute(update(Pbx).where(Pbx.id == pbx_id).values(rows_to_remove=total))
        return Progress(row.rows_removed, total)
    deleted = _delete_batch(connection, pbx_id)
    if not deleted:
        _finish(connection, pbx_id, row.slug)
        return None
    removed = row.rows_removed + deleted
    connection.execute(update(Pbx).where(Pbx.id == pbx_id).values(rows_removed=removed))
    return Progress(removed, total)


def _delete_batch(connection: Connection, pbx_id: int) -> int:
    """Delete rows of the first table that has any; return how many."""
    # Those that wait come first: workers would claim them only to cancel them.
    if deleted := _delete_deliveries(connection, pbx_id, only_open=True):
        return deleted
    for model, key in _TABLES:
        if model is Delivery:
            deleted = _delete_deliveries(connection, pbx_id)
        else:
            # In no order: SQLite would sort all of them for each batch.
            some = select(key).where(model.pbx_id == pbx_id).limit(BATCH_ROWS)
            keys = connection.scalars(some).all()
            if keys:
                connection.execute(delete(model).where(model.pbx_id == pbx_id, key.in_(keys)))
            deleted = len(keys)
        if deleted:
            return deleted
    return 0


def _delete_deliveries(connection: Connection, pbx_id: int, *, only_open: bool = False) -> int:
    """Delete deliveries with their attempts, locked in the order that all code uses."""
    some = select(Delivery.id).where(Delivery.pbx_id == pbx_id, *([IS_OPEN] if only_open else []))
    ids = connection.scalars(
        some.order_by(Delivery.id).limit(BATCH_DELIVERIES).with_for_update()
    ).all()
    if ids:
        # The database would cascade to them, but one row at a time.
        connection.execute(delete(Attempt).where(Attempt.delivery_id.in_(ids)))
        connection.execute(delete(Delivery).where(Delivery.id.in_(ids)))
    return len(ids)


def _finish(connection: Connection, pbx_id: int, slug: str) -> None:
    """Delete the PBX, and what others have added to it since its removal began."""
    # First: it waits for transactions that add rows, and the database cascades to these.
    connection.execute(delete(Pbx).where(Pbx.id == pbx_id))
    connection.execute(delete(MinuteStatistics).where(MinuteStatistics.pbx_id == pbx_id))
    named = Notification.facts["pbx"].as_string() == slug
    connection.execute(delete(Notification).where(named))
    connection.execute(insert(RemovedPbx).values(id=pbx_id, removed_at=utc_now()))
    log.info("PBX removed", pbx=slug)


def _of_pbx(model: Any, pbx_id: int) -> Any:
    return _count(model, model.pbx_id == pbx_id)


def _count(model: Any, *conditions: Any, order: Any = None) -> Any:
    """Return the subquery that counts the model's rows with these conditions, up to MAX_COUNT."""
    some = select(literal(1)).select_from(model).where(*conditions).order_by(order)
    return select(func.count()).select_from(some.limit(MAX_COUNT).subquery()).scalar_subquery()
