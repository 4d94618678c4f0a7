"""The web server's own limits: silent clients, long heads, and how a broken request is answered."""

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
from tests.waiting import wait_until

ANSWER = b"taken"
#: More than fits into what systems keep for a connection.
LONG_ANSWER = b"x" * 16_000_000
CUT = "closed an idle connection"
PLAIN = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Impatient(Protocol):
    """The same, but no test has to wait half a minute."""

    idle_seconds = 1.0


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Read the whole body, then answer; at /echo with the body."""
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
    options = {**Worker.CONFIG_KWARGS, "http": Impatient, "log_config": None}
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
        """Return what comes until the usual answer's end, in however many pieces."""
        data = b""
        while not data.endswith(ANSWER) and (piece := self.socket.recv(65536)):
            data += piece
        return data

    def read(self) -> bytes:
        """Return all that comes until the server closes; nothing more if it breaks off."""
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
def test_silent_clients_are_cut(port: int, begun: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """Who falls silent, wherever in a request, loses the connection, and the log has one line."""
    caplog.set_level(logging.WARNING, "uvicorn.error")
    with Talk(port) as client:
        client.socket.sendall(begun)
        assert client.read() == b""
    assert caplog.messages == [CUT]


def test_slow_clients_are_heard(port: int) -> None:
    """Who goes on talking is waited for, however slowly."""
    pause = threading.Event()
    with Talk(port) as client:
        for start in range(0, len(PLAIN), 6):
            client.socket.sendall(PLAIN[start : start + 6])
            pause.wait(Impatient.idle_seconds / 4)
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
def test_unreadable_requests(port: int, request_head: bytes, status: int, detail: str) -> None:
    """What is too long or no HTTP is refused with a problem document, and the connection closed."""
    with Talk(port) as client:
        client.socket.sendall(request_head)
        head, _, body = client.read().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert (json.loads(body)["status"], json.loads(body)["detail"]) == (status, detail)


def test_long_heads_of_many_requests_are_counted_apart(port: int) -> None:
    """The limit is one request's: a connection may send as much as it likes in many."""
    padded = PLAIN[:-2] + b"X: " + b"a" * (MAX_HEAD_BYTES // 3) + b"\r\n\r\n"
    with Talk(port) as client:
        for _ in range(9):
            client.socket.sendall(padded)
            assert client.read_answer().endswith(ANSWER)


def test_who_says_no_more_is_answered(port: int) -> None:
    """A client that has closed its side after the request still gets the answer."""
    with Talk(port) as client:
        client.socket.sendall(PLAIN)
        client.socket.shutdown(socket.SHUT_WR)
        assert client.read().endswith(ANSWER)


def test_nonsense_after_a_request_does_not_answer_it(port: int) -> None:
    """A whole request gets its own answer; what cannot be read behind it ends the connection."""
    with Talk(port) as client:
        client.socket.sendall(PLAIN + b"NONSENSE\r\n\r\n")
        answer = client.read()
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(ANSWER)
    assert answer.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    "offer", [b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n", b"upgrade: websocket\r\n"]
)
def test_offers_of_other_protocols_are_left_alone(port: int, offer: bytes) -> None:
    """Who offers HTTP/2, as curl does, is answered by HTTP/1.1, with the whole body read."""
    with Talk(port) as client:
        client.socket.sendall(
            b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n" + offer + b"\r\nbody"
            # Two on one connection: neither takes a part of the other.
            b"POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 4\r\n\r\nnext"
        )
        first, _, second = client.read().partition(b"body")
    assert first.startswith(b"HTTP/1.1 200 ")
    assert second.startswith(b"HTTP/1.1 200 ")
    assert second.endswith(b"next")


@pytest.mark.parametrize("cut", [0, 20])
def test_unescaped_names_are_taken(port: int, cut: int) -> None:
    """UTF-8 in an address that nobody has escaped is read as if somebody had."""
    data = "GET /?name=Müller&x=\U0001f600 HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    with Talk(port) as client:
        client.socket.sendall(data[:cut])
        client.socket.sendall(data[cut:])
        assert client.socket.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_slow_readers_are_waited_for(port: int) -> None:
    """Who takes long to read an answer is not silent, as long as it goes on reading."""
    pause = threading.Event()
    with Talk(port) as client:
        client.socket.sendall(PLAIN.replace(b" / ", b" /long "))
        read = 0
        for _ in range(5):
            pause.wait(Impatient.idle_seconds / 4)
            read += len(client.socket.recv(1_000_000, socket.MSG_WAITALL))
        while read < len(LONG_ANSWER) and (piece := client.socket.recv(1_000_000)):
            read += len(piece)
        assert read > len(LONG_ANSWER)


def test_readers_that_stop_are_cut(port: int, caplog: pytest.LogCaptureFixture) -> None:
    """Who reads no more of an answer loses the connection, and does not keep its memory."""
    caplog.set_level(logging.WARNING, "uvicorn.error")
    with Talk(port) as client:
        client.socket.sendall(PLAIN.replace(b" / ", b" /long "))
        wait_until(lambda: CUT in caplog.messages, "the end of the connection")
        assert len(client.read()) < len(LONG_ANSWER)


def test_endless_trailers_are_cut(port: int) -> None:
    """What follows a chunked body without an end is not kept for ever."""
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nX: "
    with Talk(port) as client:
        client.socket.sendall(head)
        with suppress(ConnectionError):
            for _ in range(100):
                client.socket.sendall(b"a" * MAX_HEAD_BYTES)
        assert client.read().startswith(b"HTTP/1.1 431 ")


def test_long_bodies_are_no_heads(port: int) -> None:
    """The limit of a head has nothing to do with a body, whole or in chunks."""
    long = b"b" * 3 * MAX_HEAD_BYTES
    with Talk(port) as client:
        for body in (
            b"Content-Length: %d\r\n\r\n" % len(long) + long,
            b"Transfer-Encoding: chunked\r\n\r\n" + b"3\r\nabc\r\n" * 30_000 + b"0\r\n\r\n",
        ):
            client.socket.sendall(b"POST / HTTP/1.1\r\nHost: x\r\n" + body)
            assert client.read_answer().endswith(ANSWER)
