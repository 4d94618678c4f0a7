"""Reading requests: the same in any pieces, and nothing of the next one."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
