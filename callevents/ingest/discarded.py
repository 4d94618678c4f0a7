"""Keeps for people the reports of which nothing came; no answer ever depends on it."""

import time
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from functools import partial
from itertools import islice
from threading import Lock, Thread

import structlog
from flask import Flask
from sqlalchemy import delete, or_, select

from callevents.db.models import DiscardedReport, utc_now
from callevents.db.session import begin_write, end_transaction
from callevents.extensions import db
from callevents.ingest.report import Report

#: So many odd reports of a PBX are kept, and so much of each.
MAX_STORED = 100

#: How the reason of a repeated report begins. They have a number of their own, so that a PBX which
#: tells all twice does not make its refused ones be forgotten.
DUPLICATE = "repeated"

MAX_SENT_LENGTH = 2000

MAX_REASON_LENGTH = 500

RETENTION = timedelta(hours=1)


#: Of a PBX that sends nothing but nonsense, one report in this time is kept by each process, and
#: one that was told before.
MIN_INTERVAL_SECONDS = 0.25

log = structlog.get_logger("callevents.ingest")


class DiscardedReports:
    """Keeps odd reports of this process. One for an application."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._lock = Lock()
        self._stored_at: dict[tuple[int, bool], float] = {}
        #: What the thread is to keep, by PBX, and the thread, while there is one.
        self._waiting: dict[int, Callable[[], None]] = {}
        self._thread: Thread | None = None

    def store(self, pbx_id: int, status: int, reason: str, write: Callable[[], str]) -> None:
        """Keep, in a transaction of its own, why nothing came of what `write` tells."""
        if self._is_due(pbx_id, is_duplicate=reason.startswith(DUPLICATE)):
            _store(pbx_id, status, reason, write)

    def store_async(self, pbx_id: int, status: int, reason: str, write: Callable[[], str]) -> None:
        """Do the same in a thread, so that nobody waits for it.

        There is one thread, and of each PBX at most one report waits for it: a storm of them must
        take neither threads nor connections to the database from those who have to be answered.
        """
        if not self._is_due(pbx_id, is_duplicate=reason.startswith(DUPLICATE)):
            return
        with self._lock:
            self._waiting[pbx_id] = partial(_store, pbx_id, status, reason, write)
            # After a fork, the thread that is known here has ended.
            if self._thread is None or not self._thread.is_alive():
                self._start()

    def _start(self) -> None:
        thread = Thread(target=self._store_waiting, name="odd reports", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            log.warning("odd report not kept", error=str(error))
        else:
            self._thread = thread

    def _store_waiting(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._thread = None
                    return
                _, keep = self._waiting.popitem()
            with self._app.app_context():
                keep()

    def _is_due(self, pbx_id: int, *, is_duplicate: bool) -> bool:
        now, key = time.monotonic(), (pbx_id, is_duplicate)
        with self._lock:
            is_due = now - self._stored_at.get(key, -MIN_INTERVAL_SECONDS) >= MIN_INTERVAL_SECONDS
            if is_due:
                self._stored_at[key] = now
        return is_due


def _store(pbx_id: int, status: int, reason: str, write: Callable[[], str]) -> None:
    try:
        begin_write()
        add_discarded_report(pbx_id, status, reason, write())
        db.session.commit()
    except Exception as error:  # noqa: BLE001  # it is kept beside answers, and must not spoil one
        end_transaction()
        log.warning("odd report not kept", error=str(error))


def add_discarded_report(pbx_id: int, status: int, reason: str, sent: str) -> None:
    """Keep a report of which nothing came, and remove what is too old or too many."""
    now = utc_now()
    db.session.add(
        DiscardedReport(
            pbx_id=pbx_id,
            received_at=now,
            status=status,
            reason=reason[:MAX_REASON_LENGTH],
            sent=_clean(sent)[:MAX_SENT_LENGTH],
        )
    )
    db.session.flush()
    is_duplicate = DiscardedReport.reason.startswith(DUPLICATE)
    alike = (
        DiscardedReport.pbx_id == pbx_id,
        is_duplicate if reason.startswith(DUPLICATE) else ~is_duplicate,
    )
    newest = (
        select(DiscardedReport.id)
        .where(*alike)
        .order_by(DiscardedReport.id.desc())
        .limit(MAX_STORED)
    )
    oldest_id = db.session.scalars(newest).all()[-1]
    is_past = or_(DiscardedReport.id < oldest_id, DiscardedReport.received_at < now - RETENTION)
    db.session.execute(delete(DiscardedReport).where(*alike, is_past))


def explain_duplicate(first_ids: Sequence[str]) -> str:
    """Return the reason why nothing comes of events that were told before, by the first's ids."""
    others = " and others" if len(first_ids) > 1 else ""
    return f"{DUPLICATE}; known already as event {first_ids[0]}{others}."


def format_reports(reports: Iterable[Report]) -> str:
    """Return what was reported, a line for each value, as far as it is kept."""
    texts = ("\n".join(_lines(report)) for report in islice(reports, MAX_SENT_LENGTH // 20))
    return "\n\n".join(texts)[:MAX_SENT_LENGTH]


def _lines(report: Report) -> Iterator[str]:
    yield f"event: {report.event_type.slug}"
    for name, value in vars(report).items():
        if value not in {None, ""} and name not in {"event_type", "key"}:
            yield f"{name}: {value}"


def _clean(text: str) -> str:
    """Return the text without what a database may not take, its lines kept."""
    return "".join(c for c in text if c == "\n" or unicodedata.category(c) not in {"Cc", "Cs"})
