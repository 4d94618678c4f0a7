"""How the web server speaks HTTP: uvicorn's protocol, with limits for clients that mean no good."""

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

#: A client that is silent for longer in the middle of a request loses its connection.
IDLE_SECONDS = 30
MAX_REQUEST_LINE_BYTES = 8190
MAX_HEAD_BYTES = 64 * 1024
MAX_CONNECTIONS = 2000

#: How often a process tells gunicorn that it lives, and looks whether gunicorn does.
NOTIFY_SECONDS = 1

_BEYOND_ASCII = re.compile(rb"[\x80-\xff]")
_UPGRADE = re.compile(rb"\nupgrade:", re.IGNORECASE)

UNREADABLE = "This is no request that can be read."
BROKEN_BODY = "The body broke off, or its chunks are not what they say."
LONG_LINE = f"The request line is longer than {MAX_REQUEST_LINE_BYTES} bytes."
LONG_HEAD = f"The request's head is longer than {MAX_HEAD_BYTES // 1024} KiB."


class Protocol(HttpToolsProtocol):
    """One connection. What cannot be read is refused in a sentence, and silence is limited."""

    idle_seconds: float = IDLE_SECONDS

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to listen to the client."""
        super().connection_made(transport)  # type: ignore[arg-type]  # it is a socket's
        #: What has come since the last piece of a body: a head, or trailers and the like.
        self._head_bytes = 0
        self._is_in_line = self._is_in_head = True
        self._is_in_body = False
        self._rejection = (400, UNREADABLE)
        self._received_at = self.loop.time()
        self._unsent = 0
        self._timer = self.loop.call_later(self.idle_seconds, self._check_idle)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
        self._received_at = self.loop.time()
        if self._head_bytes > MAX_HEAD_BYTES:
            self._reject(431, LONG_HEAD)
            return
        self._head_bytes += len(data)
        if self._is_in_head:
            data = self._repair_head(data)
        super().data_received(data)

    def _repair_head(self, data: bytes) -> bytes:
        """Return the data so that the parser takes what PBXs send.

        Many do not escape names in an address. And an offer to speak another protocol, which curl
        and others make, is one that we may leave alone (RFC 9110, section 7.8); the parser would
        leave the body alone instead.
        """
        if self._is_in_line:
            line, end, rest = data.partition(b"\n")
            data = _BEYOND_ASCII.sub(lambda found: b"%%%02X" % found[0][0], line) + end + rest
            self._is_in_line = not end
        head, end, rest = data.partition(b"\r\n\r\n")
        return _UPGRADE.sub(b"\nx-upgrade:", head) + end + rest

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio takes True as 'keep it open'
        """Answer a client that says no more but still listens, then close the connection."""
        if self._is_in_body:
            self._reject(400, BROKEN_BODY)
        return self._ends_after_answer()

    def _ends_after_answer(self) -> bool:
        """Have the connection end with the answer under way; return whether there is one."""
        is_answering = self.cycle is not None and not self.cycle.response_complete
        if is_answering and not self._is_in_body and not self.transport.is_closing():
            self.cycle.keep_alive = False
            return True
        return False

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._is_in_head = True

    def on_url(self, url: bytes) -> None:
        """Take the request line's target, or a part of it."""
        super().on_url(url)
        if len(self.url) > MAX_REQUEST_LINE_BYTES:
            self._rejection = (414, LONG_LINE)
            raise HttpParserError(LONG_LINE)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; what follows a chunked body is none, whatever it is called."""
        if self._is_in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """End the head."""
        self._is_in_head, self._is_in_body, self._head_bytes = False, True, 0
        self._rejection = (400, BROKEN_BODY)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
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
        """Refuse what cannot be parsed."""
        self._reject(*self._rejection)

    def _reject(self, status: int, sentence: str) -> None:
        """Answer with a problem document and close the connection, if no answer has begun."""
        # The answer to a whole request that came before is not to be mistaken for this one.
        if self.transport.is_closing() or self._ends_after_answer():
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
        """Close the connection if it is the client's turn, and it has been silent for too long."""
        unsent = self.transport.get_write_buffer_size()
        if unsent != self._unsent:
            # It is reading a long answer, however slowly.
            self._unsent, self._received_at = unsent, self.loop.time()
        silent = self.loop.time() - self._received_at
        is_answering = self.cycle is not None and not self.cycle.response_complete
        if is_answering and not self._is_in_body and not self.flow.write_paused:
            silent = 0.0
        if silent >= self.idle_seconds:
            self.logger.warning("closed the connection of a client that was silent")
            self.transport.abort()
        else:
            pause = self.idle_seconds - silent
            self._timer = self.loop.call_later(pause, self._check_idle)


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
        # Written with our log, as gunicorn's own lines are.
        logging.getLogger("uvicorn.error").propagate = True

    async def callback_notify(self) -> None:
        """Tell gunicorn that this process lives; end when gunicorn has ended without a word."""
        await super().callback_notify()
        if os.getppid() != self.ppid:
            self.log.warning("the web server's first process is gone; this one ends")
            os.kill(os.getpid(), signal.SIGTERM)
