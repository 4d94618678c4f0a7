"""Reads requests from the bytes of a connection, one at a time.

httptools (llhttp) parses the head and decodes chunks. This module only finds where a head ends, so
that a head is parsed when it is complete, and bytes of the next request stay unread until the
response to this one was written.
"""

import re

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser, parse_url

from callevents.processes.web_server.request import (
    Body,
    BodyLimit,
    Headers,
    Request,
    RequestHead,
    Target,
)
from callevents.processes.web_server.response import RefusedError

MAX_REQUEST_LINE_BYTES = 8190
MAX_HEAD_BYTES = 64 * 1024
MAX_HEADERS = 200
#: Chunk headers, extensions and trailers may have this length and twice the length of the body.
MAX_CHUNK_OVERHEAD_BYTES = 64 * 1024

UNREADABLE = "The request is not valid HTTP."
BROKEN_BODY = "The body is incomplete, or its chunks are malformed."
LONG_LINE = f"The request line is longer than {MAX_REQUEST_LINE_BYTES} bytes."
LONG_HEAD = f"The request head is longer than {MAX_HEAD_BYTES // 1024} KiB."
LONG_TRAILERS = "The body has too many chunk extensions or trailers."
MANY_HEADERS = f"The request has more than {MAX_HEADERS} headers."
BAD_VERSION = "The HTTP version is not supported. Use HTTP/1.1."
BAD_HOST = "The request must have one Host header."
BAD_ENCODING = "The transfer encoding is not supported. Use chunked, or send a Content-Length."
CHUNKS_IN_1_0 = "A request of HTTP/1.0 cannot have a transfer encoding."
TUNNEL = "The method CONNECT is not supported."

#: A head ends with an empty line. One that ends in bare line feeds is left to the parser to refuse.
_HEAD_END = re.compile(rb"\n\r?\n")
_CHUNKS_END = b"\r\n\r\n"
#: Makes a parser expect chunks.
_CHUNKED_HEAD = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
_BEYOND_ASCII = re.compile(rb"[\x80-\xff]")


class RequestReader:
    """The requests of one connection."""

    def __init__(self, body_limit: BodyLimit) -> None:
        self._body_limit = body_limit
        self._unread = bytearray()
        #: How much of the unread bytes is known to contain no end of a head.
        self._searched = 0
        self._body: _BodyReader | None = None
        #: True if the client waits for '100 Continue' now.
        self.is_continue_due = False

    @property
    def is_empty(self) -> bool:
        """True between two requests."""
        return self._body is None and not self._unread

    @property
    def is_in_body(self) -> bool:
        """True if a head was read, and its body is incomplete."""
        return self._body is not None

    def feed(self, data: bytes) -> None:
        """Add received bytes."""
        self._unread += data

    def read(self) -> Request | None:
        """Return the next request, None if it is incomplete; raises RefusedError."""
        if self._body is None:
            head = self._read_head()
            if head is None:
                return None
            self._body = self._start_body(head)
            self.is_continue_due = head.expects_continue and not self._unread
        request = self._body.read(self._unread)
        if request is not None:
            self._body = None
            self.is_continue_due = False
        return request

    def _start_body(self, head: RequestHead) -> "_BodyReader":
        if not head.is_chunked and not head.content_length:
            return _BodyReader(head)
        limit = self._body_limit(head)
        if limit is None or head.content_length > limit:
            return _UnreadBody(head)
        return _ChunkReader(head, limit) if head.is_chunked else _BodyReader(head)

    def _read_head(self) -> RequestHead | None:
        if self._unread.startswith((b"\r", b"\n")):
            # RFC 9112, section 2.2: ignore empty lines before a request.
            self._unread = self._unread.lstrip(b"\r\n")
            self._searched = 0
        end = _HEAD_END.search(self._unread, max(0, self._searched - 2))
        if end is None or end.end() > MAX_HEAD_BYTES:
            self._searched = len(self._unread)
            _check_begun_head(self._unread)
            return None
        data = bytes(self._unread[: end.end()])
        del self._unread[: end.end()]
        self._searched = 0
        return _parse_head(data)


def _check_begun_head(data: bytearray) -> None:
    """Raise RefusedError if this cannot become a head: the client would wait for the time limit."""
    if data and not data[:1].isalpha():
        raise RefusedError(400, UNREADABLE)
    if data.find(b"\n", 0, MAX_REQUEST_LINE_BYTES + 32) < 0 and len(data) > (
        MAX_REQUEST_LINE_BYTES + 32
    ):
        raise RefusedError(414, LONG_LINE)
    if len(data) > MAX_HEAD_BYTES:
        raise RefusedError(431, LONG_HEAD)


class _HeadParts:
    """What the parser calls."""

    def __init__(self) -> None:
        self.target = b""
        self.headers: Headers = []
        self.is_complete = False
        self.keep_alive = False
        self.parser: HttpRequestParser | None = None

    def on_message_begin(self) -> None:
        _check_one_message(is_another=self.is_complete)

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.decode("latin-1").lower(), value.strip().decode("latin-1")))

    def on_headers_complete(self) -> None:
        self.is_complete = True
        # The parser forgets it at the end of the message.
        self.keep_alive = bool(self.parser and self.parser.should_keep_alive())


def _check_one_message(*, is_another: bool) -> None:
    """Make the parser fail if we and it disagree about where a request ends."""
    if is_another:
        raise ValueError("a second request")


