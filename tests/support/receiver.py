"""A third-party application on a socket: records requests, and sends the configured response."""

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import socket
from urllib.parse import parse_qs, urlsplit

from tests.support.waiting import wait_until


@dataclass(frozen=True)
class Arrival:
    """A request that arrived."""

    method: str
    target: str
    headers: dict[str, str]
    body: str
    #: On the monotonic clock.
    at: float = field(default_factory=time.monotonic)

    @property
    def path(self) -> str:
        """The target without its query."""
        return urlsplit(self.target).path

    @property
    def parameters(self) -> dict[str, str]:
        """The fields of the form of a POST, else those of the query."""
        text = self.body if self.method in ("POST", "PUT", "PATCH") else urlsplit(self.target).query
        pairs = parse_qs(text, keep_blank_values=True, strict_parsing=True, errors="strict")
        assert all(len(values) == 1 for values in pairs.values()), "a parameter came twice"
        return {name: values[0] for name, values in pairs.items()}


@dataclass
class Reply:
    """The response to send. `hold` is called first, and may wait."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"ok"
    hold: Callable[[], None] | None = None


class _Server(ThreadingHTTPServer):
    # The default, 5, would make clients wait a second when many connect at once.
    request_queue_size = 128
    daemon_threads = True

    def handle_error(self, request: socket | tuple[bytes, socket], client_address: object) -> None:
        """Ignore clients that were killed."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Receiver:
    """Listens on a port of 127.0.0.1, by default a free one, until it is closed."""

    def __init__(self, port: int = 0) -> None:
        self.arrivals: list[Arrival] = []
        self.reply: Callable[[Arrival], Reply] = lambda _arrival: Reply()
        self._server = _Server(("127.0.0.1", port), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def url(self) -> str:
        """The address of its root, without a slash at the end."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def wait_for(self, count: int) -> list[Arrival]:
        """Wait until at least `count` requests have arrived; return them."""
        wait_until(lambda: len(self.arrivals) >= count, f"{count} requests at the receiver")
        return self.arrivals

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(receiver) -> type[BaseHTTPRequestHandler]:  # noqa: N805  # `self` is the handler's
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # The second part of a response must not wait until the first one is acknowledged.
            disable_nagle_algorithm = True

            def handle_one(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                body = self.rfile.read(length).decode()
                arrival = Arrival(self.command, self.path, dict(self.headers), body)
                receiver.arrivals.append(arrival)
                reply = receiver.reply(arrival)
                if reply.hold:
                    reply.hold()
                self.send_response(reply.status)
                for name, value in {
                    "Content-Length": str(len(reply.body)),
                    **reply.headers,
                }.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(reply.body)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_one  # noqa: N815  # the base class's names

            def log_message(self, *_args: object) -> None:
                """Log nothing."""

        return Handler
