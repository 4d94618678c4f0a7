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
from callevents.ingest.discarded import DiscardedReports, explain_repeated, write_reports
from callevents.ingest.report import Report
from callevents.ingest.statements import VALID_TOKENS, run

#: A transaction takes no further request once it has so many reports, so that none waits long.
MAX_REPORTS = 1000

#: What says of the database, and not of what was to be stored, that it cannot be.
SILENT = (OperationalError, InterfaceError, PoolTimeoutError)

log = structlog.get_logger("callevents.group_commit")


class _Request:
    """The reports of one request, and what becomes of them."""

    def __init__(self, pbx: Pbx, token_id: str | None, reports: Sequence[Report]) -> None:
        self.pbx = pbx
        self.token_id = token_id
        self.reports = reports
        self.accepted: list[Accepted] | None = None
        self.error: Exception | None = None
        #: A bare lock, taken until it is this request's turn: an Event takes four times as long.
        self._turn = threading.Lock()
        self._turn.acquire()

    @property
    def is_answered(self) -> bool:
        """Whether it is known what became of it."""
        return self.accepted is not None or self.error is not None

    def wait(self) -> None:
        """Wait until it is answered or has to lead."""
        self._turn.acquire()

    def wake(self) -> None:
        """Let the waiting thread go on."""
        self._turn.release()


class _Awaited(_Request):
    """A request for which no thread waits, but an event loop; it leads in a thread of others."""

    def __init__(
        self, pbx: Pbx, token_id: str, reports: Sequence[Report], lead: Callable[[], object]
    ) -> None:
        super().__init__(pbx, token_id, reports)
        self._lead = lead
        self._loop = asyncio.get_running_loop()
        self.answered: asyncio.Future[None] = self._loop.create_future()

    def wake(self) -> None:
        """Let the waiting coroutine go on, or lead if it is to."""
        if self.is_answered:
            self._loop.call_soon_threadsafe(self._answer)
        else:
            self._lead()

    def _answer(self) -> None:
        # The server may have given up the coroutine meanwhile.
        if not self.answered.done():
            self.answered.set_result(None)


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
        self._waiting: list[_Request] = []
        self._has_leader = False
        #: Whether workers are to be woken for what was stored.
        self.owes_wake = False

    def submit(self, pbx: Pbx, token_id: str | None, reports: Sequence[Report]) -> list[Accepted]:
        """Return what became of each report, after the commit that made it last.

        Without a token they are our own listener's.

        Raises RevokedError if the token is not valid any more, UnavailableError if the database
        does not answer, and what the database has against these reports.
        """
        request = _Request(pbx, token_id, reports)
        if not self._join(request):
            request.wait()
        if not request.is_answered:
            self._lead()
        return _result(request)

    async def submit_soon(
        self, pbx: Pbx, token_id: str, reports: Sequence[Report], threads: Executor
    ) -> list[Accepted]:
        """Do the same for a coroutine: what has to be stored is, in one of the threads."""
        request = _Awaited(pbx, token_id, reports, lambda: threads.submit(self._lead))
        if self._join(request):
            threads.submit(self._lead)
        await request.answered
        return _result(request)

    def _join(self, request: _Request) -> bool:
        """Have the request wait; return whether it is to lead."""
        with self._lock:
            self._waiting.append(request)
            leads = not self._has_leader
            self._has_leader = True
            return leads

    def take_wake(self) -> bool:
        """Return whether workers are to be woken, to one of those who ask after a commit."""
        # Not reset unless it is set: a leader could set it in between, and nobody would see it.
        if not self.owes_wake:
            return False
        # Reset before the wake: what is committed during it asks for another.
        self.owes_wake = False
        return True

    def _lead(self) -> None:
        """Store what waits, the leader's own first, and answer it; then let the next one lead."""
        with self._lock:
            batch = self._take()
        try:
            # A context of its own, so that what it does and undoes is not the request's.
            with self._app.app_context():
                _store(batch)
        finally:
            for request in batch:
                if not request.is_answered:
                    request.error = UnavailableError("The events were not stored.")
            if any(event.deliveries for request in batch for event in request.accepted or ()):
                self.owes_wake = True
            with self._lock:
                self._has_leader = bool(self._waiting)
                following = self._waiting[:1]
            for request in (*batch, *following):
                request.wake()
        self._note_repeated(batch)

    def _note_repeated(self, batch: list[_Request]) -> None:
        """Have kept for people what was told before; the leader, who is one of them, goes on."""
        repeated: dict[int, list[tuple[Report, str]]] = {}
        for request in batch:
            for report, event in zip(request.reports, request.accepted or (), strict=False):
                if event.repeated:
                    repeated.setdefault(request.pbx.id, []).append((report, event.id))
        discarded_reports = app_state(self._app).get(DiscardedReports)
        for pbx_id, found in repeated.items():
            reason = explain_repeated([first_id for _, first_id in found])
            texts = [report for report, _ in found]
            discarded_reports.keep_soon(pbx_id, 200, reason, partial(write_reports, texts))

    def _take(self) -> list[_Request]:
        """Return the requests of the next transaction, in the order in which they came."""
        count = reports = 0
        for request in self._waiting:
            reports += len(request.reports)
            if count and reports > MAX_REPORTS:
                break
            count += 1
        batch = self._waiting[:count]
        del self._waiting[:count]
        return batch


def _result(request: _Request) -> list[Accepted]:
    if request.error is not None:
        raise request.error
    return request.accepted or []


def _store(batch: list[_Request]) -> None:
    """Store the requests together; if that fails because of one of them, each on its own."""
    try:
        _commit(batch)
    except SILENT as error:
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


def _commit(batch: list[_Request]) -> None:
    """Store the requests in one transaction, and answer them after its commit."""
    begin_write()
    valid = _valid_tokens(batch)
    by_pbx: dict[int, list[_Request]] = {}
    for request in batch:
        if request.token_id in valid:
            by_pbx.setdefault(request.pbx.id, []).append(request)
    # PBXs in the order of their ids, so that two processes' transactions cannot deadlock.
    stored = [(requests, _accept(requests)) for _, requests in sorted(by_pbx.items())]
    db.session.commit()
    for requests, accepted in stored:
        results = iter(accepted)
        for request in requests:
            request.accepted = list(islice(results, len(request.reports)))
    for request in batch:
        if request.token_id not in valid:
            request.error = RevokedError("The token is not valid any more.")


def _valid_tokens(batch: list[_Request]) -> set[str | None]:
    """Return which of the requests' tokens are valid; a listener needs none."""
    token_ids = {request.token_id for request in batch if request.token_id is not None}
    found = run(VALID_TOKENS, {"token_ids": list(token_ids)}).scalars() if token_ids else ()
    return {None, *found}


def _accept(requests: list[_Request]) -> list[Accepted]:
    reports = [report for request in requests for report in request.reports]
    return accept(requests[0].pbx, reports) if reports else []
