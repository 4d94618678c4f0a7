"""One answer is never taken for another: where responses end, and when connections go on."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callevents.delivery.http.client import HttpClient
from callevents.delivery.http.transfer import MAX_RESPONSE_BYTES
from callevents.delivery.request.build import RequestTemplate, build_request
from callevents.enums import Method
from tests.delivery.conftest import MakeTransport, Serve
from tests.delivery.http.sending import CLOSED_EARLY, NO_HTTP, TOO_LONG, get, head
from tests.support.raw_server import OK, Connection, Talk, answers, keeps_alive
from tests.support.waiting import wait_until

EARLY_HINTS = head("103 Early Hints", "Link: </style.css>")


def repeats(*pieces: bytes) -> Talk:
    """Return a function that answers each request with these pieces, over one connection."""

    def talk(connection: Connection) -> None:
        while connection.read_request():
            for piece in pieces:
                connection.send(piece)

    return talk


@pytest.mark.parametrize(
    ("data", "body", "keep_alive"),
    [
        (head("200 OK", "Content-Length: 2") + b"ok", "ok", True),
        (head("200 OK", "Content-Length: 2", "Connection: Close") + b"ok", "ok", False),
        (head("200 OK", "Content-Length: 2") + b"ok" + OK, "ok", False),
        (head("200 OK", "Transfer-Encoding: chunked") + b"2\r\nok\r\n0\r\n\r\n", "ok", True),
        (head("204 No Content"), "", True),
        (head("204 No Content") + b"body", "", False),
        (head("100 Continue") + OK, "", True),
        (EARLY_HINTS + head("102 Processing") + EARLY_HINTS + OK, "", True),
        (b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", "ok", True),
        (head("200 OK", "X-A: b", " folded", "Content-Length: 2") + b"ok", "ok", True),
        (head("200 OK", "Content-Length: 70000") + b"a" * 70_000, "a" * MAX_RESPONSE_BYTES, False),
    ],
    ids=[
        *("plain", "close", "more", "chunked", "204", "204 with a body", "100", "1xx"),
        *("bare lines", "folded", "huge"),
    ],
)
def test_connections_go_on_only_after_a_whole_answer(
    http_client: HttpClient, serve: Serve, data: bytes, body: str, keep_alive: bool
) -> None:
    """A connection is reused only if no byte of this response can be read as the next one."""
    server = serve(repeats(data))
    for _ in range(2):
        response = get(http_client, server.url)
        assert (response.is_success, response.body) == (True, body)
    assert server.accepted == (1 if keep_alive else 2)


def test_late_bytes_end_a_connection(http_client: HttpClient, serve: Serve) -> None:
    """A response that nobody asked for is not taken for that of the next request."""
    sent = threading.Event()

    def talk(connection: Connection) -> None:
        while connection.read_request():
            connection.send(OK)
            connection.wait(0.03)
            connection.send(head("500 Oops", "Content-Length: 0"))
            sent.set()

    server = serve(talk)
    for count in range(1, 4):
        assert get(http_client, server.url).status_code == 200
        assert sent.wait(10)
        sent.clear()
        assert server.accepted == count


@pytest.mark.parametrize("interim", [EARLY_HINTS, head("102 Processing"), head("100 Continue")])
def test_the_final_answer_counts(http_client: HttpClient, serve: Serve, interim: bytes) -> None:
    """Interim responses are not results, however long before the final one they come."""

    def talk(connection: Connection) -> None:
        for status in ("200 OK", "500 Oops", "200 OK"):
            connection.read_request()
            connection.send(interim)
            connection.wait(0.03)
            connection.send(head(status, "X-Final: 1", "Content-Length: 0"))

    server = serve(talk)
    responses = [get(http_client, server.url) for _ in range(3)]
    assert [response.status_code for response in responses] == [200, 500, 200]
    assert responses[0].headers == [["X-Final", "1"], ["Content-Length", "0"]]
    assert server.accepted == 1


def test_an_interim_answer_is_no_answer(http_client: HttpClient, serve: Serve) -> None:
    """A connection that ends after an interim response has ended too early."""
    assert get(http_client, serve(answers(EARLY_HINTS)).url).error == CLOSED_EARLY
    assert get(http_client, serve(answers(EARLY_HINTS + b"why\r\n")).url).error == NO_HTTP


@pytest.mark.parametrize(
    "lines",
    [
        *(("Content-Length: 1_0",), ("Content-Length: -5",), ("Content-Length: \xb2",)),
        *(("Content-Length: +3",), ("Content-Length: 0x3",), ("Content-Length:",)),
        *(("Content-Length: 3, 3",), ("Content-Length : 3",), ("Content-Length: 3", " 4")),
        ("Content-Length: 99999999999999999999",),
        ("Content-Length: 3", "Content-Length: 3"),
        ("Content-Length: 3", "content-length: 4"),
        ("Content-Length: 3", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: chunked", "Content-Length: 8"),
        ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: identity", "Content-Length: 3"),
        ("Transfer-Encoding: gzip",),
    ],
    ids=str,
)
def test_doubtful_lengths_are_refused(
    http_client: HttpClient, serve: Serve, lines: tuple[str, ...]
) -> None:
    """A length that two readers can read differently is no answer, and ends the connection."""
    server = serve(repeats(head("200 OK", *lines) + b"3\r\nabc\r\n0\r\n\r\n"))
    for _ in range(2):
        assert get(http_client, server.url).error == NO_HTTP
    assert server.accepted == 2


def test_trailers_are_not_headers(http_client: HttpClient, serve: Serve) -> None:
    """Trailers, even those that look like a status line, change nothing."""
    trailers = b"X-Late: 1\r\nHTTP/1.1 500 Oops: 1\r\nContent-Length: 7\r\n\r\n"
    server = serve(repeats(head("200 OK", "Transfer-Encoding: chunked") + b"0\r\n" + trailers))
    for _ in range(2):
        response = get(http_client, server.url)
        assert response.headers == [["Transfer-Encoding", "chunked"]]
        assert response.status_code == 200


@pytest.mark.parametrize(
    ("beginning", "piece"),
    [
        (b"", head("100 Continue")),
        (b"", EARLY_HINTS),
        (head("200 OK", "Transfer-Encoding: chunked") + b"0\r\n", b"X-Late: 1\r\n"),
        (b"HTTP/1.1 200 OK\r\n", b"X-Late: 1\r\n"),
    ],
    ids=["100", "103", "trailers", "headers"],
)
@pytest.mark.parametrize(
    ("seconds", "error"), [(0, NO_HTTP), (0.02, TOO_LONG)], ids=["at once", "dripping"]
)
def test_endless_heads_end(
    make_transport: MakeTransport,
    serve: Serve,
    beginning: bytes,
    piece: bytes,
    seconds: float,
    error: str,
) -> None:
    """Endless heads end at a limit, or at the deadline of the whole attempt."""
    gone = threading.Event()

    def talk(connection: Connection) -> None:
        connection.read_request()
        try:
            connection.send(beginning)
            while not gone.wait(seconds):
                connection.send(piece)
        except OSError:
            gone.set()

    http_client = make_transport(total_timeout_seconds=20 if error == NO_HTTP else 0.5)
    assert get(http_client, serve(talk).url).error == error
    assert gone.wait(10), "the connection was left open"


def test_an_attempt_is_one_request(http_client: HttpClient, serve: Serve) -> None:
    """If an idle connection ends without a response, the request is not repeated in the dark."""

    def talk(connection: Connection) -> None:
        connection.read_request()
        connection.send(OK)
        connection.read_request()

    server = serve(talk)
    assert get(http_client, server.url).is_success
    assert get(http_client, server.url).error == CLOSED_EARLY
    assert len(server.requests) == 2


def test_many_threads_get_their_own_answers(make_transport: MakeTransport, serve: Serve) -> None:
    """However many threads share connections, each gets the response to its request."""

    def talk(connection: Connection) -> None:
        while request := connection.read_request():
            target = request.split(b" ")[1]
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(target) + target)

    servers = [serve(talk) for _ in range(3)]
    http_client = make_transport()
    wrong: list[str] = []

    def send(number: int) -> None:
        for count in range(20):
            target = f"/{number}/{count}"
            response = get(http_client, servers[(number + count) % 3].url + target)
            if response.body != f"{target}?CallID=c1":
                wrong.append(f"{target}: {response}")

    threads = [threading.Thread(target=send, args=(number,)) for number in range(48)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert sum(server.accepted for server in servers) <= 3 * 48


@contextmanager
def scripted(serve: Serve) -> Iterator[tuple[str, list[bytes]]]:
    """Yield the URL of a server that sends the pieces of the list, which may change."""
    pieces: list[bytes] = []

    def talk(connection: Connection) -> None:
        if connection.read_request():
            for piece in tuple(pieces):
                connection.send(piece)
                connection.wait(0.001)

    yield serve(talk).url, pieces


@pytest.mark.slow
def test_pieces_make_no_difference(http_client: HttpClient, serve: Serve) -> None:
    """However the network cuts a response, with interim ones or chunks, it is the same."""
    data = EARLY_HINTS + head("200 OK", "Connection: close", "Transfer-Encoding: chunked")
    data += b"a\r\n0123456789\r\n3;x=y\r\nabc\r\n0\r\nX-Late: 1\r\n\r\n"
    with scripted(serve) as (url, pieces):

        @given(st.sets(st.integers(1, len(data) - 1), max_size=8))
        def holds(cuts: set[int]) -> None:
            ends = [*sorted(cuts), len(data)]
            pieces[:] = [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]
            response = get(http_client, url)
            assert (response.error, response.body) == ("", "0123456789abc")

        holds()


@pytest.mark.slow
def test_no_beginning_of_an_answer_is_an_answer(http_client: HttpClient, serve: Serve) -> None:
    """Wherever a response breaks off, it is an error."""
    data = EARLY_HINTS + head("200 OK", "Content-Length: 3") + b"abc"
    with scripted(serve) as (url, pieces):
        for end in range(len(data)):
            pieces[:] = [data[:end]]
            assert get(http_client, url).error == CLOSED_EARLY, data[:end]


def test_large_requests_are_sent_once(http_client: HttpClient, serve: Serve) -> None:
    """A large body is sent without asking first, in one request."""
    server = serve(keeps_alive)
    values = [("CallerIDName", "x" * 2_000_000)]
    assert http_client.send(
        build_request(RequestTemplate(Method.POST, server.url), values)
    ).is_success
    wait_until(lambda: bool(server.requests), "the request")
    assert b"Expect" not in server.requests[0].partition(b"\r\n\r\n")[0]
