"""What the web server runs: plain reports in the event loop, all else in Flask and threads.

The event loop reads and answers plain reports itself; one thread stores them together with others.
Switching threads for each request took longer than all the rest. Every other request goes to
Flask in a thread, with its whole body, and comes back with its whole response: no thread waits for
a client. Pages, reports and health checks have threads of their own and do not hold up each other.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import unquote

import structlog
from flask import Flask
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix

from callevents.api.fast_path import FastPath, PlainReport, build_response
from callevents.api.ingest import PATH, STORE_ERROR
from callevents.errors import RevokedError
from callevents.extensions import app_state
from callevents.processes.web_server.connection import BUSY
from callevents.processes.web_server.connection_limits import Limits
from callevents.processes.web_server.request import Environ, Request, RequestHead
from callevents.processes.web_server.response import Response, problem_response

HEALTH_PATHS = {"/healthz", "/readyz", "/metrics"}
#: Longer bodies are read in a thread, so that the loop is not held up.
MAX_INLINE_BYTES = 16 * 1024
#: Requests that wait for a thread; more are refused, so that they do not wait for too long.
MAX_WAITING = 1000

FAILED = "The server failed to answer this request."

Address = tuple[str, int]

log = structlog.get_logger("callevents.web")


class Application:
    """Answers plain reports itself and passes all else to Flask."""

    def __init__(self, app: Flask) -> None:
        settings = app_state(app).settings
        self.limits = Limits.from_settings(settings)
        self._max_body_bytes = int(app.config["MAX_CONTENT_LENGTH"])
        self._url_map = app.url_map
        self._fast_path = app_state(app).find(FastPath)
        proxies = settings.trusted_proxies
        # It only changes the environment.
        self._proxy_fix: Any = ProxyFix(
            lambda _environ, _start: [], x_for=proxies, x_proto=proxies, x_host=proxies
        )
        threads = settings.web_threads
        self._report_threads = _FlaskThreads(app, threads // 2, "reports")
        self._page_threads = _FlaskThreads(app, threads - threads // 2, "pages")
        self._health_threads = _FlaskThreads(app, 2, "health")
        self._store_executor = ThreadPoolExecutor(1, "store")
        self._wake_executor = ThreadPoolExecutor(1, "wake")

    def body_limit(self, head: RequestHead) -> int | None:
        """Return how many bytes of the body may be read; None if Flask will refuse the request."""
        path = unquote(head.target.path.decode("latin-1"))
        if not path.startswith(PATH):
            try:
                self._url_map.bind("").match(path, head.method)
            except HTTPException:
                return None
        return self._max_body_bytes

    async def respond(self, request: Request, client: Address, server: Address) -> Response:
        """Return the response; raises nothing."""
        try:
            environ = request.build_environ(client, server)
            path = environ["PATH_INFO"]
            if path.startswith(PATH) and (response := await self._try_fast_path(request, environ)):
                return response
            return await self._threads_for(path).respond(environ)
        except Exception as error:
            log.error("request failed", exc_info=error)
            return problem_response(500, FAILED)

    def close(self) -> None:
        """Wait for the requests in progress, and stop the threads."""
        self._report_threads.close()
        self._page_threads.close()
        self._health_threads.close()
        self._store_executor.shutdown()
        self._wake_executor.shutdown()

    def _threads_for(self, path: str) -> "_FlaskThreads":
        if path.startswith(PATH):
            return self._report_threads
        return self._health_threads if path in HEALTH_PATHS else self._page_threads

    async def _try_fast_path(self, request: Request, environ: Environ) -> Response | None:
        """Store a plain report and return the response; None if the route has to respond."""
        fast_path = self._fast_path
        if fast_path is None or not request.is_body_complete:
            return None
        if request.body.length > MAX_INLINE_BYTES:
            return None
        # Flask applies it to its own environment.
        fixed = dict(environ)
        self._proxy_fix(fixed, None)
        plain_report = fast_path.read(fixed)
        environ["wsgi.input"].seek(0)
        if plain_report is None:
            return None
        try:
            response = await self._store(fast_path, plain_report)
        except RevokedError:
            fast_path.forget(plain_report.sender)
            return None
        except Exception as error:  # noqa: BLE001  # the route responds to any error
            environ[STORE_ERROR] = error
            return None
        if fast_path.group_commit.is_wake_due:
            self._wake_executor.submit(fast_path.group_commit.wake_workers)
        return response

    async def _store(self, fast_path: FastPath, plain_report: PlainReport) -> Response:
        sender = plain_report.sender
        accepted = await fast_path.group_commit.submit_async(
            sender.pbx, sender.token_id, plain_report.reports, self._store_executor
        )
        return Response(*build_response(plain_report, accepted))


class _FlaskThreads:
    """Threads in which Flask answers requests."""

    def __init__(self, app: Flask, threads: int, name: str) -> None:
        self._app = app
        self._executor = ThreadPoolExecutor(max(1, threads), name)
        self._unfinished = 0
        self._most = max(1, threads) + MAX_WAITING

    async def respond(self, environ: Environ) -> Response:
        """Return Flask's response."""
        if self._unfinished >= self._most:
            return problem_response(503, BUSY, [("Retry-After", "1")])
        self._unfinished += 1
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Response] = loop.create_future()

        def deliver(response: Response | Exception) -> None:
            loop.call_soon_threadsafe(_set, future, response)

        try:
            self._executor.submit(_run, self._app, environ, deliver)
            return await future
        finally:
            self._unfinished -= 1

    def close(self) -> None:
        """Wait for the requests in progress, and stop the threads."""
        self._executor.shutdown()


def _set(future: asyncio.Future[Response], response: Response | Exception) -> None:
    if future.done():
        # The response has been sent, and what Flask does after it failed.
        log.error("request failed", exc_info=response)
    elif isinstance(response, Exception):
        future.set_exception(response)
    else:
        future.set_result(response)


def _run(app: Flask, environ: Environ, deliver: Callable[[Response | Exception], None]) -> None:
    """Run Flask (PEP 3333). What it does after the response does not hold up the response."""
    head: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], _error: Any = None) -> Any:
        head[:] = int(status.partition(" ")[0]), headers
        return body.append

    body: list[bytes] = []
    try:
        chunks: Any = app(environ, start_response)
        try:
            body += chunks
            deliver(Response(head[0], head[1], b"".join(body)))
        finally:
            if hasattr(chunks, "close"):
                chunks.close()
    except Exception as error:  # noqa: BLE001  # the event loop logs it
        deliver(error)
