"""Group commit: events that are reported at the same time are stored in one transaction.

A commit waits for the disk, and costs nearly the same for one event as for fifty. So whoever comes
while no other is storing leads: the leader stores all that wait, its own included, while those who
come meanwhile wait for the next leader, who is the first of them. There is no thread of its own
that could die or be lost in a fork, and who reports alone does not even change threads.
"""

import asyncio
import os
import threading
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from functools import partial
from itertools import islice

import structlog
from flask import Flask
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from callevents.db.models import Pbx
from callevents.db.session import begin_write, end_transaction
from callevents.errors import RevokedError, UnavailableError
from callevents.extensions import app_state, db
from callevents.ingest.accept import Accepted, accept
from callevents.ingest.discarded import DiscardedReports, explain_duplicate, format_reports
from callevents.ingest.report import Report
from callevents.ingest.statements import VALID_TOKENS, run

#: A transaction takes no further request once it has so many reports, so that none waits long.
MAX_REPORTS = 1000

#: What says of the database, and not of what was to be stored, that it cannot be.
UNAVAILABLE_ERRORS = (OperationalError, InterfaceError, PoolTimeoutError)

log = structlog.get_logger("callevents.group_commit")


class _Submission:
    """The reports of one request, and what becomes of them."""

    def __init__(self, pbx: Pbx, token_id: str | None, reports: Sequence[Report]) -> None:
        self.pbx = pbx
        self.token_id = token_id
        self.reports = reports
        self.accepted: list[Accepted] | None = None
        self.error: Exception | None = None
        #: A bare lock, taken until it is this request's turn: an Event takes four times as long.
        self._ready = threading.Lock()
        self._ready.acquire()

    @property
    def is_done(self) -> bool:
        """Whether it is known what became of it."""
        return self.accepted is not None or self.error is not None

    def wait(self) -> None:
        """Wait until it is done or has to lead."""
        self._ready.acquire()

    def wake(self) -> None:
        """Let the waiting thread go on."""
        self._ready.release()


class _AsyncSubmission(_Submission):
    """A request for which no thread waits, but an event loop; it leads in a thread of others."""

    def __init__(
        self, pbx: Pbx, token_id: str, reports: Sequence[Report], start_leader: Callable[[], object]
    ) -> None:
        super().__init__(pbx, token_id, reports)
        self._start_leader = start_leader
        self._loop = asyncio.get_running_loop()
        self.done: asyncio.Future[None] = self._loop.create_future()

    def wake(self) -> None:
        """Let the waiting coroutine go on, or lead if it is to."""
        if self.is_done:
            self._loop.call_soon_threadsafe(self._complete)
        else:
            self._start_leader()

    def _complete(self) -> None:
        # The server may have given up the coroutine meanwhile.
        if not self.done.done():
            self.done.set_result(None)


