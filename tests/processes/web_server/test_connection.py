"""Connections: requests in order, refused requests, keep-alive, bodies, half-closed clients."""

import json
import socket
from collections.abc import Iterator
from http.client import HTTPResponse

import pytest

from callevents.processes.web_server.connection_limits import Limits
from callevents.processes.web_server.head_parser import MAX_REQUEST_LINE_BYTES
from callevents.processes.web_server.request_reader import MAX_HEAD_BYTES
from tests.processes.web_server.echo import (
    ANSWER,
    LAST,
    MAX_BODY_BYTES,
    PLAIN,
    Echo,
    Talk,
    ask,
    check_problem,
)
from tests.support.http_server import ServerThread
from tests.support.log_capture import Logged
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def port(application: Echo) -> Iterator[int]:
    """The port of a server whose deadlines no test reaches, however busy the machine is."""
    server = ServerThread(application, Limits())
    yield server.port
    server.close()


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


def test_refused_requests_are_logged(port: int, logged: Logged) -> None:
    """A refused request has a line that says what it was, without its query."""
    ask(port, b"GET /ingest/a b?token=geheim HTTP/1.1\r\nHost: x\r\n\r\n")
    [line] = [json.loads(line) for line in logged.lines]
    assert {name: line[name] for name in ("event", "request", "status", "detail", "address")} == {
        "event": "request refused",
        "request": "GET /ingest/a b",
        "status": 400,
        "detail": "The address in the request line contains a space or a tab. "
        "Write a space as %20.",
        "address": "127.0.0.1",
    }


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /uapi/x?a=" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (b"POST /uapi/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    ],
    ids=["line", "chunks"],
)
def test_refused_requests_of_voipnow_clients(port: int, request_bytes: bytes, status: int) -> None:
    """They get the only form of errors that they understand."""
    head, _, body = ask(port, request_bytes).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert json.loads(body)["error"]["code"] == "request_invalid"


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


def test_response_that_cannot_be_written(port: int) -> None:
    """The connection ends; the server goes on."""
    assert ask(port, PLAIN.replace(b" / ", b" /fail ") + LAST) == b""
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
