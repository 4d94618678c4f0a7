"""Stores discarded reports: rejected, ignored and duplicate ones.

Responses do not depend on it: an error is only logged.
"""

import re
import time
import unicodedata
from collections import deque
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
from callevents.token_bucket import Clock, TokenBucket

#: The limit for each PBX: this many duplicates, and this many of all others.
MAX_STORED = 100
MAX_SENT_LENGTH = 2000
MAX_REASON_LENGTH = 500
RETENTION = timedelta(hours=1)

#: The beginning of a duplicate's reason. Duplicates have a limit of their own, so that a PBX that
#: reports everything twice does not push out its rejected reports.
DUPLICATE = "Duplicate of event"

#: For each PBX, a process stores this many duplicates and as many other reports at once, and then
#: this many per second.
BURST = 20
PER_SECOND = 4
#: Duplicates of all PBXs that wait for the thread that stores them.
MAX_PENDING = 100

log = structlog.get_logger("callevents.ingest")


class DiscardedReports:
    """Stores the discarded reports of this process. Each application has one."""

    def __init__(self, app: Flask, clock: Clock = time.monotonic) -> None:
        self._app = app
        self._clock = clock
        self._lock = Lock()
        #: By PBX ID, for duplicates and for others.
        self._buckets: dict[tuple[int, bool], TokenBucket] = {}
        #: The reports to store, and the thread that stores them, while there is one.
        self._pending: deque[Callable[[], None]] = deque(maxlen=MAX_PENDING)
        self._thread: Thread | None = None

    def store(self, pbx_id: int, status: int, reason: str, write: Callable[[], str]) -> None:
        """Store the report that `write` returns, in a transaction of its own."""
        if self._is_due(pbx_id, is_duplicate=reason.startswith(DUPLICATE)):
            _store(pbx_id, status, reason, write)

    def store_async(self, pbx_id: int, status: int, reason: str, write: Callable[[], str]) -> None:
        """Store the report in a thread, so that no request waits for it.

        There is one thread, and few reports wait for it: a storm of duplicates must not take
        threads, memory or database connections from requests that need them.
        """
        if not self._is_due(pbx_id, is_duplicate=reason.startswith(DUPLICATE)):
            return
        with self._lock:
            self._pending.append(partial(_store, pbx_id, status, reason, write))
            # The thread does not exist in a forked process.
            if self._thread is None or not self._thread.is_alive():
                self._start_thread()

    def _start_thread(self) -> None:
        thread = Thread(target=self._store_pending, name="discarded reports", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            log.warning("could not store discarded report", error=str(error))
        else:
            self._thread = thread

    def _store_pending(self) -> None:
        while True:
            with self._lock:
                if not self._pending:
                    self._thread = None
                    return
                store = self._pending.popleft()
            with self._app.app_context():
                store()

    def _is_due(self, pbx_id: int, *, is_duplicate: bool) -> bool:
        key = pbx_id, is_duplicate
        with self._lock:
            if key not in self._buckets:
                self._buckets[key] = TokenBucket(BURST, PER_SECOND, self._clock)
            return self._buckets[key].take()


def _store(pbx_id: int, status: int, reason: str, write: Callable[[], str]) -> None:
    try:
        begin_write()
        add_discarded_report(pbx_id, status, reason, write())
        db.session.commit()
    except Exception as error:  # noqa: BLE001  # no response may fail because of it
        end_transaction()
        log.warning("could not store discarded report", error=str(error))


def add_discarded_report(pbx_id: int, status: int, reason: str, sent: str) -> None:
    """Add a discarded report, and delete those beyond the age and number limits."""
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
    """Return the reason of duplicates, from the IDs of their first events."""
    others = " and others" if len(first_ids) > 1 else ""
    return f"{DUPLICATE} {first_ids[0]}{others}."


def first_id_of_duplicate(reason: str) -> str:
    """Return the ID of the first event in the reason of duplicates; empty for other reasons."""
    found = re.match(rf"{DUPLICATE} ([\w-]+)", reason)
    return found[1] if found else ""


def format_reports(reports: Iterable[Report]) -> str:
    """Return the reports' values, one per line, truncated to the stored length."""
    texts = ("\n".join(_lines(report)) for report in islice(reports, MAX_SENT_LENGTH // 20))
    return "\n\n".join(texts)[:MAX_SENT_LENGTH]


def _lines(report: Report) -> Iterator[str]:
    yield f"event: {report.event_type.slug}"
    for name, value in report._asdict().items():
        is_sent = value is not False and value not in {None, ""}
        if is_sent and name not in {"event_type", "key"}:
            yield f"{name}: {value}"


def _clean(text: str) -> str:
    """Return the text without control characters and surrogates, except line feeds."""
    return "".join(c for c in text if c == "\n" or unicodedata.category(c) not in {"Cc", "Cs"})
