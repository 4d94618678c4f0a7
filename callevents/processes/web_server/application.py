"""What the web server runs: plain reports in the event loop, all else in Flask and threads.

The event loop reads and answers plain reports itself; one thread stores them together with others.
Switching threads for each request took longer than all the rest. Every other request goes to
Flask in a thread, with its whole body, and comes back with its whole response: no thread waits for
a client. Pages, reports and health checks have threads of their own and do not hold up each other.
"""

import asyncio
from typing import Any
from urllib.parse import unquote

import structlog
from flask import Flask
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix

from callevents.api.fast_path import FastPath
from callevents.api.ingest import PATH, STORE_ERROR
from callevents.extensions import app_state
from callevents.ingest.token_notes import TokenNotes
from callevents.processes.web_server.connection_limits import Limits
from callevents.processes.web_server.exchange import Exchange
from callevents.processes.web_server.fast_reports import FastReports
from callevents.processes.web_server.flask_threads import FAILED, FlaskThreads
from callevents.processes.web_server.request import Environ, RequestHead
from callevents.processes.web_server.response import failure_response

HEALTH_PATHS = {"/healthz", "/readyz", "/metrics"}

log = structlog.get_logger("callevents.web")


class Application:
    """Answers plain reports itself and passes all else to Flask."""

    def __init__(self, app: Flask) -> None:
        settings = app_state(app).settings
        self.limits = Limits.from_settings(settings)
        self._token_notes = app_state(app).get(TokenNotes)
        self._max_body_bytes = int(app.config["MAX_CONTENT_LENGTH"])
        self._url_map = app.url_map
        fast_path = app_state(app).find(FastPath)
        self._fast_reports = (
            FastReports(fast_path, self._pass_to_flask) if fast_path is not None else None
        )
        proxies = settings.trusted_proxies
        # It only changes the environment.
        self._proxy_fix: Any = ProxyFix(
            lambda _environ, _start: [], x_for=proxies, x_proto=proxies, x_host=proxies
        )
        threads = settings.web_threads
        self._report_threads = FlaskThreads(app, threads // 2, "reports")
        self._page_threads = FlaskThreads(app, threads - threads // 2, "pages")
        self._health_threads = FlaskThreads(app, 2, "health")

    def body_limit(self, head: RequestHead) -> int | None:
        """Return how many bytes of the body may be read; None if Flask will refuse the request."""
        path = unquote(head.target.path.decode("latin-1"))
        if not path.startswith(PATH):
            try:
                self._url_map.bind("").match(path, head.method)
            except HTTPException:
                return None
        return self._max_body_bytes

    def respond(self, exchange: Exchange) -> None:
        """Send the response, later in this event loop; raises nothing."""
        try:
            if self._accept_fast(exchange):
                return
        except Exception as error:  # noqa: BLE001  # the route responds to any error
            self._pass_to_flask(exchange, error)
        else:
            self._pass_to_flask(exchange)

    def close(self) -> None:
        """Wait for the requests in progress, and stop the threads."""
        self._report_threads.close()
        self._page_threads.close()
        self._health_threads.close()
        if self._fast_reports is not None:
            self._fast_reports.close()
        self._token_notes.close()

    def _accept_fast(self, exchange: Exchange) -> bool:
        """Return True if the request is a plain report."""
        head = exchange.request.head
        if self._fast_reports is None or not head.target.path.startswith(PATH.encode()):
            return False
        address = self._find_address(exchange)
        return self._fast_reports.accept(exchange, address, is_secure=self._is_secure(head))

    def _find_address(self, exchange: Exchange) -> str:
        """Return the client's address; behind trusted proxies what these say, as Flask sees it."""
        given = exchange.request.head.values.get("x-forwarded-for")
        if given is None:
            return exchange.client[0]
        environ = {"REMOTE_ADDR": exchange.client[0], "HTTP_X_FORWARDED_FOR": given}
        self._proxy_fix(environ, None)
        return environ["REMOTE_ADDR"]

    def _is_secure(self, head: RequestHead) -> bool:
        """Return True if a trusted proxy says that the client uses HTTPS, as Flask sees it."""
        if (given := head.values.get("x-forwarded-proto")) is None:
            return False
        environ = {"HTTP_X_FORWARDED_PROTO": given}
        self._proxy_fix(environ, None)
        return environ.get("wsgi.url_scheme") == "https"

    def _pass_to_flask(self, exchange: Exchange, store_error: Exception | None = None) -> None:
        environ: Environ = {}
        try:
            environ = exchange.request.build_environ(exchange.client, exchange.server)
            if store_error is not None:
                environ[STORE_ERROR] = store_error
            self._threads_for(environ["PATH_INFO"]).respond(environ, exchange.send)
        except Exception as error:
            log.error("request failed", exc_info=error)
            failed = failure_response(environ, 500, FAILED)
            asyncio.get_running_loop().call_soon(exchange.send, failed)

    def _threads_for(self, path: str) -> FlaskThreads:
        if path.startswith(PATH):
            return self._report_threads
        return self._health_threads if path in HEALTH_PATHS else self._page_threads
