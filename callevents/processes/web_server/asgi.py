"""The ASGI application that the web server runs, in front of the WSGI application.

The event loop reads and answers plain reports itself; one thread stores them together with others.
Switching threads for each request took longer than all the rest. Every other request goes to the
WSGI application in a thread of a pool, with its whole body.
"""

from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any

from a2wsgi import WSGIMiddleware
from a2wsgi.wsgi import build_environ
from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from callevents.api.fast_path import FastPath, PlainReport, build_response
from callevents.api.ingest import PATH, STORE_ERROR
from callevents.errors import RevokedError
from callevents.extensions import app_state

#: Longer bodies are read in a thread, so that the loop is not held up.
MAX_INLINE_BYTES = 16 * 1024

Scope = dict[str, Any]


class AsgiApp:
    """The ASGI application; answers plain reports itself and passes all else to Flask."""

    def __init__(self, app: Flask) -> None:
        settings = app_state(app).settings
        self._fast_path = app_state(app).find(FastPath)
        self._max_body_bytes = app.config["MAX_CONTENT_LENGTH"]
        self._proxy_fix = ProxyFix(
            lambda _environ, _start: [],
            x_for=settings.trusted_proxies,
            x_proto=settings.trusted_proxies,
            x_host=settings.trusted_proxies,
        )
        wsgi_app: Any = app.wsgi_app
        self._wsgi: Any = WSGIMiddleware(wsgi_app, workers=settings.web_threads)
        self._store_executor = ThreadPoolExecutor(1, "store")
        self._wake_executor = ThreadPoolExecutor(1, "wake")

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Respond to a request."""
        if scope["type"] != "http":
            return
        # WSGI maps underscores to hyphens: such a header could imitate one from a trusted proxy.
        headers = [pair for pair in scope["headers"] if b"_" not in pair[0]]
        scope = {**scope, "headers": headers}
        if _declared_length(headers) > self._max_body_bytes:
            # Flask rejects it; the body is not read.
            await self._wsgi(scope, receive, send)
            return
        body = await _read_body(receive, self._max_body_bytes)
        if body is None:
            return
        scope["headers"] = _with_length(headers, len(body))
        if (fast_path := self._fast_path_for(scope, body)) and await self._try_fast_path(
            fast_path, scope, body, send
        ):
            return
        await self._wsgi(scope, _ReplayBody(body, receive), send)

    def _fast_path_for(self, scope: Scope, body: bytes) -> FastPath | None:
        is_short = scope["path"].startswith(PATH) and len(body) <= MAX_INLINE_BYTES
        return self._fast_path if is_short else None

    async def _try_fast_path(
        self, fast_path: FastPath, scope: Scope, body: bytes, send: Any
    ) -> bool:
        """Store a plain report, send the response and return True; return False for the route."""
        environ: dict[str, Any] = dict(build_environ(scope, BytesIO(body)))  # type: ignore[arg-type]  # any file will do
        self._proxy_fix(environ, None)  # type: ignore[arg-type]  # it only changes the environment
        plain_report = fast_path.read(environ)
        if plain_report is None:
            return False
        try:
            accepted = await fast_path.group_commit.submit_async(
                plain_report.sender.pbx,
                plain_report.sender.token_id,
                plain_report.reports,
                self._store_executor,
            )
        except RevokedError:
            fast_path.forget(plain_report.sender)
            return False
        except Exception as error:  # noqa: BLE001  # the route responds to any error
            scope[STORE_ERROR] = error
            return False
        await _send_response(plain_report, accepted, send)
        if fast_path.group_commit.is_wake_due:
            self._wake_executor.submit(fast_path.wake)
        return True


class _ReplayBody:
    """Receives a body that was already read, then the server's further messages."""

    def __init__(self, body: bytes, receive: Any) -> None:
        self._message: dict[str, Any] | None = {
            "type": "http.request",
            "body": body,
            "more_body": False,
        }
        self._receive = receive

    async def __call__(self) -> Any:
        message, self._message = self._message, None
        return message or await self._receive()


def _declared_length(headers: list[tuple[bytes, bytes]]) -> int:
    for name, value in headers:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0


async def _read_body(receive: Any, max_bytes: int) -> bytes | None:
    """Return the body, truncated beyond the limit; None if the client disconnected."""
    body = b""
    while len(body) <= max_bytes:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    return body


def _with_length(headers: list[tuple[bytes, bytes]], length: int) -> list[tuple[bytes, bytes]]:
    """Return the headers with the length of a body that arrived in chunks."""
    if not any(name == b"transfer-encoding" for name, _ in headers):
        return headers
    left_out = (b"transfer-encoding", b"content-length")
    kept = [pair for pair in headers if pair[0] not in left_out]
    return [*kept, (b"content-length", str(length).encode())]


async def _send_response(plain_report: PlainReport, accepted: Any, send: Any) -> None:
    status, headers, body = build_response(plain_report, accepted)
    encoded = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})
