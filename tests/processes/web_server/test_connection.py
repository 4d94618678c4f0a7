"""Connections: time limits, slow readers, refused requests, keep-alive and half-closed clients."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from http.client import HTTPResponse

import pytest

from callevents.processes.web_server import request
from callevents.processes.web_server.connection_limits import Limits
from callevents.processes.web_server.head_parser import MAX_REQUEST_LINE_BYTES
from callevents.processes.web_server.request import Body, Request, RequestHead
from callevents.processes.web_server.request_reader import MAX_HEAD_BYTES
from callevents.processes.web_server.response import Response
from tests.support.http_server import ServerThread
from tests.support.waiting import wait_until

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
    """An application: responds with the body, at /long with a long one, at /wait when told to."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.arrived = 0

    def body_limit(self, head: RequestHead) -> int | None:
        """Return the limit; no body is wanted at /none."""
        return None if head.target.path == b"/none" else MAX_BODY_BYTES

    async def respond(
        self, asked: Request, _client: tuple[str, int], _server: tuple[str, int]
    ) -> Response:
        """Return the response."""
        self.arrived += 1
        if asked.head.target.path == b"/fail":
            return Response(200, [("X", "\N{EURO SIGN}")], b"")
        body = asked.body.open().read()
        if asked.head.target.path == b"/long":
            body = LONG_ANSWER
        return Response(200 if asked.is_body_complete else 413, [], body or ANSWER)


@pytest.fixture(scope="module")
def application() -> Echo:
    """The application that is served."""
    return Echo()


@pytest.fixture(scope="module")
def port(application: Echo) -> Iterator[int]:
    """The port of a server with short time limits."""
    server = ServerThread(application, LIMITS)
    yield server.port
    server.close()


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


@pytest.mark.parametrize("begun", [b"", PLAIN], ids=["new", "after a request"])
def test_idle_clients_are_disconnected(port: int, begun: bytes) -> None:
    """A client that sends nothing is disconnected, without a response to nothing."""
    with Talk(port) as client:
        client.socket.sendall(begun)
        assert client.read().count(b"HTTP/1.1 ") == len(begun[:1])


@pytest.mark.parametrize(
    "begun",
    [
        b"GET / HT",
        b"GET / HTTP/1.1\r\nHost: x\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\nab",
    ],
    ids=["line", "head", "body", "chunks"],
)
def test_slow_requests_end(port: int, begun: bytes) -> None:
    """A client that keeps sending, but too slowly, is refused when the time is over."""
    with Talk(port) as client:
        client.socket.sendall(begun)
        client.socket.settimeout(LIMITS.head_seconds / 5)
        answer = b""
        while not answer:
            try:
                answer = client.socket.recv(65536)
            except TimeoutError:
                client.socket.sendall(b"a")
        client.socket.settimeout(20)
        check_problem(answer + client.read(), 408, "The request did not arrive in time.")


@pytest.mark.parametrize(
    ("request_head", "status", "detail"),
    [
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414, "line"),
        (b"GET /" + b"a" * 3 * MAX_HEAD_BYTES, 414, "line"),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 3 * MAX_HEAD_BYTES, 431, "head"),
        (b"NONSENSE\r\n\r\n", 400, "valid"),
        (b"\x16\x03\x01\x02\x00\x01", 400, "valid"),
    ],
    ids=["line", "endless line", "head", "nonsense", "TLS"],
)
def test_refused_requests(port: int, request_head: bytes, status: int, detail: str) -> None:
    """A malformed or too long request gets a problem document, and the connection is closed."""
    sentences = {
        "line": f"The request line is longer than {MAX_REQUEST_LINE_BYTES} bytes.",
        "head": "The request head is longer than 64 KiB.",
        "valid": "The request is not valid HTTP.",
    }
    check_problem(ask(port, request_head), status, sentences[detail])


