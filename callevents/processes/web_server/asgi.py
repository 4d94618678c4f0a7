"""The application as the web server runs it: for an event loop, so that no report needs a thread.

A plain report is read and answered in the loop itself, and stored together with others in a thread
of its own. Going from thread to thread for each request took longer than all the rest. Everything
else is handed to the WSGI application, in one of its threads, with its whole body.
"""

from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any

from a2wsgi import WSGIMiddleware
from a2wsgi.wsgi import build_environ
from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from callevents.api.fast_path import STRANGER, Express, Plain, write
from callevents.api.ingest import PATH
from callevents.extensions import app_state

#: Longer reports are read in a thread, so that the loop is not held up.
LONGEST_IN_LOOP = 16 * 1024
#: Where in the scope the WSGI environment is that was made on the short way.
_ENVIRON = "callevents.environ"

Scope = dict[str, Any]


class Front:
    """The ASGI application in front of the WSGI application `app`."""

    def __init__(self, app: Flask) -> None:
        settings = app_state(app).settings
        self._express = app_state(app).find(Express)
        self._whole: Any = app.wsgi_app
        self._longest = app.config["MAX_CONTENT_LENGTH"]
        self._proxied = ProxyFix(
            lambda _environ, _start: [],
            x_for=settings.trusted_proxies,
            x_proto=settings.trusted_proxies,
            x_host=settings.trusted_proxies,
        )
        run: Any = self._run
        self._wsgi: Any = WSGIMiddleware(run, workers=settings.web_threads)
        self._storing = ThreadPoolExecutor(1, "store")
        self._waking = ThreadPoolExecutor(1, "wake")

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return
        # WSGI takes an underscore for a hyphen, so such a header could pass for a proxy's.
        headers = [pair for pair in scope["headers"] if b"_" not in pair[0]]
        scope = {**scope, "headers": headers}
        if _declared_length(headers) > self._longest:
            # Refused without reading it.
            await self._wsgi(scope, receive, send)
            return
        body = await _read(receive, self._longest)
        if body is None:
            return
        scope["headers"] = _with_length(headers, len(body))
        if (express := self._express_for(scope, body)) and await self._take(
            express, scope, body, send
        ):
            return
        await self._wsgi(scope, _Replay(body, receive), send)

    def _express_for(self, scope: Scope, body: bytes) -> Express | None:
        is_short = scope["path"].startswith(PATH) and len(body) <= LONGEST_IN_LOOP
        return self._express if is_short else None

    async def _take(self, express: Express, scope: Scope, body: bytes, send: Any) -> bool:
        """Answer the request if it is a plain report, or leave its environment to the long way."""
        environ: dict[str, Any] = dict(build_environ(scope, BytesIO(body)))  # type: ignore[arg-type]  # any file will do
        self._proxied(environ, None)  # type: ignore[arg-type]  # nothing is answered there
        # Those who wait for the loop hold the database's connections, so it must not wait for one.
        plain = express.read(environ, may_ask=False)
        if STRANGER in environ:
            return False
        scope[_ENVIRON] = environ
        if plain is None:
            return False
        try:
            accepted = await express.group_commit.submit_soon(
                plain.sender.pbx, plain.sender.token_id, plain.reports, self._storing
            )
        except Exception as error:  # noqa: BLE001  # answered on the long way, whatever it is
            express.note_failure(plain, error)
            return False
        await _answer(plain, accepted, send)
        if express.group_commit.owes_wake:
            self._waking.submit(express.wake)
        return True

    def _run(self, environ: dict[str, Any], start_response: Any) -> Any:
        """Answer as WSGI does, in one of the threads."""
        made = environ["asgi.scope"].get(_ENVIRON)
        if made is None or self._express is None:
            return self._whole(environ, start_response)
        return self._express.long_way(made, start_response)


class _Replay:
    """Gives a body that was read already, then what the server has to say."""

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


async def _read(receive: Any, longest: int) -> bytes | None:
    """Return the body, cut when it is too long; None if the client broke off."""
    body = b""
    while len(body) <= longest:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    return body


def _with_length(headers: list[tuple[bytes, bytes]], length: int) -> list[tuple[bytes, bytes]]:
    """Return the headers for a body that has been put together."""
    if not any(name == b"transfer-encoding" for name, _ in headers):
        return headers
    left_out = (b"transfer-encoding", b"content-length")
    kept = [pair for pair in headers if pair[0] not in left_out]
    return [*kept, (b"content-length", str(length).encode())]


async def _answer(plain: Plain, accepted: Any, send: Any) -> None:
    status, headers, body = write(plain, accepted)
    encoded = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    await send({"type": "http.response.start", "status": int(status[:3]), "headers": encoded})
    await send({"type": "http.response.body", "body": body})
