"""Responses are read the same in one piece or in many, simple or not."""

import socket
import threading
from http.client import HTTPException
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from callevents.delivery.http.exchange import (
    MAX_RESPONSE_BYTES,
    Received,
    _parse_simple,
    exchange,
    write_head,
)

REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\n"
LINES = st.sampled_from(
    [
        b"Content-Length: 3",
        b"content-length:3",
        b"Content-Length: 03",
        b"Content-Length: 4",
        b"Content-Length: +3",
        b"Content-Length: \xb3",
        b"Content-Length: 3, 3",
        b"Transfer-Encoding: chunked",
        b"Connection: close",
        b"Connection: keep-alive",
        b"X-Name: caf\xe9",
        b"X-Empty:",
        b" folded",
        b"No colon",
        b"X-Space : a",
        b"Location: http://b/",
    ]
)
STARTS = st.sampled_from(
    [
        OK,
        b"HTTP/1.1 200\r\n",
        b"HTTP/1.0 200 OK\r\n",
        b"HTTP/1.1 204 No Content\r\n",
        b"HTTP/1.1 304 Not Modified\r\n",
        b"HTTP/1.1 503 Service Unavailable\r\n",
        b"HTTP/1.1 100 Continue\r\n",
        b"HTTP/1.1 2000 OK\r\n",
        b"HTTP/2 200\r\n",
        b"ICY 200 OK\r\n",
    ]
)
BODIES = st.sampled_from([b"", b"abc", b"abcd", b"3\r\nabc\r\n0\r\n\r\n", b"a" * 70_000])


def talk(*pieces: bytes) -> Received | type[Exception]:
    """Return the response of a receiver that sends these pieces and closes, or the error."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(10)

        def respond() -> None:
            # Only after the request has arrived.
            assert theirs.recv(65536) == REQUEST
            for piece in pieces:
                theirs.sendall(piece)
            theirs.shutdown(socket.SHUT_WR)

        thread = threading.Thread(target=respond)
        thread.start()
        try:
            return exchange(ours, "GET", REQUEST)
        except (OSError, HTTPException, ValueError) as error:
            return type(error)
        finally:
            # Read the rest, so that the sender can end.
            while ours.recv(65536):
                pass
            thread.join()


@given(STARTS, st.lists(LINES, max_size=4), BODIES)
@example(OK, [b"Content-Length: 3"], b"abc")
@example(OK, [b"Content-Length: 3", b"X-Name: caf\xe9", b"X-Empty:"], b"abc")
def test_plain_answers_are_read_as_http_client_reads_them(
    start: bytes, lines: list[bytes], body: bytes
) -> None:
    """http.client reads simple responses the same, to the byte."""
    data = start + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body
    plain = _parse_simple(data)
    if plain is None:
        return
    # Cut within its first line, it is not simple, and read by http.client.
    assert talk(data[:5], data[5:]) == plain


def test_the_usual_answer_is_plain() -> None:
    """The response of nearly all receivers is simple."""
    found = _parse_simple(OK + b"Content-Type: text/plain\r\nContent-Length: 2\r\n\r\nok")
    headers = [("Content-Type", "text/plain"), ("Content-Length", "2")]
    assert found == Received(200, headers, b"ok", truncated=False, keep_alive=True)


@pytest.mark.parametrize(
    ("data", "body", "keep_alive"),
    [
        (OK + b"Content-Length: 2\r\n\r\nok", b"ok", True),
        (OK + b"Content-Length: 2\r\nConnection: Close\r\n\r\nok", b"ok", False),
        (OK + b"Content-Length: 2\r\n\r\nok" + OK, b"ok", False),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", b"ok", True),
        (OK + b"\r\nuntil the end", b"until the end", False),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b"", True),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 0\r\n\r\n", b"", True),
        (b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", b"ok", True),
        (OK + b"Content-Length: 70000\r\n\r\n" + b"a" * 70_000, b"a" * MAX_RESPONSE_BYTES, False),
    ],
    ids=["plain", "close", "more", "chunked", "end", "204", "100", "bare lines", "huge"],
)
def test_connections_go_on_only_after_a_whole_answer(
    data: bytes, body: bytes, keep_alive: bool
) -> None:
    """A connection is reused only if no byte of this response can be read as the next one."""
    whole = talk(data)
    assert isinstance(whole, Received)
    assert (whole.body, whole.keep_alive, whole.truncated) == (
        *(body, keep_alive, len(body) == MAX_RESPONSE_BYTES),
    )


@pytest.mark.parametrize("size", [1, 7, 30])
def test_answers_in_pieces(size: int) -> None:
    """How the bytes are split makes no difference."""
    data = OK + b"Content-Length: 40\r\nX: y\r\n\r\n" + b"0123456789" * 4
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    assert talk(*pieces) == talk(data)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://a/", "a"),
        ("http://a:80/", "a"),
        ("https://a:443/", "a"),
        ("https://a:80/", "a:80"),
        ("http://[::1]:8080/", "[::1]:8080"),
        ("http://ana:secret@a/", "a"),
    ],
)
def test_host_of_the_head(url: str, host: str) -> None:
    """The Host header follows RFC 9110: no default port, no user info."""
    head = write_head("GET", "/x", urlsplit(url), {"Accept": "*/*"})
    assert (
        head
        == (
            f"GET /x HTTP/1.1\r\nHost: {host}\r\nAccept-Encoding: identity\r\nAccept: */*\r\n\r\n"
        ).encode()
    )


def test_own_host_replaces_ours() -> None:
    """A header that the hook sets itself is sent once."""
    head = write_head("GET", "/", urlsplit("http://a/"), {"HOST": "b", "accept-encoding": "gzip"})
    assert head == b"GET / HTTP/1.1\r\nHOST: b\r\naccept-encoding: gzip\r\n\r\n"


@pytest.mark.parametrize("bad", ["a\r\nX: b", "a\nb", "a\rb"])
def test_line_ends_are_refused(bad: str) -> None:
    """No value and no target can start a new line."""
    with pytest.raises(ValueError, match="line break"):
        write_head("GET", "/", urlsplit("http://a/"), {"X": bad})
    with pytest.raises(ValueError, match="line break"):
        write_head("GET", "/" + bad, urlsplit("http://a/"), {})
