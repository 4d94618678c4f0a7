"""Takes a request's body from the received bytes, and nothing of the next request."""

from httptools import HttpParserError, HttpRequestParser

from callevents.processes.web_server.head_parser import check_one_message
from callevents.processes.web_server.request import Body, BodyLimit, Request, RequestHead
from callevents.processes.web_server.response import RefusedError

#: Chunk headers, extensions and trailers may have this length and twice the length of the body.
MAX_CHUNK_OVERHEAD_BYTES = 64 * 1024

BROKEN_BODY = "The body is incomplete, or its chunks are malformed."
LONG_TRAILERS = "The body has too many chunk extensions or trailers."

_CHUNKS_END = b"\r\n\r\n"
#: Makes a parser expect chunks.
_CHUNKED_HEAD = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"


def start_body(head: RequestHead, body_limit: BodyLimit) -> "BodyReader":
    """Return what reads the body of a request with this head."""
    if not head.is_chunked and not head.content_length:
        return BodyReader(head)
    limit = body_limit(head)
    if limit is None or head.content_length > limit:
        return _UnreadBody(head)
    return _ChunkReader(head, limit) if head.is_chunked else BodyReader(head)


class BodyReader:
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


class _ChunkReader(BodyReader):
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
        check_one_message(is_another=self._is_complete)

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


class _UnreadBody(BodyReader):
    """A body that is not read, because it is too long or the request will be refused anyway."""

    def read(self, unread: bytearray) -> Request:  # noqa: ARG002  # it stays there
        """Return the request with an empty body."""
        return Request(self._head, self._body, is_body_complete=False)
