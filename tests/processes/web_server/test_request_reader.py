"""Reading requests: the same in any pieces, nothing of the next one, and what is refused."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callevents.processes.web_server.head_parser import parse_head
from callevents.processes.web_server.request import Request, RequestHead
from callevents.processes.web_server.request_reader import RequestReader
from callevents.processes.web_server.response import RefusedError

LIMIT = 1000
HOST = b"Host: x\r\n"
OFFER = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
Read = tuple[str, str, bytes]


def limit(_head: RequestHead) -> int:
    """The limit of every body."""
    return LIMIT


def describe(request: Request) -> Read:
    """Return method, target and body."""
    body = request.body.open().read()
    request.body.close()
    return request.head.method, str(request.head.target), body


def read_all(*pieces: bytes, body_limit: int = LIMIT) -> list[Read | int]:
    """Return the requests in the pieces, and the status if one is refused."""
    reader = RequestReader(lambda _head: body_limit)
    found: list[Read | int] = []
    for piece in pieces:
        reader.feed(piece)
        try:
            while (request := reader.read()) is not None:
                found.append(describe(request))
                if not request.keep_alive:
                    return found
        except RefusedError as error:
            found.append(error.status)
            break
    reader.close()
    return found


BODIES = (b"", b"abc", b"\r\n\r\n", b"0\r\n\r\nGET /x HTTP/1.1\r\nHost: x\r\n\r\n")
Message = tuple[bytes, Read]


def as_chunks(body: bytes, size: int, trailers: bytes) -> bytes:
    """Return the body in chunks of this size."""
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    chunks = b"".join(b"%x;a=b\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return chunks + b"0\r\n" + trailers + b"\r\n"


@st.composite
def messages(draw: st.DrawFn) -> Message:
    """Return a request as bytes, and as what it must be read."""
    offer = draw(st.sampled_from((b"", OFFER, b"upgrade: websocket\r\nconnection: upgrade\r\n")))
    body = draw(st.sampled_from(BODIES) | st.binary(max_size=40))
    path = draw(st.sampled_from((b"/", b"/a?b=c", b"/m?n=M%FCller")))
    kind = draw(st.sampled_from(("get", "length", "chunks")))
    if kind == "get":
        return b"GET %s HTTP/1.1\r\n%s%s\r\n" % (path, HOST, offer), ("GET", path.decode(), b"")
    head = b"POST %s HTTP/1.1\r\n%s%s" % (path, HOST, offer)
    read = ("POST", path.decode(), body)
    if kind == "length":
        return head + b"Content-Length: %d\r\n\r\n%s" % (len(body), body), read
    trailers = draw(st.sampled_from((b"", b"X: 1\r\n", b"Content-Type: a/b\r\n")))
    chunks = as_chunks(body, draw(st.integers(1, 50)), trailers)
    return head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks, read


@given(st.lists(messages(), min_size=1, max_size=4), st.data())
def test_any_pieces(sent: list[Message], data: st.DataObject) -> None:
    """Requests are read the same however the bytes are split, with and without Upgrade."""
    stream = b"".join(message for message, _ in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    pieces = [stream[start:end] for start, end in itertools.pairwise([0, *cuts, len(stream)])]
    assert read_all(*pieces) == [read for _, read in sent]


def test_every_split() -> None:
    """Two requests with an offered upgrade, split anywhere, are two requests."""
    first = b"POST /a HTTP/1.1\r\n" + HOST + OFFER + b"Transfer-Encoding: chunked\r\n\r\n"
    chunks = as_chunks(b"\r\n\r\nabc\r\n\r\n", 4, b"T: 1\r\n")
    second = b"POST /b HTTP/1.1\r\n" + HOST + OFFER + b"Content-Length: 3\r\n\r\nxyz"
    stream = first + chunks + second
    expected = [("POST", "/a", b"\r\n\r\nabc\r\n\r\n"), ("POST", "/b", b"xyz")]
    for split in range(len(stream) + 1):
        assert read_all(stream[:split], stream[split:]) == expected
    assert read_all(*(stream[at : at + 1] for at in range(len(stream)))) == expected


def test_later_requests_stay_unread() -> None:
    """Only one request is read at a time."""
    reader = RequestReader(limit)
    reader.feed((b"GET /a HTTP/1.1\r\n" + HOST + b"\r\n") * 1000 + b"GET")
    for _ in range(1000):
        request = reader.read()
        assert request is not None
        assert not reader.is_empty
    assert reader.read() is None


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("/m?n=Müller".encode(), "/m", "n=M%C3%BCller"),
        ("/m?n=Müller".encode("latin-1"), "/m", "n=M%FCller"),
        (b'/m?n="<a|b>"', "/m", 'n="<a|b>"'),
        (b"/m?n=#31#123", "/m", "n=#31#123"),
        (b"/m%20x?", "/m%20x", ""),
        (b"http://other:8000/m?n=1", "/m", "n=1"),
        (b"http://other", "/", ""),
        (b"http://[::1]:80/m", "/m", ""),
        (b"*", "*", ""),
        (b"/http://other/", "/http://other/", ""),
    ],
)
def test_targets(target: bytes, path: str, query: str) -> None:
    """Targets are read as PBXs and proxies send them."""
    reader = RequestReader(limit)
    reader.feed(b"GET %s HTTP/1.1\r\n%s\r\n" % (target, HOST))
    request = reader.read()
    assert request is not None
    found = request.head.target
    assert (found.path.decode(), found.query.decode()) == (path, query)


@pytest.mark.parametrize(
    ("line", "query"),
    [
        (b"GET /ingest/m?n=Anna Smith HTTP/1.1", "n=Anna%20Smith"),
        (b'GET /ingest/m?n="Anna" <101>&e=1 HTTP/1.1', 'n="Anna"%20<101>&e=1'),
        (b"GET /ingest/m?n=a\t b HTTP/1.0", "n=a%09%20b"),
        (b"GET /ingest/m?n=M\xfcller a%20b c HTTP/1.1", "n=M%FCller%20a%20b%20c"),
        (b"GET  /ingest/m?n=a b  HTTP/1.1", "n=a%20b"),
        (b"GET /ingest/m?n=a?b c HTTP/1.1", "n=a?b%20c"),
        (b"GET /ingest/m?n=a HTTP/1.1 HTTP/1.1", "n=a%20HTTP/1.1"),
        (b"GET /ingest/m?n=a HTTP/1.0 HTTP/1.1", "n=a%20HTTP/1.0"),
    ],
)
def test_blanks_in_the_query_of_a_report(line: bytes, query: str) -> None:
    """Phones do not encode names. The report is read, and nothing after it."""
    reader = RequestReader(limit)
    reader.feed(line + b"\r\n" + HOST + b"\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n")
    request = reader.read()
    assert request is not None
    assert (request.head.target.path, request.head.target.query.decode()) == (b"/ingest/m", query)
    assert request.head.version == line[-3:].decode()
    assert not request.keep_alive


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


def test_environment() -> None:
    """The WSGI environment has what the request says, and nothing that a client may not say."""
    reader = RequestReader(limit)
    reader.feed(
        b"POST http://other:81/a%20b?c=d HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"
        b"Cookie: a=1\r\nCookie: b=2\r\nX-Two: 1\r\nx-two: 2\r\nX_Forwarded_For: forged\r\n"
        b"Upgrade: websocket\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Trailer: forged\r\n\r\n"
    )
    request = reader.read()
    assert request is not None
    environ = request.build_environ(("203.0.113.1", 7), ("127.0.0.1", 8000))
    assert environ.pop("wsgi.input").read() == b"abc"
    assert {name: value for name, value in environ.items() if name[0] != "w"} == {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/a b",
        "QUERY_STRING": "c=d",
        "RAW_URI": "/a%20b?c=d",
        "REQUEST_URI": "/a%20b?c=d",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "REMOTE_ADDR": "203.0.113.1",
        "REMOTE_PORT": "7",
        "HTTP_HOST": "other:81",
        "CONTENT_TYPE": "text/plain",
        "CONTENT_LENGTH": "3",
        "HTTP_COOKIE": "a=1; b=2",
        "HTTP_X_TWO": "1,2",
    }


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


def test_long_chunks_are_not_cut() -> None:
    """Empty lines in the data of a chunk are data."""
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    lines = b"\r\n" * 100_000
    assert read_all(head + as_chunks(lines, 200_000, b""), body_limit=1_000_000) == [
        ("POST", "/", lines)
    ]


@pytest.mark.parametrize("size", [1, 10])
def test_long_chunked_body(size: int) -> None:
    """A chunked body is read up to the limit; the request says that it is longer."""
    reader = RequestReader(limit)
    reader.feed(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    chunk = b"%x\r\n%s\r\n" % (size * 100, b"a" * size * 100)
    request = None
    for _ in range(LIMIT):
        reader.feed(chunk)
        if request := reader.read():
            break
    assert request is not None
    assert LIMIT < request.content_length <= LIMIT + size * 100
    assert not request.keep_alive


def test_long_declared_body() -> None:
    """A body that is declared too long is not read at all."""
    reader = RequestReader(limit)
    reader.feed(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\nabc")
    request = reader.read()
    assert request is not None
    assert (request.body.length, request.content_length, request.keep_alive) == (0, 1001, False)


@given(st.binary(max_size=300), st.integers(0, 300))
def test_any_bytes(data: bytes, split: int) -> None:
    """Any bytes are requests, refused, or the beginning of a request; nothing else is raised."""
    for begun in (b"", b"GET / HTTP/1.1\r\nHost: x\r\n", post(b"Transfer-Encoding: chunked")[:-12]):
        stream = begun + data
        assert read_all(stream) == read_all(stream[:split], stream[split:])