class GroupCommit:
    """Takes the reports of this process's requests. One for an application."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._reset()
        reset = weakref.WeakMethod(self._reset)
        # A forked process has none of the threads that lead or wait here.
        os.register_at_fork(after_in_child=lambda: (found := reset()) and found())

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._queue: list[_Submission] = []
        self._has_leader = False
        #: Whether workers are to be woken for what was stored.
        self.is_wake_due = False

    def submit(self, pbx: Pbx, token_id: str | None, reports: Sequence[Report]) -> list[Accepted]:
        """Return what became of each report, after the commit that made it last.

        Without a token they are our own listener's.

        Raises RevokedError if the token is not valid any more, UnavailableError if the database
        does not answer, and what the database has against these reports.
        """
        request = _Submission(pbx, token_id, reports)
        if not self._enqueue(request):
            request.wait()
        if not request.is_done:
            self._commit_next_batch()
        return _result(request)

    async def submit_async(
        self, pbx: Pbx, token_id: str, reports: Sequence[Report], threads: Executor
    ) -> list[Accepted]:
        """Do the same for a coroutine: what has to be stored is, in one of the threads."""
        request = _AsyncSubmission(
            pbx, token_id, reports, lambda: threads.submit(self._commit_next_batch)
        )
        if self._enqueue(request):
            threads.submit(self._commit_next_batch)
        await request.done
        return _result(request)

    def _enqueue(self, request: _Submission) -> bool:
        """Have the request wait; return whether it is to lead."""
        with self._lock:
            self._queue.append(request)
            leads = not self._has_leader
            self._has_leader = True
            return leads

    def claim_wake(self) -> bool:
        """Return whether workers are to be woken, to one of those who ask after a commit."""
        # Not reset unless it is set: a leader could set it in between, and nobody would see it.
        if not self.is_wake_due:
            return False
        # Reset before the wake: what is committed during it asks for another.
        self.is_wake_due = False
        return True

    def _commit_next_batch(self) -> None:
        """Store what waits, the leader's own first, and answer it; then let the next one lead."""
        with self._lock:
            batch = self._next_batch()
        try:
            # A context of its own, so that what it does and undoes is not the request's.
            with self._app.app_context():
                _store(batch)
        finally:
            for request in batch:
                if not request.is_done:
                    request.error = UnavailableError("The events were not stored.")
            if any(event.deliveries for request in batch for event in request.accepted or ()):
                self.is_wake_due = True
            with self._lock:
                self._has_leader = bool(self._queue)
                following = self._queue[:1]
            for request in (*batch, *following):
                request.wake()
        self._record_duplicates(batch)

    def _record_duplicates(self, batch: list[_Submission]) -> None:
        """Have kept for people what was told before; the leader, who is one of them, goes on."""
        repeated: dict[int, list[tuple[Report, str]]] = {}
        for request in batch:
            for report, event in zip(request.reports, request.accepted or (), strict=False):
                if event.is_duplicate:
                    repeated.setdefault(request.pbx.id, []).append((report, event.id))
        discarded_reports = app_state(self._app).get(DiscardedReports)
        for pbx_id, found in repeated.items():
            reason = explain_duplicate([first_id for _, first_id in found])
            texts = [report for report, _ in found]
            discarded_reports.store_async(pbx_id, 200, reason, partial(format_reports, texts))

    def _next_batch(self) -> list[_Submission]:
        """Return the requests of the next transaction, in the order in which they came."""
        count = reports = 0
        for request in self._queue:
            reports += len(request.reports)
            if count and reports > MAX_REPORTS:
                break
            count += 1
        batch = self._queue[:count]
        del self._queue[:count]
        return batch


def _result(request: _Submission) -> list[Accepted]:
    if request.error is not None:
        raise request.error
    return request.accepted or []


def _store(batch: list[_Submission]) -> None:
    """Store the requests together; if that fails because of one of them, each on its own."""
    try:
        _commit(batch)
    except UNAVAILABLE_ERRORS as error:
        end_transaction()
        log.error("the database does not answer", error=str(error))
        for request in batch:
            request.error = UnavailableError("The database does not answer.")
    except Exception as error:  # noqa: BLE001  # whatever it is, it is the answer to a request
        end_transaction()
        if len(batch) == 1:
            batch[0].error = error
            return
        for request in batch:
            _store([request])


def _commit(batch: list[_Submission]) -> None:
    """Store the requests in one transaction, and answer them after its commit."""
    begin_write()
    valid = _find_valid_tokens(batch)
    by_pbx: dict[int, list[_Submission]] = {}
    for request in batch:
        if request.token_id in valid:
            by_pbx.setdefault(request.pbx.id, []).append(request)
    # PBXs in the order of their ids, so that two processes' transactions cannot deadlock.
    stored = [(requests, _accept_reports(requests)) for _, requests in sorted(by_pbx.items())]
    db.session.commit()
    for requests, accepted in stored:
        results = iter(accepted)
        for request in requests:
            request.accepted = list(islice(results, len(request.reports)))
    for request in batch:
        if request.token_id not in valid:
            request.error = RevokedError("The token is not valid any more.")


def _find_valid_tokens(batch: list[_Submission]) -> set[str | None]:
    """Return which of the requests' tokens are valid; a listener needs none."""
    token_ids = {request.token_id for request in batch if request.token_id is not None}
    found = run(VALID_TOKENS, {"token_ids": list(token_ids)}).scalars() if token_ids else ()
    return {None, *found}


def _accept_reports(requests: list[_Submission]) -> list[Accepted]:
    reports = [report for request in requests for report in request.reports]
    return accept(requests[0].pbx, reports) if reports else []
