"""The web server's limits: idle clients, long heads, and malformed requests."""

import json
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from uvicorn import Config, Server

from callevents.processes.web_server.protocol import (
    MAX_HEAD_BYTES,
    MAX_REQUEST_LINE_BYTES,
    Protocol,
    Worker,
)
from tests.support.waiting import wait_until

ANSWER = b"accepted"
#: More than the socket buffers of a connection hold.
LONG_ANSWER = b"x" * 16_000_000
CUT = "closed an idle connection"
PLAIN = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class ShortIdleProtocol(Protocol):
    """The protocol with a short idle timeout."""

    idle_seconds = 1.0


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Read the whole body, then respond; at /echo with the body."""
    body = b""
    while (message := await receive())["type"] == "http.request":
        body += message["body"]
        if not message["more_body"]:
            break
    if message["type"] == "http.request":
        answer = {"/long": LONG_ANSWER, "/echo": body}.get(scope["path"], ANSWER)
        headers = [(b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """The port of a server with these limits, in a thread."""
    listener = socket.create_server(("127.0.0.1", 0))
    options = {**Worker.CONFIG_KWARGS, "http": ShortIdleProtocol, "log_config": None}
    server = Server(Config(application, **options, timeout_keep_alive=5))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    wait_until(lambda: server.started, "the server's start")
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join()
    listener.close()


class Talk:
    """A client's connection."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)

    def __enter__(self) -> "Talk":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def read_answer(self) -> bytes:
        """Return the data up to the end of the usual response, in any number of pieces."""
        data = b""
        while not data.endswith(ANSWER) and (piece := self.socket.recv(65536)):
            data += piece
        return data

    def read(self) -> bytes:
        """Return all data until the server closes or resets the connection."""
        data = b""
        try:
            while piece := self.socket.recv(65536):
                data += piece
        except ConnectionResetError:
            pass
        return data


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"GET / HT",
        b"GET / HTTP/1.1\r\nHost: x\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nab",
    ],
    ids=["nothing", "line", "head", "body"],
)
def test_idle_clients_are_disconnected(
    port: int, begun: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """A client that is idle anywhere in a request is disconnected, with one log line."""
    caplog.set_level(logging.WARNING, "uvicorn.error")
    with Talk(port) as client:
        client.socket.sendall(begun)
        assert client.read() == b""
    assert caplog.messages == [CUT]


def test_slow_clients_are_served(port: int) -> None:
    """A client that keeps sending is served, however slow it is."""
    pause = threading.Event()
    with Talk(port) as client:
        for start in range(0, len(PLAIN), 6):
            client.socket.sendall(PLAIN[start : start + 6])
            pause.wait(ShortIdleProtocol.idle_seconds / 4)
        assert client.read_answer().endswith(ANSWER)


@pytest.mark.parametrize(
    ("request_head", "status", "detail"),
    [
        (
            b"GET /" + b"a" * MAX_REQUEST_LINE_BYTES + b" HTTP/1.1\r\n\r\n",
            414,
            "The request line is longer than 8190 bytes.",
        ),
        (
            b"GET / HTTP/1.1\r\nX: " + b"a" * 3 * MAX_HEAD_BYTES,
            431,
            "The request head is longer than 64 KiB.",
        ),
        (b"NONSENSE\r\n\r\n", 400, "The request is not valid HTTP."),
        (b"GET / HTTP/1.1\r\nX : 1\r\n\r\n", 400, "The request is not valid HTTP."),
    ],
    ids=["line", "head", "nonsense", "header"],
)
def test_malformed_requests(port: int, request_head: bytes, status: int, detail: str) -> None:
    """A malformed or too long request gets a problem document, and the connection is closed."""
    with Talk(port) as client:
        client.socket.sendall(request_head)
        head, _, body = client.read().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert (json.loads(body)["status"], json.loads(body)["detail"]) == (status, detail)


def test_limit_of_the_head_is_per_request(port: int) -> None:
    """A connection may send any number of heads within the limit."""
    padded = PLAIN[:-2] + b"X: " + b"a" * (MAX_HEAD_BYTES // 3) + b"\r\n\r\n"
    with Talk(port) as client:
        for _ in range(9):
            client.socket.sendall(padded)
            assert client.read_answer().endswith(ANSWER)


def test_half_closed_connection(port: int) -> None:
    """A client that has closed its sending side still gets the response."""
    with Talk(port) as client:
        client.socket.sendall(PLAIN)
        client.socket.shutdown(socket.SHUT_WR)
        assert client.read().endswith(ANSWER)


def test_malformed_data_after_a_request(port: int) -> None:
    """A complete request gets its response; malformed data after it ends the connection."""
    with Talk(port) as client:
        client.socket.sendall(PLAIN + b"NONSENSE\r\n\r\n")
        answer = client.read()
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(ANSWER)
    assert answer.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    "offer", [b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n", b"upgrade: websocket\r\n"]
)
def test_upgrade_is_ignored(port: int, offer: bytes) -> None:
    """A client that offers HTTP/2, as curl does, gets HTTP/1.1, and its whole body is read."""
    with Talk(port) as client:
        client.socket.sendall(
            b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n" + offer + b"\r\nbody"
            # Two requests on one connection: neither reads a part of the other.
            b"POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 4\r\n\r\nnext"
        )
        first, _, second = client.read().partition(b"body")
    assert first.startswith(b"HTTP/1.1 200 ")
    assert second.startswith(b"HTTP/1.1 200 ")
    assert second.endswith(b"next")


@pytest.mark.parametrize("cut", [0, 20])
def test_unescaped_names(port: int, cut: int) -> None:
    """UTF-8 in a URL that is not percent-encoded is read as if it were."""
    data = "GET /?name=Müller&x=\U0001f600 HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    with Talk(port) as client:
        client.socket.sendall(data[:cut])
        client.socket.sendall(data[cut:])
        assert client.socket.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_slow_readers_are_served(port: int) -> None:
    """A client that reads a response slowly is not idle."""
    pause = threading.Event()
    with Talk(port) as client:
        client.socket.sendall(PLAIN.replace(b" / ", b" /long "))
        read = 0
        for _ in range(5):
            pause.wait(ShortIdleProtocol.idle_seconds / 4)
            read += len(client.socket.recv(1_000_000, socket.MSG_WAITALL))
        while read < len(LONG_ANSWER) and (piece := client.socket.recv(1_000_000)):
            read += len(piece)
        assert read > len(LONG_ANSWER)


def test_stopped_readers_are_disconnected(port: int, caplog: pytest.LogCaptureFixture) -> None:
    """A client that stops reading is disconnected, and its memory is released."""
    caplog.set_level(logging.WARNING, "uvicorn.error")
    with Talk(port) as client:
        client.socket.sendall(PLAIN.replace(b" / ", b" /long "))
        wait_until(lambda: CUT in caplog.messages, "the end of the connection")
        assert len(client.read()) < len(LONG_ANSWER)


def test_endless_trailers_are_rejected(port: int) -> None:
    """Trailers without an end are rejected beyond the limit of the head."""
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nX: "
    with Talk(port) as client:
        client.socket.sendall(head)
        with suppress(ConnectionError):
            for _ in range(100):
                client.socket.sendall(b"a" * MAX_HEAD_BYTES)
        assert client.read().startswith(b"HTTP/1.1 431 ")


def test_long_bodies(port: int) -> None:
    """The limit of the head does not apply to a body, whole or in chunks."""
    long = b"b" * 3 * MAX_HEAD_BYTES
    with Talk(port) as client:
        for body in (
            b"Content-Length: %d\r\n\r\n" % len(long) + long,
            b"Transfer-Encoding: chunked\r\n\r\n" + b"3\r\nabc\r\n" * 30_000 + b"0\r\n\r\n",
        ):
            client.socket.sendall(b"POST / HTTP/1.1\r\nHost: x\r\n" + body)
            assert client.read_answer().endswith(ANSWER)