def _parse_head(data: bytes) -> RequestHead:
    line, _, rest = data.partition(b"\n")
    version = line.rstrip(b"\r")[-9:]
    if version not in {b" HTTP/1.1", b" HTTP/1.0"}:
        is_other = re.fullmatch(rb" HTTP/\d\.\d", version)
        raise RefusedError(505, BAD_VERSION) if is_other else RefusedError(400, UNREADABLE)
    if not line.isascii():
        # Many PBXs do not percent-encode names in a URL, and the parser takes only ASCII there.
        # Nothing but the target can contain such bytes in a valid line.
        line = _BEYOND_ASCII.sub(lambda found: b"%%%02X" % found[0][0], line)
    parts = _HeadParts()
    parser = parts.parser = HttpRequestParser(parts)
    try:
        parser.feed_data(line + b"\n" + rest)
    except HttpParserUpgrade:
        # A server may ignore the offer of another protocol (RFC 9110, section 7.8).
        pass
    except HttpParserError:
        raise RefusedError(400, UNREADABLE) from None
    finally:
        # Without the circle, both are deleted at once.
        parts.parser = None
    if not parts.is_complete:
        raise RefusedError(400, UNREADABLE)
    if len(parts.target) > MAX_REQUEST_LINE_BYTES:
        raise RefusedError(414, LONG_LINE)
    head = RequestHead(
        parser.get_method().decode(),
        _split_target(parts.target),
        version[-3:].decode(),
        parts.headers,
        parts.keep_alive,
    )
    _check_head(head)
    return head


def _split_target(target: bytes) -> Target:
    authority = b""
    if b"://" in target and not target.startswith(b"/"):
        try:
            url = parse_url(target)
        except HttpParserError:
            raise RefusedError(400, UNREADABLE) from None
        authority = (url.host or b"") + (b":%d" % url.port if url.port else b"")
        target = (url.path or b"/") + (b"?" + url.query if url.query else b"")
    # A raw '#' is kept: PBXs send it in numbers such as #31#.
    path, _, query = target.partition(b"?")
    return Target(path, query, authority)


def _check_head(head: RequestHead) -> None:
    """Raise RefusedError for what the parser lets pass."""
    if len(head.headers) > MAX_HEADERS:
        raise RefusedError(431, MANY_HEADERS)
    if head.method == "CONNECT":
        raise RefusedError(405, TUNNEL)
    hosts = len(head.get_all("host"))
    if hosts > 1 or (hosts == 0 and head.version == "1.1"):
        raise RefusedError(400, BAD_HOST)
    encodings = head.get_all("transfer-encoding")
    if encodings and head.version == "1.0":
        raise RefusedError(400, CHUNKS_IN_1_0)
    if encodings and [one.lower() for one in encodings] != ["chunked"]:
        raise RefusedError(501, BAD_ENCODING)


class _BodyReader:
    """Takes a body of known length from the unread bytes."""

    def __init__(self, head: RequestHead) -> None:
        self._head = head
        self._body = Body()

    def read(self, unread: bytearray) -> Request | None:
        """Take the body's bytes; return the request if it is complete, or as long as is read."""
        missing = self._head.content_length - self._body.length
        if missing:
            self._body.write(unread[:missing])
            del unread[:missing]
        if self._body.length < self._head.content_length:
            return None
        return Request(self._head, self._body)


class _ChunkReader(_BodyReader):
    """Takes a body in chunks from the unread bytes."""

    def __init__(self, head: RequestHead, limit: int) -> None:
        super().__init__(head)
        self._limit = limit
        self._parser = HttpRequestParser(self)
        self._is_complete = False
        self._taken = 0
        self._tail = b""
        self._parser.feed_data(_CHUNKED_HEAD)

    def on_message_begin(self) -> None:
        """Start the body."""
        _check_one_message(is_another=self._is_complete)

    def on_body(self, data: bytes) -> None:
        """Add a piece of the body."""
        self._body.write(data)

    def on_message_complete(self) -> None:
        """End the body."""
        self._is_complete = True

    def read(self, unread: bytearray) -> Request | None:
        """As for a body of known length. Never takes a byte of the next request."""
        while unread and not self._is_complete:
            piece = self._take_piece(unread)
            try:
                self._parser.feed_data(piece)
            except HttpParserError:
                raise RefusedError(400, BROKEN_BODY) from None
            if self._body.length > self._limit:
                return Request(self._head, self._body, is_body_complete=False)
            if self._taken > MAX_CHUNK_OVERHEAD_BYTES + 3 * self._body.length:
                raise RefusedError(431, LONG_TRAILERS)
        return Request(self._head, self._body) if self._is_complete else None

    def _take_piece(self, unread: bytearray) -> bytes:
        """Take bytes up to the next empty line: a body in chunks can end nowhere else."""
        straddling = (self._tail + unread[:3]).find(_CHUNKS_END)
        if straddling >= 0:
            end = straddling + len(_CHUNKS_END) - len(self._tail)
        else:
            found = unread.find(_CHUNKS_END)
            end = found + len(_CHUNKS_END) if found >= 0 else len(unread)
        piece = bytes(unread[:end])
        del unread[:end]
        self._taken += end
        self._tail = (self._tail + piece)[-3:]
        return piece


class _UnreadBody(_BodyReader):
    """A body that is not read, because it is too long or the request will be refused anyway."""

    def read(self, unread: bytearray) -> Request:  # noqa: ARG002  # it stays there
        """Return the request with an empty body."""
        return Request(self._head, self._body, is_body_complete=False)
