"""Reads requests from the bytes of a connection, one at a time.

This module only finds where a head ends, so that a head is parsed when it is complete. Bytes of the
next request stay unread until the response to this one was written.
"""

import re

from callevents.api.report_text import mask_detail
from callevents.logs import printable
from callevents.processes.web_server.body_reader import BodyReader, start_body
from callevents.processes.web_server.head_parser import (
    LONG_LINE,
    MAX_REQUEST_LINE_BYTES,
    UNREADABLE,
    parse_head,
)
from callevents.processes.web_server.request import BodyLimit, Request, RequestHead
from callevents.processes.web_server.response import RefusedError

MAX_HEAD_BYTES = 64 * 1024
#: A refused request is described with this much of its first line.
MAX_DESCRIBED_BYTES = 200
LONG_HEAD = f"The request head is longer than {MAX_HEAD_BYTES // 1024} KiB."

#: A head ends with an empty line. One that ends in bare line feeds is left to the parser to refuse.
_HEAD_END = re.compile(rb"\n\r?\n")


class RequestReader:
    """The requests of one connection."""

    def __init__(self, body_limit: BodyLimit) -> None:
        self._body_limit = body_limit
        self._unread = bytearray()
        #: How much of the unread bytes is known to contain no end of a head.
        self._searched = 0
        self._body: BodyReader | None = None
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

    def describe(self) -> str:
        """Return method and target of the request that is being read, without the query."""
        if self._body is not None:
            head = self._body.head
            line = b"%s %s" % (head.method.encode(), head.target.path)
        else:
            line = bytes(self._unread[:MAX_DESCRIBED_BYTES]).partition(b"\n")[0]
        line = line.partition(b"?")[0].rstrip()[:MAX_DESCRIBED_BYTES]
        return mask_detail(printable(line.decode("latin-1")), "")

    def close(self) -> None:
        """Delete the begun body."""
        if self._body is not None:
            self._body.close()

    def feed(self, data: bytes) -> None:
        """Add received bytes."""
        self._unread += data

    def read(self) -> Request | None:
        """Return the next request, None if it is incomplete; raises RefusedError."""
        if self._body is None:
            head = self._read_head()
            if head is None:
                return None
            self._body = start_body(head, self._body_limit)
            self.is_continue_due = head.expects_continue and not self._unread
        request = self._body.read(self._unread)
        if request is not None:
            self._body = None
            self.is_continue_due = False
        return request

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
        # A refused head stays unread, so that `describe` finds it.
        head = parse_head(bytes(self._unread[: end.end()]))
        del self._unread[: end.end()]
        self._searched = 0
        return head


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
