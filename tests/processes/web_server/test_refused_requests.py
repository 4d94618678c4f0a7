"""What is no request, or might be two: refused in any pieces, and nothing after it is read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callevents.processes.web_server.head_parser import parse_head
from callevents.processes.web_server.request_reader import RequestReader
from callevents.processes.web_server.response import RefusedError
from tests.processes.web_server.test_request_reader import HOST, Read, as_chunks, limit, read_all


@pytest.mark.parametrize(
    "line",
    [
        b"GET /a?b c HTTP/1.1",
        b"GET /ingest/a b?c=d HTTP/1.1",
        b"GET /ingest/a\t?c=d e HTTP/1.1",
        b"GET /ingest/a/../../b?c=d e HTTP/1.1",
        b"GET /ingest/?c=d e HTTP/1.1",
        b"GET x /ingest/a?c=d HTTP/1.1",
        b"GET http://x/ingest/a?c=d e HTTP/1.1",
        b"POST /ingest/a?c=d e HTTP/1.1",
    ],
)
def test_other_blanks_are_refused(line: bytes) -> None:
    """Blanks elsewhere are refused, and the error says what is wrong."""
    with pytest.raises(RefusedError, match="contains a space or a tab"):
        parse_head(line + b"\r\n" + HOST + b"\r\n")


@pytest.mark.parametrize(
    "head",
    [
        b"GET /ingest/a?c=d e\0 HTTP/1.1\r\n" + HOST,
        b"GET /ingest/a?c=d e HTTP/1.1\r\nHost\r\n",
        b"GET  /a  HTTP/1.1\r\nHost\r\n",
    ],
)
def test_blanks_are_not_blamed_for_other_errors(head: bytes) -> None:
    """A request that is malformed in another way is not said to contain a space."""
    with pytest.raises(RefusedError, match="not valid HTTP"):
        parse_head(head + b"\r\n")


@pytest.mark.parametrize(
    ("data", "description"),
    [
        (b"GET /a b?token=x HTTP/1.1\r\n" + HOST + b"\r\n", "GET /a b"),
        (b"GET /a\x1b\xfc\rb HTTP/1.1\r\n\r\n", r"GET /a\x1b\xfc\rb HTTP/1.1"),
        (b"\x16\x03\x01?", r"\x16\x03\x01"),
        (b"GET /cet_abcdefghijkl HTTP/3\r\n\r\n", "GET /•••• HTTP/3"),
        (b"GET /" + b"a" * 9000, "GET /" + "a" * 195),
        (
            b"POST /a?token=x HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nx\r\n",
            "POST /a",
        ),
    ],
    ids=range(6),
)
def test_description_of_a_refused_request(data: bytes, description: str) -> None:
    """The beginning of the first line is described, without the query, tokens and odd bytes."""
    reader = RequestReader(limit)
    reader.feed(data)
    with pytest.raises(RefusedError):
        reader.read()
    assert reader.describe() == description


def post(*headers: bytes, version: bytes = b"1.1") -> bytes:
    """Return a POST with these headers and a few bytes after it."""
    lines = b"".join(header + b"\r\n" for header in headers)
    return b"POST / HTTP/" + version + b"\r\n" + HOST + lines + b"\r\n3\r\nabc\r\n0\r\n\r\n"


REFUSED = {
    400: [
        post(b"Content-Length: 3", b"Content-Length: 3"),
        post(b"Content-Length: 3", b"Content-Length: 4"),
        post(b"Content-Length: 3, 3"),
        post(b"Content-Length: 1_0"),
        post(b"Content-Length: +3"),
        post(b"Content-Length: -3"),
        post(b"Content-Length: 0x3"),
        post("Content-Length: ²".encode()),
        post(b"Content-Length:"),
        post(b"Content-Length: 99999999999999999999"),
        post(b"Content-Length: 3", b"Transfer-Encoding: chunked"),
        post(b"Transfer-Encoding: chunked", b"Content-Length: 3"),
        post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
        post(b"Transfer-Encoding: chunked, chunked"),
        post(b"Transfer-Encoding: chunked", version=b"1.0"),
        post(b"Transfer-Encoding: chunked, gzip"),
        post(b"Transfer-Encoding: identity"),
        post(b"Transfer-Encoding: xchunked"),
        post(b"Transfer-Encoding:"),
        post(b"Transfer-Encoding : chunked"),
        post(b"X: a\r\n folded"),
        post(b"X: a\nTransfer-Encoding: chunked"),
        post(b"X: a\rb"),
        post(b"X: a\0b"),
        post(b"X"),
        post(b": a"),
        post(b" X: a"),
        post(b"Host: y"),
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\n\n",
        b"GET / HTTP/1.1\r\nHost: x\n\r\n",
        b"GET /\r\n\r\n",
        b"get / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"FOO / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"G\xcbT / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET x HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http:// HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1 \r\nHost: x\r\n\r\n",
        b"GET / HTTP/11\r\nHost: x\r\n\r\n",
        b"OPTIONS * RTSP/1.0\r\n\r\n",
        b"\x16\x03\x01\x02",
    ],
    405: [b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n"],
    414: [b"GET /" + b"a" * 8190 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /" + b"a" * 9000],
    431: [
        post(b"X: " + b"a" * 65_536),
        post(*[b"X: a"] * 201),
        b"GET / HTTP/1.1\r\nX: " + b"a" * 65_536,
    ],
    501: [
        post(b"Transfer-Encoding: gzip, chunked"),
    ],
    505: [
        b"GET / HTTP/2.0\r\nHost: x\r\n\r\n",
        b"GET / HTTP/0.9\r\nHost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
}


@pytest.mark.parametrize(
    ("status", "data"),
    [(status, data) for status, group in REFUSED.items() for data in group],
    ids=lambda value: str(value)[:50],
)
def test_refused_heads(status: int, data: bytes) -> None:
    """What is ambiguous or malformed is refused, and nothing after it is read."""
    tail = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
    if b"\r\n\r\n" in data:
        assert read_all(data + tail) == [status]
    assert read_all(*(data[at : at + 1] for at in range(len(data)))) == [status]


@pytest.mark.parametrize(
    "chunks",
    [
        b"0x3\r\nabc\r\n0\r\n\r\n",
        b"+3\r\nabc\r\n0\r\n\r\n",
        b"-3\r\nabc\r\n0\r\n\r\n",
        b"3 \r\nabc\r\n0\r\n\r\n",
        b"3\nabc\r\n0\r\n\r\n",
        b"3\r\nabcd\r\n0\r\n\r\n",
        b"3\r\nabc\n0\r\n\r\n",
        b"3_0\r\nabc\r\n0\r\n\r\n",
        b"ffffffffffffffffff\r\nabc\r\n",
        b"\r\nabc",
        b"0\r\nX : a\r\n\r\n",
        b"0\r\n folded\r\n\r\n",
        b"0\n\n",
    ],
)
def test_malformed_chunks(chunks: bytes) -> None:
    """Malformed chunks are refused, in any pieces."""
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert read_all(head + chunks) == [400]
    assert read_all(head, *(chunks[at : at + 1] for at in range(len(chunks)))) == [400]


@pytest.mark.parametrize("piece", [b"1;" + b"a" * 100, b"0\r\nX: " + b"a" * 100])
def test_endless_chunk_framing(piece: bytes) -> None:
    """Chunk extensions and trailers without an end are refused."""
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert read_all(head, piece, *[b"a" * 1000] * 100) == [431]


@pytest.mark.parametrize(
    ("size", "count", "expected"),
    [(1, 900, [("POST", "/", b"a" * 900)]), (1, 1100, [400]), (32, 9000, [400]), (64, 9, None)],
)
def test_small_chunks(size: int, count: int, expected: list[Read | int] | None) -> None:
    """Many small chunks are refused, because each costs time."""
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = as_chunks(b"a" * size * count, size, b"")
    assert read_all(head + body, body_limit=1_000_000) == (
        expected or [("POST", "/", b"a" * size * count)]
    )


@given(st.binary(max_size=300), st.integers(0, 300))
def test_any_bytes(data: bytes, split: int) -> None:
    """Any bytes are requests, refused, or the beginning of a request; nothing else is raised."""
    for begun in (b"", b"GET / HTTP/1.1\r\nHost: x\r\n", post(b"Transfer-Encoding: chunked")[:-12]):
        stream = begun + data
        assert read_all(stream) == read_all(stream[:split], stream[split:])
