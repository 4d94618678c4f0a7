"""Group commit: concurrent reports are stored in one transaction.

A commit waits for the disk, and costs nearly the same for one event as for fifty. The first request
to arrive becomes the leader and commits everything that is waiting. Requests that arrive meanwhile
form the next batch; the first of them leads it. There is no background thread that could die or get
lost in a fork, and a single request does not even switch threads.
"""

import os
import threading
import weakref
from collections.abc import Sequence
from concurrent.futures import Executor
from datetime import datetime
from functools import partial
from itertools import islice

import structlog
from flask import Flask
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from callevents.db.models import Pbx, utc_now
from callevents.db.session import begin_write, end_transaction, write_transaction
from callevents.delivery.claim import claim_passed_over, release_claims
from callevents.delivery.lease import HANDOVER_LEASE
from callevents.errors import RevokedError, UnavailableError
from callevents.extensions import app_state, db
from callevents.ingest.accept import Accepted, NewDeliveries, accept
from callevents.ingest.discarded import DiscardedReports, explain_duplicate, format_reports
from callevents.ingest.quota import check_quotas, has_quotas
from callevents.ingest.report import CallOver, Report
from callevents.ingest.statements import VALID_TOKENS, run
from callevents.ingest.submission import Done, LaterSubmission, Submission
from callevents.jobs.handover import Entry
from callevents.jobs.waker import get_waker

#: A batch accepts no further request beyond this number of reports, so that none waits long.
MAX_REPORTS = 1000

#: Errors of the database itself, not of the reports to store.
UNAVAILABLE_ERRORS = (OperationalError, InterfaceError, PoolTimeoutError)

log = structlog.get_logger("callevents.group_commit")


class GroupCommit:
    """Stores the reports of this process's requests. Each application has one."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._waker = get_waker(app)
        self._reset()
        reset = weakref.WeakMethod(self._reset)
        # A forked process has none of the threads that lead or wait.
        os.register_at_fork(after_in_child=lambda: (found := reset()) and found())

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._queue: list[Submission] = []
        self._has_leader = False
        #: New deliveries that were committed, and of which the workers do not know yet.
        self._new: list[NewDeliveries] = []

    def submit(
        self,
        pbx: Pbx,
        token_id: str | None,
        reports: Sequence[Report],
        overs: Sequence[CallOver] = (),
    ) -> list[Accepted]:
        """Store the reports, wait for the commit, and return a result for each report.

        The listener submits without a token, and with the calls that are over.

        Raises RevokedError if the token has been revoked, QuotaError if the PBX has reached a
        quota, UnavailableError if the database is unavailable, and the database's error if it
        rejects these reports.
        """
        request = Submission(pbx, token_id, reports, overs)
        if not self._enqueue(request):
            request.wait()
        if not request.is_done:
            self._store_next()
        return _result(request)

    def submit_later(
        self, pbx: Pbx, token_id: str, reports: Sequence[Report], threads: Executor, done: Done
    ) -> None:
        """Do the same without waiting: a thread calls `done` with the results or the error.

        `threads` runs the leader.
        """

        def lead() -> None:
            threads.submit(self._store_next)

        if self._enqueue(LaterSubmission(pbx, token_id, reports, lead, done)):
            lead()

    def _enqueue(self, request: Submission) -> bool:
        """Add the request to the queue; return True if it leads."""
        with self._lock:
            self._queue.append(request)
            leads = not self._has_leader
            self._has_leader = True
            return leads

    @property
    def is_wake_due(self) -> bool:
        """True if deliveries were committed and the workers have not been woken since."""
        return bool(self._new)

    def wake_workers(self) -> None:
        """Hand over the new deliveries, unless another thread does. Call it after a commit."""
        with self._lock:
            new, self._new = self._new, []
        if not new:
            return
        with self._app.app_context():
            entries = [
                Entry(one.claimed_at, dict.fromkeys(one.claimed, 1)) for one in new if one.claimed
            ]
            keys = {key for one in new for key in one.deferred}
            try:
                self._wake(entries, keys)
            except UNAVAILABLE_ERRORS as error:
                # Workers find the deliveries when they are due.
                log.error("database unavailable", error=str(error))

    def _wake(self, entries: list[Entry], deferred: set[int]) -> None:
        self._hand_over(entries)
        now = utc_now()
        # After the others: it may have to wait for a lock.
        if deferred and (freed := claim_passed_over(db.engine, deferred, now, HANDOVER_LEASE)):
            self._hand_over([Entry(now, freed)])

    def _hand_over(self, entries: list[Entry]) -> None:
        if not self._waker.wake(entries):
            for entry in entries:
                with write_transaction(db.engine) as connection:
                    release_claims(connection, entry.fences, utc_now())

    def _store_next(self) -> None:
        """Store the next batch, return its results, and start the next leader."""
        with self._lock:
            batch = self._next_batch()
        new: list[NewDeliveries] = []
        try:
            # A context of its own, so that a rollback does not affect the request's session.
            with self._app.app_context():
                new = self._store(batch)
        finally:
            for request in batch:
                if not request.is_done:
                    request.error = UnavailableError("The events were not stored.")
            with self._lock:
                self._new += new
                self._has_leader = bool(self._queue)
                following = self._queue[:1]
            for request in (*batch, *following):
                request.notify()
        self._record_duplicates(batch)

    def _store(self, batch: list[Submission]) -> list[NewDeliveries]:
        """Store the requests together; if that fails because of one of them, store each alone.

        Returns their deliveries, of each transaction.
        """
        new = NewDeliveries(hands_over=self._waker.is_open)
        try:
            _commit(batch, new)
        except UNAVAILABLE_ERRORS as error:
            end_transaction()
            log.error("database unavailable", error=str(error))
            for request in batch:
                request.error = UnavailableError("The database is unavailable.")
        except Exception as error:  # noqa: BLE001  # any error becomes the request's result
            end_transaction()
            if len(batch) > 1:
                return [one for request in batch for one in self._store([request])]
            batch[0].error = error
        else:
            if new.count:
                return [new]
        return []

    def _record_duplicates(self, batch: list[Submission]) -> None:
        """Store the batch's duplicates as discarded reports, in the background."""
        duplicates: dict[int, list[tuple[Report, str]]] = {}
        for request in batch:
            for report, event in zip(request.reports, request.accepted or (), strict=False):
                if event.is_duplicate:
                    duplicates.setdefault(request.pbx.id, []).append((report, event.id))
        discarded_reports = app_state(self._app).get(DiscardedReports)
        for pbx_id, found in duplicates.items():
            reason = explain_duplicate([first_id for _, first_id in found])
            texts = [report for report, _ in found]
            discarded_reports.store_async(pbx_id, 200, reason, partial(format_reports, texts))

    def _next_batch(self) -> list[Submission]:
        """Remove the requests of the next transaction from the queue and return them, in order."""
        count = reports = 0
        for request in self._queue:
            reports += len(request.reports)
            if count and reports > MAX_REPORTS:
                break
            count += 1
        batch = self._queue[:count]
        del self._queue[:count]
        return batch