def test_limit_of_the_head_is_per_request(port: int) -> None:
    """A connection may send any number of heads within the limit."""
    padded = PLAIN[:-2] + b"X: " + b"a" * (MAX_HEAD_BYTES // 3) + b"\r\n\r\n"
    with Talk(port) as client:
        for _ in range(9):
            client.socket.sendall(padded)
            assert client.read_answer().endswith(ANSWER)


def test_pipelined_requests(port: int, application: Echo) -> None:
    """Requests that are sent ahead are answered in order, each with its own response."""
    requests = b"".join(
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n%04d" % number
        for number in range(500)
    )
    answers = ask(port, requests + LAST)
    bodies = [answer[-4:] for answer in answers.split(b"HTTP/1.1 200 OK")[1:-1]]
    assert bodies == [b"%04d" % number for number in range(500)]


def test_requests_ahead_of_a_reader(port: int, application: Echo) -> None:
    """While a client does not read a response, no further request of it is read."""
    before = application.arrived
    with Talk(port) as client:
        client.socket.sendall(PLAIN.replace(b" / ", b" /long ") * 3)
        wait_until(lambda: application.arrived > before, "the first request")
        with Talk(port) as other:
            other.socket.sendall(LAST)
            assert other.read().endswith(ANSWER)
        assert application.arrived == before + 2


def test_half_closed_connection(port: int) -> None:
    """A client that has closed its sending side gets the responses to its whole requests."""
    with Talk(port) as client:
        client.socket.sendall(PLAIN + PLAIN)
        client.socket.shutdown(socket.SHUT_WR)
        assert client.read().count(ANSWER) == 2


def test_half_closed_body(port: int) -> None:
    """A body that was broken off is refused."""
    with Talk(port) as client:
        client.socket.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab")
        client.socket.shutdown(socket.SHUT_WR)
        detail = "The body is incomplete, or its chunks are malformed."
        check_problem(client.read(), 400, detail)


def test_malformed_data_after_a_request(port: int) -> None:
    """A complete request gets its response; malformed data after it gets another and the end."""
    answer = ask(port, PLAIN + b"NONSENSE\r\n\r\n" + PLAIN)
    first, _, second = answer.partition(ANSWER)
    assert first.startswith(b"HTTP/1.1 200 ")
    check_problem(second, 400, "The request is not valid HTTP.")


@pytest.mark.parametrize(
    ("version", "asked", "is_kept"),
    [
        (b"1.1", b"", True),
        (b"1.1", b"Connection: close\r\n", False),
        (b"1.0", b"", False),
        (b"1.0", b"Connection: keep-alive\r\n", True),
    ],
)
def test_keep_alive(port: int, version: bytes, asked: bytes, *, is_kept: bool) -> None:
    """A connection is kept as the version and the client ask, and the response says so."""
    request = b"GET / HTTP/%s\r\nHost: x\r\n%s\r\n" % (version, asked)
    answers = ask(port, request + LAST)
    assert answers.count(ANSWER) == 1 + is_kept
    first, _, _ = answers.partition(ANSWER)
    assert (b"Connection: close" in first) == (not is_kept)
    assert (b"Connection: keep-alive" in first) == (is_kept and version == b"1.0")


def test_expect_continue(port: int) -> None:
    """A client that asks first is told to send its body, unless nobody wants it."""
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
    with Talk(port) as client:
        client.socket.sendall(head)
        assert client.read_answer(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.socket.sendall(b"body")
        assert client.read_answer(b"body").startswith(b"HTTP/1.1 200 OK\r\n")
    for refused in (
        head.replace(b" / ", b" /none "),
        head.replace(b"Length: 4", b"Length: 4000000"),
    ):
        assert ask(port, refused).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("path", [b"/none", b"/"])
def test_unread_bodies(port: int, path: bytes) -> None:
    """A client that sends a body in spite of the refusal still gets the response."""
    length = 2 * MAX_BODY_BYTES
    head = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (path, length)
    answer = ask(port, head + b"x" * length)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert answer.count(b"HTTP/1.1 ") == 1


def test_endless_refused_request(port: int) -> None:
    """A client that sends a refused request without end is cut off."""
    with Talk(port) as client:
        client.socket.sendall(b"POST /none HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n")
        with pytest.raises(ConnectionError):
            client.socket.sendall(b"x" * 1_000_000_000)


def test_slow_readers_are_served(port: int) -> None:
    """A client that reads a response slowly is not cut off."""
    pause = threading.Event()
    with Talk(port) as client:
        client.socket.sendall(LAST.replace(b" / ", b" /long "))
        read = 0
        for _ in range(10):
            pause.wait(LIMITS.read_check_seconds / 4)
            read += len(client.socket.recv(1_000_000, socket.MSG_WAITALL))
        read += len(client.read())
        assert read > len(LONG_ANSWER)


@pytest.mark.parametrize("request_head", [PLAIN, LAST], ids=["keep-alive", "close"])
def test_stopped_readers_are_disconnected(port: int, request_head: bytes) -> None:
    """A client that stops reading is disconnected, and its memory is released."""
    with Talk(port) as client:
        client.socket.sendall(request_head.replace(b" / ", b" /long "))
        # The reset arrives although nothing is read.
        wait_until(lambda: is_reset(client.socket), "the end of the connection")
        assert len(client.read()) < len(LONG_ANSWER)


def is_reset(client: socket.socket) -> bool:
    """Return True if the other side has reset the connection."""
    return client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0


def test_response_that_cannot_be_written(port: int) -> None:
    """The connection ends; the server goes on."""
    assert ask(port, PLAIN.replace(b" / ", b" /fail ")) == b""
    assert ask(port, LAST).endswith(ANSWER)


def test_no_room_for_long_bodies(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long body is refused with 503; what was read of it is deleted."""
    monkeypatch.setattr(request, "MAX_BYTES_IN_FILES", 100_000)
    head = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
    for _ in range(3):
        answer = ask(port, head % 200_000 + b"x" * 200_000)
        assert b"\r\nRetry-After: 1\r\n" in answer
        check_problem(answer, 503, "The server is busy. Try again.")
    assert ask(port, head % 50_000 + b"x" * 50_000).endswith(b"x" * 50_000)
    wait_until(lambda: Body.bytes_in_files == 0, "the end of the temporary files")


def test_stop_while_a_client_reads(application: Echo) -> None:
    """A stopping server sends the response in progress to its end, then closes the connection."""
    server = ServerThread(application, Limits())
    with Talk(server.port) as client:
        client.socket.sendall(PLAIN.replace(b" / ", b" /long "))
        data = client.socket.recv(1000)
        stopping = threading.Thread(target=server.close)
        stopping.start()
        data += client.read()
    stopping.join()
    assert len(data) > len(LONG_ANSWER)


def test_client_leaves_during_a_response(port: int, application: Echo) -> None:
    """Nothing fails, and nobody else notices, when a client leaves without reading."""
    for _ in range(20):
        with Talk(port) as client:
            client.socket.sendall(PLAIN.replace(b" / ", b" /long ") * 10)
    assert ask(port, LAST).endswith(ANSWER)


def test_long_bodies(port: int) -> None:
    """The limit of the head does not apply to a body, whole or in chunks."""
    long = b"b" * 3 * MAX_HEAD_BYTES
    with Talk(port) as client:
        for body, end in (
            (b"Content-Length: %d\r\n\r\n" % len(long) + long, b"b"),
            (
                b"Transfer-Encoding: chunked\r\n\r\n"
                + b"64\r\n%s\r\n" % (b"c" * 100) * 2_000
                + b"0\r\n\r\n",
                b"c",
            ),
        ):
            client.socket.sendall(b"POST / HTTP/1.1\r\nHost: x\r\n" + body)
            response = HTTPResponse(client.socket)
            response.begin()
            assert response.status == 200
            assert response.read().endswith(end)


def test_connections_of_one_address(application: Echo) -> None:
    """Clients that stall anywhere are displaced by those that ask, whatever their number."""
    limits = Limits(connections_per_address=5, head_seconds=60, read_check_seconds=60)
    begun = [
        b"",
        b"GET / HT",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab",
        PLAIN.replace(b" / ", b" /long "),
        LAST.replace(b" / ", b" /long "),
        b"NONSENSE\r\n\r\n",
    ]
    with closing(ServerThread(application, limits)) as server:
        stalled = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(30)]
        for number, client in enumerate(stalled):
            with suppress(ConnectionError):
                client.sendall(begun[number % len(begun)])
        for _ in range(20):
            assert ask(server.port, LAST).endswith(ANSWER)
        wait_until(lambda: server.connections <= 5, "the end of the others")
        for client in stalled:
            client.close()
