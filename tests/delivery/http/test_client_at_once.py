"""Many attempts at once, in one thread: none waits for another, however bad its receiver is."""

import os
import resource
import socket
import threading
from collections.abc import Callable
from contextlib import ExitStack
from queue import SimpleQueue
from typing import Any

import pytest

from callevents.db.models import utc_now
from callevents.delivery.http.client import HttpClient, Response
from callevents.delivery.request.build import Request
from callevents.enums import Method
from tests.delivery.conftest import MakeTransport, Serve
from tests.delivery.http.sending import full_listener, get, head
from tests.support.raw_server import OK, Connection, hangs, keeps_alive
from tests.support.waiting import DEADLINE_SECONDS

Done = Callable[[Response], None]


def start(http_client: HttpClient, url: str, done: Done) -> None:
    """Start a GET."""
    http_client.start(Request(Method.GET, url), utc_now(), done)


def test_attempts_are_made_at_the_same_time(http_client: HttpClient, serve: Serve) -> None:
    """A receiver that responds only when all requests have arrived gets them all."""
    count = 200
    together = threading.Barrier(count)

    def talk(connection: Connection) -> None:
        target = connection.read_request().split(b" ")[1]
        together.wait(DEADLINE_SECONDS)
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(target) + target)

    server = serve(talk)
    results: SimpleQueue[tuple[str, str]] = SimpleQueue()
    for number in range(count):
        target = f"/{number}"
        start(
            http_client,
            server.url + target,
            lambda response, target=target: results.put((target, response.body)),
        )
    found = [results.get(timeout=DEADLINE_SECONDS) for _ in range(count)]
    assert all(target == body for target, body in found)
    assert server.accepted == count


def drips(beginning: bytes, piece: bytes) -> Callable[[Connection], None]:
    """Return a function that sends the beginning, then the piece again and again."""

    def talk(connection: Connection) -> None:
        connection.read_request()
        connection.send(beginning)
        while True:
            connection.send(piece)
            connection.wait(0.01)

    return talk


BAD = {
    "silent": hangs,
    "byte by byte in the head": drips(b"HTTP/1.1 200 OK\r\nX-Drip: ", b"x"),
    "byte by byte in the body": drips(head("200 OK", "Content-Length: 60000"), b"x"),
    "byte by byte in a chunk": drips(
        head("200 OK", "Transfer-Encoding: chunked") + b"ffff\r\n", b"x"
    ),
}


def test_bad_receivers_delay_no_others(make_transport: MakeTransport, serve: Serve) -> None:
    """While receivers hang, drip and do not accept, a good one gets all its requests."""
    http_client = make_transport(
        connect_timeout_seconds=60, read_timeout_seconds=120, total_timeout_seconds=120
    )
    bad: SimpleQueue[Response] = SimpleQueue()
    good: SimpleQueue[Response] = SimpleQueue()
    servers = [serve(talk) for talk in BAD.values()]
    with full_listener() as full:
        no_handshake = serve(lambda connection: connection.wait_until_closed())
        urls = [
            *(server.url for server in servers),
            no_handshake.url.replace("http:", "https:"),
            f"http://127.0.0.1:{full}",
        ]
        for url in urls * 4:
            start(http_client, url, bad.put)
        for server in servers:
            server.wait_for_requests(4)
        target = serve(keeps_alive).url
        for _ in range(50):
            start(http_client, target, good.put)
        assert all(good.get(timeout=DEADLINE_SECONDS).is_success for _ in range(50))
        assert bad.empty(), "the bad ones still hang"
        http_client.interrupt()
        errors = {bad.get(timeout=DEADLINE_SECONDS).error for _ in range(len(urls) * 4)}
    assert errors == {"The worker stopped during this attempt."}


@pytest.mark.parametrize(
    "piece",
    [head("100 Continue"), b"HTTP/1.1 200 OK\r\n" + b"X-More: 1\r\n" * 1000],
    ids=["interim", "headers"],
)
def test_floods_delay_no_others(http_client: HttpClient, serve: Serve, piece: bytes) -> None:
    """Receivers that send without an end, as fast as they can, end at a limit."""

    def talk(connection: Connection) -> None:
        connection.read_request()
        while True:
            connection.send(piece)

    bad: SimpleQueue[Response] = SimpleQueue()
    good: SimpleQueue[Response] = SimpleQueue()
    flood, target = serve(talk).url, serve(keeps_alive).url
    for _ in range(50):
        start(http_client, flood, bad.put)
        start(http_client, target, good.put)
    assert all(good.get(timeout=DEADLINE_SECONDS).is_success for _ in range(50))
    errors = {bad.get(timeout=DEADLINE_SECONDS).error for _ in range(50)}
    assert errors == {"The response is not valid HTTP."}


def test_names_that_hang_delay_no_others(
    make_transport: MakeTransport, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many names wait for their name servers, another is resolved; all can be ended."""
    ask, go = socket.getaddrinfo, threading.Event()

    def getaddrinfo(host: str, port: int, *args: Any, **options: Any) -> list[Any]:
        if host.endswith(".test") and options.get("flags") == socket.AI_NUMERICHOST:
            raise socket.gaierror(socket.EAI_NONAME)
        if host.endswith(".hanging.test"):
            go.wait()
        return ask("127.0.0.1", port, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    http_client = make_transport(connect_timeout_seconds=60, total_timeout_seconds=120)
    server = serve(keeps_alive)
    bad: SimpleQueue[Response] = SimpleQueue()
    try:
        # libcurl would resolve 10 at a time.
        for number in range(40):
            start(http_client, f"http://{number}.hanging.test:{server.port}/", bad.put)
        assert get(http_client, f"http://good.test:{server.port}/").is_success
        assert bad.empty()
        http_client.interrupt()
        errors = {bad.get(timeout=DEADLINE_SECONDS).error for _ in range(40)}
        assert errors == {"The worker stopped during this attempt."}
    finally:
        go.set()


def test_any_number_of_descriptors(http_client: HttpClient, serve: Serve) -> None:
    """Descriptors beyond 1,023, which select() cannot wait for, are served too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 4096:
        pytest.skip("not that many descriptors are allowed here")
    server = serve(keeps_alive)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4096), hard))
    try:
        with ExitStack() as stack:
            for _ in range(1100):
                stack.callback(os.close, os.open(os.devnull, os.O_RDONLY))
            assert get(http_client, server.url).is_success
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_results_that_cannot_be_taken_end_nothing(http_client: HttpClient, serve: Serve) -> None:
    """Of results that come together, each is passed on, although taking them fails."""
    count = 20
    is_blocked, go_on, respond = (threading.Event() for _ in range(3))
    responded = threading.Semaphore(0)
    taken: SimpleQueue[Response] = SimpleQueue()

    def talk(connection: Connection) -> None:
        while connection.read_request():
            respond.wait()
            connection.send(OK)
            responded.release()

    def block() -> None:
        is_blocked.set()
        go_on.wait()

    def fail(response: Response) -> None:
        taken.put(response)
        raise ValueError("nobody wants it")

    server = serve(talk)
    for _ in range(count):
        start(http_client, server.url, fail)
    server.wait_for_requests(count)
    http_client.call(block)
    is_blocked.wait()
    respond.set()
    for _ in range(count):
        responded.acquire()
    go_on.set()
    assert all(taken.get(timeout=DEADLINE_SECONDS).is_success for _ in range(count))
    assert get(http_client, server.url).is_success
    assert server.accepted == count
