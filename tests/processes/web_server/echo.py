"""An application that echoes, and a client that talks to it over a raw socket."""

import asyncio
import json
import socket
from contextlib import suppress

from callevents.processes.web_server.connection_limits import Limits
from callevents.processes.web_server.exchange import Exchange
from callevents.processes.web_server.request import Request, RequestHead
from callevents.processes.web_server.response import Response

ANSWER = b"accepted"
#: More than the socket buffers of a connection hold.
LONG_ANSWER = b"x" * 16_000_000
PLAIN = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
MAX_BODY_BYTES = 1_000_000
LIMITS = Limits(
    head_seconds=1, body_seconds=1, keepalive_seconds=1, read_check_seconds=1, linger_seconds=1
)


class Echo:
    """An application: responds with the body, at /long with a long one."""

    def __init__(self) -> None:
        self.arrived = 0

    def body_limit(self, head: RequestHead) -> int | None:
        """Return the limit; no body is wanted at /none."""
        return None if head.target.path == b"/none" else MAX_BODY_BYTES

    def respond(self, exchange: Exchange) -> None:
        """Send the response."""
        self.arrived += 1
        asyncio.get_running_loop().call_soon(exchange.send, self._answer(exchange.request))

    def _answer(self, asked: Request) -> Response:
        if asked.head.target.path == b"/fail":
            return Response(200, [("X", "\N{EURO SIGN}")], b"")
        body = asked.body.open().read()
        if asked.head.target.path == b"/long":
            body = LONG_ANSWER
        return Response(200 if asked.is_body_complete else 413, [], body or ANSWER)


class Talk:
    """A client's connection."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)

    def __enter__(self) -> "Talk":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def read_answer(self, end: bytes = ANSWER) -> bytes:
        """Return the data up to the end of the usual response, in any number of pieces."""
        data = b""
        while not data.endswith(end) and (piece := self.socket.recv(65536)):
            data += piece
        return data

    def read(self) -> bytes:
        """Return all data until the server closes or resets the connection."""
        data = b""
        with suppress(ConnectionResetError):
            while piece := self.socket.recv(1_000_000):
                data += piece
        return data


def ask(port: int, data: bytes) -> bytes:
    """Send the data and return everything that the server sends until it closes."""
    with Talk(port) as client:
        client.socket.sendall(data)
        return client.read()


def check_problem(answer: bytes, status: int, detail: str) -> None:
    """Check that the answer is one problem document, and says that the connection ends."""
    assert answer.count(b"HTTP/1.1 ") == 1
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"\r\nContent-Type: application/problem+json\r\n" in head
    assert b"Connection: close" in head
    assert (json.loads(body)["status"], json.loads(body)["detail"]) == (status, detail)
