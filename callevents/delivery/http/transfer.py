"""One request over libcurl: what has been received so far, and the limits that end it."""

import time
from collections.abc import Callable

import pycurl

from callevents.delivery.http.error_messages import (
    CLOSED_EARLY,
    INVALID_RESPONSE,
    TransferError,
)
from callevents.delivery.http.response_head import ResponseHead, parse_head

MAX_RESPONSE_BYTES = 64 * 1024
#: Limits of all heads of a response together: interim ones (1xx), the final one, and trailers.
MAX_HEAD_BYTES = 64 * 1024
MAX_HEAD_LINES = 128

_STOP = -1


class Transfer:
    """Takes what libcurl receives. Its methods on_... are called by libcurl."""

    def __init__(self, is_stray: Callable[[], bool]) -> None:
        self._is_stray = is_stray
        self.is_connected = False
        #: Why it was ended, if not by libcurl.
        self.error: TransferError | None = None
        self._head: ResponseHead | None = None
        self._lines: list[bytes] = []
        self._line_count = self._head_size = 0
        self._body: list[bytes] = []
        self._body_size = 0
        self._progress = 0
        self._progress_at = 0.0

    @property
    def head(self) -> ResponseHead:
        """The final head, without trailers; raises TransferError if the connection ended in it."""
        if self._head is None:
            # For libcurl, this is no error.
            raise TransferError(CLOSED_EARLY)
        return self._head

    @property
    def is_truncated(self) -> bool:
        """True if the body was longer than MAX_RESPONSE_BYTES, so that the rest was not read."""
        return self._body_size > MAX_RESPONSE_BYTES

    @property
    def text(self) -> str:
        """The body as text that the database can store."""
        body = b"".join(self._body)[:MAX_RESPONSE_BYTES]
        return body.decode("utf-8", "replace").replace("\x00", "�")

    def on_connected(self, *_addresses: object) -> int:
        """Begin to wait for the response; refuse to send the request twice, as libcurl would."""
        if self.is_connected:
            self.error = TransferError(CLOSED_EARLY)
            return int(pycurl.PREREQFUNC_ABORT)
        self.is_connected = True
        self._progress_at = time.monotonic()
        return int(pycurl.PREREQFUNC_OK)

    def on_line(self, line: bytes) -> int:
        """Take a line of a head or of the trailers."""
        if not self.is_connected:
            return len(line)  # The proxy's.
        self._line_count += 1
        self._head_size += len(line)
        try:
            if (
                self._head_size > MAX_HEAD_BYTES
                or self._line_count > MAX_HEAD_LINES
                or (self._line_count == 1 and self._is_stray())
            ):
                raise TransferError(INVALID_RESPONSE)
            if self._head is None:
                self._lines.append(line)
                if line in {b"\r\n", b"\n"}:
                    self._end_head()
        except TransferError as error:
            self.error = error
            return _STOP
        return len(line)

    def on_body(self, data: bytes) -> int:
        """Take a part of the body, until it is too long."""
        self._body.append(data)
        self._body_size += len(data)
        return _STOP if self.is_truncated else len(data)

    def silence_seconds(self, count: int, now: float) -> float:
        """Return for how long nothing was received or sent, of the receiver's time to respond.

        `count`: the bytes of bodies sent and received; `now`: on the monotonic clock.
        """
        if not self.is_connected:
            return 0.0
        progress = count + self._head_size
        if progress != self._progress:
            self._progress, self._progress_at = progress, now
        return now - self._progress_at

    def _end_head(self) -> None:
        head = parse_head(self._lines)
        self._lines.clear()
        if head.status_code >= 200:
            self._head = head
