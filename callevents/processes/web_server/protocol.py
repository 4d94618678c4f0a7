"""The web server's HTTP protocol: uvicorn's, with limits against slow or malicious clients."""

import asyncio
import logging
import os
import re
import signal
from typing import Any

from httptools import HttpParserError
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn_worker import UvicornWorker

from callevents.processes.web_server.server import GRACEFUL_SECONDS

#: A connection that is idle for longer in the middle of a request is closed.
IDLE_SECONDS = 30
MAX_REQUEST_LINE_BYTES = 8190
MAX_HEAD_BYTES = 64 * 1024
MAX_CONNECTIONS = 2000

#: How often a process sends gunicorn its heartbeat, and checks that gunicorn is alive.
NOTIFY_SECONDS = 1

_BEYOND_ASCII = re.compile(rb"[\x80-\xff]")
_UPGRADE = re.compile(rb"\nupgrade:", re.IGNORECASE)

UNREADABLE = "The request is not valid HTTP."
BROKEN_BODY = "The body is incomplete, or its chunks are malformed."
LONG_LINE = f"The request line is longer than {MAX_REQUEST_LINE_BYTES} bytes."
LONG_HEAD = f"The request head is longer than {MAX_HEAD_BYTES // 1024} KiB."


class Protocol(HttpToolsProtocol):
    """One connection. Invalid requests get a problem document; idle connections are closed."""

    idle_seconds: float = IDLE_SECONDS

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Set the state of the new connection."""
        super().connection_made(transport)  # type: ignore[arg-type]  # it is a socket's
        #: Bytes received since the last piece of a body: a head, trailers or chunk extensions.
        self._head_bytes = 0
        self._is_in_line = self._is_in_head = True
        self._is_in_body = False
        self._rejection = (400, UNREADABLE)
        self._received_at = self.loop.time()
        self._unsent = 0
        self._timer = self.loop.call_later(self.idle_seconds, self._check_idle)

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the idle timer."""
        self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse the received data, within the limit of the head."""
        self._received_at = self.loop.time()
        if self._head_bytes > MAX_HEAD_BYTES:
            self._reject(431, LONG_HEAD)
            return
        self._head_bytes += len(data)
        if self._is_in_head:
            data = self._repair_head(data)
        super().data_received(data)

    def _repair_head(self, data: bytes) -> bytes:
        """Return the data in a form that the parser accepts.

        Many PBXs do not percent-encode names in a URL. A server may ignore an Upgrade header, which
        curl and others send (RFC 9110, section 7.8); the parser would ignore the body instead.
        """
        if self._is_in_line:
            line, end, rest = data.partition(b"\n")
            data = _BEYOND_ASCII.sub(lambda found: b"%%%02X" % found[0][0], line) + end + rest
            self._is_in_line = not end
        head, end, rest = data.partition(b"\r\n\r\n")
        return _UPGRADE.sub(b"\nx-upgrade:", head) + end + rest

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio reads True as 'keep it open'
        """Respond to a client that has closed its sending side, then close the connection."""
        if self._is_in_body:
            self._reject(400, BROKEN_BODY)
        return self._close_after_response()

    def _close_after_response(self) -> bool:
        """Close the connection after the response in progress; return False if there is none."""
        is_responding = self.cycle is not None and not self.cycle.response_complete
        if is_responding and not self._is_in_body and not self.transport.is_closing():
            self.cycle.keep_alive = False
            return True
        return False

    def on_message_begin(self) -> None:
        """Start a request."""
        super().on_message_begin()
        self._is_in_head = True

    def on_url(self, url: bytes) -> None:
        """Add a part of the request target, within the limit."""
        super().on_url(url)
        if len(self.url) > MAX_REQUEST_LINE_BYTES:
            self._rejection = (414, LONG_LINE)
            raise HttpParserError(LONG_LINE)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header; ignore trailers after a chunked body."""
        if self._is_in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """End the head."""
        self._is_in_head, self._is_in_body, self._head_bytes = False, True, 0
        self._rejection = (400, BROKEN_BODY)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Add a piece of the body."""
        self._head_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the body."""
        self._head_bytes = 0
        self._is_in_body, self._is_in_head = False, True
        self._is_in_line = True
        self._rejection = (400, UNREADABLE)
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  # uvicorn's signature
        """Reject data that cannot be parsed."""
        self._reject(*self._rejection)

    def _reject(self, status: int, sentence: str) -> None:
        """Send a problem document, unless a response has started, and close the connection."""
        # The client must not take this for the response to an earlier, complete request.
        if self.transport.is_closing() or self._close_after_response():
            return
        if self.cycle is None or not self.cycle.response_started or self.cycle.response_complete:
            body = f'{{"title":"{status}","status":{status},"detail":"{sentence}"}}\n'.encode()
            self.transport.write(
                STATUS_LINE[status]
                + b"content-type: application/problem+json\r\nconnection: close\r\n"
                + b"content-length: %d\r\n\r\n" % len(body)
                + body
            )
        self.transport.close()

    def _check_idle(self) -> None:
        """Close the connection if we have waited too long for the client."""
        unsent = self.transport.get_write_buffer_size()
        if unsent != self._unsent:
            # The client is reading a long response, however slowly.
            self._unsent, self._received_at = unsent, self.loop.time()
        idle = self.loop.time() - self._received_at
        is_responding = self.cycle is not None and not self.cycle.response_complete
        if is_responding and not self._is_in_body and not self.flow.write_paused:
            idle = 0.0
        if idle >= self.idle_seconds:
            self.logger.warning("closed an idle connection")
            self.transport.abort()
        else:
            wait = self.idle_seconds - idle
            self._timer = self.loop.call_later(wait, self._check_idle)


class Worker(UvicornWorker):  # type: ignore[misc]  # it has no types
    """Gunicorn's worker process with uvicorn's event loop in it."""

    CONFIG_KWARGS: dict[str, Any] = {  # noqa: RUF012  # uvicorn-worker's attribute
        "loop": "uvloop",
        "http": Protocol,
        "ws": "none",
        "lifespan": "off",
        "interface": "asgi3",
        "proxy_headers": False,
        "server_header": False,
        "access_log": False,
        "limit_concurrency": MAX_CONNECTIONS,
        "timeout_graceful_shutdown": GRACEFUL_SECONDS,
        "timeout_notify": NOTIFY_SECONDS,
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Uvicorn's lines go to our log, as gunicorn's do.
        logging.getLogger("uvicorn.error").propagate = True

    async def callback_notify(self) -> None:
        """Send gunicorn the heartbeat; stop if gunicorn's main process was killed."""
        await super().callback_notify()
        if os.getppid() != self.ppid:
            self.log.warning("the main process of the web server is gone; stopping")
            os.kill(os.getpid(), signal.SIGTERM)
