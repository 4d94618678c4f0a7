"""One attempt over real sockets, with receivers that close early, hang or drip."""

import socket
import threading

import pytest

from callevents.delivery.http.client import HttpClient
from tests.delivery.conftest import MakeTransport, Serve
from tests.delivery.http.sending import CLOSED_EARLY, NO_HTTP, TOO_LONG, full_listener, get, head
from tests.support.raw_server import Connection, answers, hangs


def test_nothing_listens(http_client: HttpClient) -> None:
    """The error says that the connection was refused."""
    with socket.create_server(("127.0.0.1", 0)) as once:
        port = once.getsockname()[1]
    response = get(http_client, f"http://127.0.0.1:{port}/")
    assert response.error == "Connection refused: nothing listens on that address and port."
    assert (response.status_code, response.headers, response.body) == (None, [], "")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/1.1 200 O",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Le",
        head("200 OK", "Content-Length: 100") + b"abc",
        head("200 OK", "Transfer-Encoding: chunked") + b"10\r\nabc",
        head("200 OK", "Transfer-Encoding: chunked") + b"3\r\nabc\r\n",
    ],
    ids=[
        "at once",
        "in the first line",
        "after the first line",
        "in a header",
        "in the body",
        "in a chunk",
        "between chunks",
    ],
)
def test_receiver_closes_too_early(http_client: HttpClient, serve: Serve, data: bytes) -> None:
    """A connection closed before the complete response is a failure."""
    assert get(http_client, serve(answers(data)).url).error == CLOSED_EARLY


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"hello\n",
        bytes(range(256)) * 4,
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 99 Low\r\n\r\n",
        b"\x15\x03\x01\x00\x02\x02\x50",
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(200)) + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nNo colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\x00b\r\n\r\n",
        head("200 OK", "Transfer-Encoding: chunked") + b"zz\r\nabc\r\n0\r\n\r\n",
    ],
    ids=[
        *("ssh", "text", "bytes", "word", "99", "tls alert", "200 headers", "long line", "2000"),
        *("no colon", "nul in a header", "chunk without a size"),
    ],
)
def test_answer_is_not_http(http_client: HttpClient, serve: Serve, data: bytes) -> None:
    """The error says that the response is not HTTP."""
    assert get(http_client, serve(answers(data)).url).error == NO_HTTP


def test_silence_before_the_answer(make_transport: MakeTransport, serve: Serve) -> None:
    """A receiver that does not begin to respond hits the read timeout."""
    http_client = make_transport(read_timeout_seconds=0.3)
    server = serve(hangs)
    assert get(http_client, server.url).error == "No response within 0.3 seconds."
    server.wait_for_requests(1)
    assert len(server.requests) == 1


def test_silence_in_the_answer(make_transport: MakeTransport, serve: Serve) -> None:
    """A receiver that stops in the middle hits the read timeout too."""

    def talk(connection: Connection) -> None:
        answers(head("200 OK", "Content-Length: 10") + b"abc")(connection)
        connection.wait_until_closed()

    http_client = make_transport(read_timeout_seconds=0.3)
    assert get(http_client, serve(talk).url).error == "No response within 0.3 seconds."


def test_no_connection_in_time(make_transport: MakeTransport) -> None:
    """The error for a connect timeout says how long it was."""
    http_client = make_transport(connect_timeout_seconds=0.3)
    with full_listener() as port:
        response = get(http_client, f"http://127.0.0.1:{port}/")
    assert response.error == "No connection within 0.3 seconds."


@pytest.mark.parametrize(
    "beginning",
    [
        head("200 OK"),
        head("200 OK", "Content-Length: 100000"),
        head("200 OK", "Transfer-Encoding: chunked") + b"ffff\r\n",
        b"HTTP/1.1 200 OK\r\nX-Drip: ",
        b"HTTP/1.1 ",
    ],
    ids=["until closed", "with a length", "in a chunk", "in the head", "in the status"],
)
def test_dripping_receiver_is_ended(
    make_transport: MakeTransport, serve: Serve, beginning: bytes
) -> None:
    """However a receiver drips its response, the attempt ends at the total timeout."""
    gone = threading.Event()

    def talk(connection: Connection) -> None:
        answers(beginning)(connection)
        for _ in range(1000):
            try:
                connection.send(b"x")
            except OSError:
                gone.set()  # The client has closed.
            if gone.wait(0.02):
                return

    http_client = make_transport(total_timeout_seconds=0.5)
    server = serve(talk)
    response = get(http_client, server.url)
    assert (response.error, response.is_success) == (TOO_LONG, False)
    assert gone.wait(10), "the connection was left open"
