"""Plain reports, which the event loop reads and answers itself; one thread stores them together.

No request has a task or a future: the thread puts what it has stored into a queue, and wakes the
event loop once for all of it.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from callevents.api.fast_path import FastPath, PlainReport, PlainRequest, build_response
from callevents.errors import RevokedError
from callevents.ingest.accept import Accepted
from callevents.processes.web_server.exchange import Exchange
from callevents.processes.web_server.response import Response

#: Longer bodies are read in a thread, so that the loop is not held up.
MAX_INLINE_BYTES = 16 * 1024

#: What was accepted, or why nothing was stored.
Stored = list[Accepted] | Exception


class FastReports:
    """Stores and answers plain reports.

    `pass_on` gets those that turn out not to be plain, with the error if storing them failed.
    """

    def __init__(
        self, fast_path: FastPath, pass_on: Callable[[Exchange, Exception | None], None]
    ) -> None:
        self._fast_path = fast_path
        self._pass_on = pass_on
        self._store_executor = ThreadPoolExecutor(1, "store")
        self._wake_executor = ThreadPoolExecutor(1, "wake")
        self._stored: deque[tuple[Exchange, PlainReport, Stored]] = deque()
        self._is_due = False

    def accept(self, exchange: Exchange, *, is_secure: bool) -> bool:
        """Store a plain report and respond later; return False if the request is anything else."""
        request = exchange.request
        if not request.is_body_complete or request.body.length > MAX_INLINE_BYTES:
            return False
        method, target, headers = request.head.method, request.head.target, request.head.values
        plain_report = self._fast_path.read(
            PlainRequest(method, target.path, target.query, headers, request.body.read(), is_secure)
        )
        if plain_report is None:
            return False
        self._fast_path.group_commit.submit_later(
            plain_report.sender.pbx,
            plain_report.sender.token_id,
            plain_report.reports,
            self._store_executor,
            partial(self._note, asyncio.get_running_loop(), exchange, plain_report),
        )
        return True

    def close(self) -> None:
        """Wait for the requests in progress, and stop the threads."""
        self._store_executor.shutdown()
        self._wake_executor.shutdown()

    def _note(
        self,
        loop: asyncio.AbstractEventLoop,
        exchange: Exchange,
        plain_report: PlainReport,
        stored: Stored,
    ) -> None:
        """Have the event loop respond. Runs in the thread that stored the reports."""
        self._stored.append((exchange, plain_report, stored))
        if not self._is_due:
            self._is_due = True
            loop.call_soon_threadsafe(self._respond_to_all)

    def _respond_to_all(self) -> None:
        # Reset first: what is added from now on causes another call.
        self._is_due = False
        while self._stored:
            self._respond(*self._stored.popleft())
        if self._fast_path.group_commit.is_wake_due:
            self._wake_executor.submit(self._fast_path.wake)

    def _respond(self, exchange: Exchange, plain_report: PlainReport, stored: Stored) -> None:
        if isinstance(stored, RevokedError):
            self._fast_path.forget(plain_report.sender)
            self._pass_on(exchange, None)
        elif isinstance(stored, Exception):
            self._pass_on(exchange, stored)
        else:
            exchange.send(Response(*build_response(plain_report, stored)))