def _result(request: Submission) -> list[Accepted]:
    if request.error is not None:
        raise request.error
    return request.accepted or []


def _commit(batch: list[Submission], new: NewDeliveries) -> None:
    """Store the requests in one transaction, and set their results after its commit."""
    begin_write()
    # Not before: it may have waited for another writer, and the lease begins now.
    new.claimed_at = utc_now()
    refused = _find_refused(batch, new.claimed_at)
    by_pbx: dict[int, list[Submission]] = {}
    for request in batch:
        if request not in refused:
            by_pbx.setdefault(request.pbx.id, []).append(request)
    # In the order of PBX IDs, so that the transactions of two processes cannot deadlock.
    stored = [(requests, _accept_reports(requests, new)) for _, requests in sorted(by_pbx.items())]
    db.session.commit()
    for requests, accepted in stored:
        results = iter(accepted)
        for request in requests:
            request.accepted = list(islice(results, len(request.reports)))
    for request, error in refused.items():
        request.error = error


def _find_refused(batch: list[Submission], now: datetime) -> dict[Submission, Exception]:
    """Return the errors of requests whose token is revoked or whose PBX has reached a quota."""
    valid = _find_valid_tokens(batch)
    refused: dict[Submission, Exception] = {
        request: RevokedError("The token has been revoked.")
        for request in batch
        if request.token_id not in valid
    }
    limited: dict[int, list[Submission]] = {}
    for request in batch:
        # A listener's PBX cannot be told to wait.
        is_limited = request.token_id is not None and has_quotas(request.pbx)
        if is_limited and request not in refused:
            limited.setdefault(request.pbx.id, []).append(request)
    for requests in limited.values():
        # Their tokens are valid, so all have the current quotas: setting these changes the IDs of
        # tokens.
        sizes = [len(request.reports) for request in requests]
        errors = check_quotas(requests[0].pbx, sizes, now)
        refused |= {one: error for one, error in zip(requests, errors, strict=True) if error}
    return refused


def _find_valid_tokens(batch: list[Submission]) -> set[str | None]:
    """Return the IDs of the requests' valid tokens, and None for the listener."""
    token_ids = {request.token_id for request in batch if request.token_id is not None}
    found = run(VALID_TOKENS, {"token_ids": list(token_ids)}).scalars() if token_ids else ()
    return {None, *found}


def _accept_reports(requests: list[Submission], new: NewDeliveries) -> list[Accepted]:
    reports = [report for request in requests for report in request.reports]
    overs = [over for request in requests for over in request.overs]
    return accept(requests[0].pbx, reports, new, overs) if reports or overs else []
