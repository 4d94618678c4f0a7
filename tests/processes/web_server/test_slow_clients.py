"""Slow clients: time limits, limits of memory, what a closed connection leaves, stopping."""

import gc
import socket
import threading
from contextlib import closing, suppress

import pytest

from callevents.processes.web_server import request
from callevents.processes.web_server.body_reader import BodyReader
from callevents.processes.web_server.connection import Connection
from callevents.processes.web_server.connection_limits import Limits
from callevents.processes.web_server.deadline import Deadline
from callevents.processes.web_server.request import Body
from callevents.processes.web_server.request_reader import RequestReader
from tests.processes.web_server.echo import (
    ANSWER,
    LAST,
    LIMITS,
    LONG_ANSWER,
    PLAIN,
    Echo,
    Talk,
    ask,
    check_problem,
)
from tests.support.http_server import ServerThread
from tests.support.waiting import wait_until


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


def test_no_room_for_long_bodies(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long body is refused with 503; what was read of it is deleted."""
    monkeypatch.setattr(request, "MAX_BYTES_IN_FILES", 100_000)
    head = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
    chunked = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n30d40\r\n"
    for begun in (head % 200_000, chunked, head % 200_000):
        answer = ask(port, begun + b"x" * 200_000)
        assert b"\r\nRetry-After: 1\r\n" in answer
        check_problem(answer, 503, "The server is busy. Try again.")
    assert ask(port, head % 50_000 + b"x" * 50_000).endswith(b"x" * 50_000)
    wait_until(lambda: Body.bytes_in_files == 0, "the end of the temporary files")


def test_closed_connections_leave_nothing(port: int) -> None:
    """What a connection needed is deleted at once, without the garbage collector."""
    chunks = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"
    gc.collect()
    gc.disable()
    try:
        for begun in (b"", b"GET / HT", PLAIN, chunks, LAST, b"NONSENSE\r\n\r\n"):
            with Talk(port) as client:
                client.socket.sendall(begun)
                client.socket.shutdown(socket.SHUT_WR)
                client.read()
        assert ask(port, LAST).endswith(ANSWER)
        wait_until(lambda: not count_connections(), "the end of the connections")
    finally:
        gc.enable()


def count_connections() -> int:
    """Return the number of connections, and parts of them, that exist."""
    kinds = (Connection, RequestReader, BodyReader, Deadline)
    return sum(isinstance(one, kinds) for one in gc.get_objects())


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


def test_sending_without_reading(port: int) -> None:
    """While a client does not read its response, nothing more of it is received."""
    with Talk(port) as client:
        client.socket.sendall(PLAIN.replace(b" / ", b" /long "))
        with pytest.raises(OSError, match=r"reset|timed out|Broken pipe"):
            client.socket.sendall(b"x" * 200_000_000)


def test_client_leaves_during_a_response(port: int, application: Echo) -> None:
    """Nothing fails, and nobody else notices, when a client leaves without reading."""
    for _ in range(20):
        with Talk(port) as client:
            client.socket.sendall(PLAIN.replace(b" / ", b" /long ") * 10)
    assert ask(port, LAST).endswith(ANSWER)


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
