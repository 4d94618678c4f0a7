"""Takes a request's body from the received bytes, and nothing of the next request."""

from httptools import HttpParserError, HttpRequestParser

from callevents.processes.web_server.request import Body, BodyLimit, Request, RequestHead
from callevents.processes.web_server.response import RefusedError

#: Limit of all chunk extensions and trailers together.
MAX_CHUNK_FRAMING_BYTES = 64 * 1024
#: Each chunk costs time. Beyond this number, they must have this many bytes on average.
MAX_SMALL_CHUNKS = 1000
MIN_MEAN_CHUNK_BYTES = 64

BROKEN_BODY = "The body is incomplete, or its chunks are malformed."
SMALL_CHUNKS = "The chunks of the body are too small."
LONG_TRAILERS = "The body has too many chunk extensions or trailers."

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
        self.head = head
        self._body = Body()

    def close(self) -> None:
        """Delete what was read."""
        self._body.close()

    def read(self, unread: bytearray) -> Request | None:
        """Take the body's bytes; return the request if it is complete, or as long as is read."""
        missing = self.head.content_length - self._body.length
        if missing:
            self._body.write(unread[:missing])
            del unread[:missing]
        if self._body.length < self.head.content_length:
            return None
        return Request(self.head, self._body)


class _ChunkParts:
    """What the parser of chunks calls. It does not know the parser, so both are deleted at once."""

    def __init__(self, body: Body) -> None:
        self._body = body
        self.is_complete = False
        self.is_chunk_begun = False

    def on_chunk_header(self) -> None:
        self.is_chunk_begun = True

    def on_body(self, data: bytes) -> None:
        self._body.write(data)

    def on_message_complete(self) -> None:
        self.is_complete = True


class _ChunkReader(BodyReader):
    """Takes a body in chunks from the unread bytes.

    The parser gets one line, or the data of one chunk, at a time. So it ends with the body, and
    gets no byte of the next request.
    """

    def __init__(self, head: RequestHead, limit: int) -> None:
        super().__init__(head)
        self._limit = limit
        self._parts = _ChunkParts(self._body)
        self._parser = HttpRequestParser(self._parts)
        #: What is missing of a chunk's data and the line break after it.
        self._missing = 0
        self._chunks = 0
        self._framing = 0
        self._parser.feed_data(_CHUNKED_HEAD)

    def read(self, unread: bytearray) -> Request | None:
        """As for a body of known length."""
        while not self._parts.is_complete:
            if not self._take(unread):
                return None
            if self._body.length > self._limit:
                return Request(self.head, self._body, is_body_complete=False)
        return Request(self.head, self._body)

    def _take(self, unread: bytearray) -> bool:
        """Take data or a whole line; return False if neither is there."""
        is_line = not self._missing
        end = unread.find(b"\n") + 1 if is_line else min(self._missing, len(unread))
        if is_line and self._framing + (end or len(unread)) > MAX_CHUNK_FRAMING_BYTES:
            raise RefusedError(431, LONG_TRAILERS)
        if not end:
            return False
        piece = bytes(unread[:end])
        del unread[:end]
        self._feed(piece)
        if not is_line:
            self._missing -= end
        elif self._parts.is_chunk_begun:
            self._begin_chunk(piece)
        else:
            self._framing += end
        return True

    def _begin_chunk(self, line: bytes) -> None:
        """Expect the data of the chunk that begins with this line, which the parser has checked."""
        self._parts.is_chunk_begun = False
        size_digits, _, extension = line.partition(b";")
        self._framing += len(extension)
        size = int(size_digits, 16)
        # The last chunk is empty: trailers follow.
        self._missing = size + len(b"\r\n") if size else 0
        self._chunks += 1
        if self._chunks > MAX_SMALL_CHUNKS + self._body.length // MIN_MEAN_CHUNK_BYTES:
            raise RefusedError(400, SMALL_CHUNKS)

    def _feed(self, piece: bytes) -> None:
        try:
            self._parser.feed_data(piece)
        except HttpParserError as error:
            if isinstance(error.__context__, OSError):
                # There was no room for the body.
                raise error.__context__ from None
            raise RefusedError(400, BROKEN_BODY) from None


class _UnreadBody(BodyReader):
    """A body that is not read, because it is too long or the request will be refused anyway."""

    def read(self, unread: bytearray) -> Request:  # noqa: ARG002  # it stays there
        """Return the request with an empty body."""
        return Request(self.head, self._body, is_body_complete=False)
