"""Threads in which Flask answers requests."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import structlog
from flask import Flask

from callevents.processes.web_server.exchange import Send
from callevents.processes.web_server.request import Environ
from callevents.processes.web_server.response import BUSY, Response, failure_response

#: Requests that wait for a thread; more are refused, so that they do not wait for too long.
MAX_WAITING = 1000

FAILED = "The server failed to answer this request."

log = structlog.get_logger("callevents.web")


class FlaskThreads:
    """Some threads, with a limit of how many requests wait for them."""

    def __init__(self, app: Flask, threads: int, name: str) -> None:
        self._app = app
        self._executor = ThreadPoolExecutor(max(1, threads), name)
        self._unfinished = 0
        self._most = max(1, threads) + MAX_WAITING

    def respond(self, environ: Environ, send: Send) -> None:
        """Send Flask's response, later in this event loop."""
        loop = asyncio.get_running_loop()
        if self._unfinished >= self._most:
            retry = [("Retry-After", "1")]
            loop.call_soon(send, failure_response(environ, 503, BUSY, retry))
            return
        self._unfinished += 1

        def finish(response: Response) -> None:
            self._unfinished -= 1
            send(response)

        self._executor.submit(
            _run, self._app, environ, lambda found: loop.call_soon_threadsafe(finish, found)
        )

    def close(self) -> None:
        """Wait for the requests in progress, and stop the threads."""
        self._executor.shutdown()


def _run(app: Flask, environ: Environ, deliver: Callable[[Response], object]) -> None:
    """Run Flask (PEP 3333). What it does after the response does not hold up the response."""
    head: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], _error: Any = None) -> Any:
        head[:] = int(status.partition(" ")[0]), headers
        return body.append

    body: list[bytes] = []
    is_delivered = False
    try:
        chunks: Any = app(environ, start_response)
        try:
            body += chunks
            deliver(Response(head[0], head[1], b"".join(body)))
            is_delivered = True
        finally:
            if hasattr(chunks, "close"):
                chunks.close()
    except Exception as error:
        log.error("request failed", exc_info=error)
        if not is_delivered:
            deliver(failure_response(environ, 500, FAILED))
