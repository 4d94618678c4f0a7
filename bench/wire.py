"""HTTP/1.1 as light as it gets, so that measuring takes little of what is measured."""

import asyncio
import re
from collections.abc import Callable
from time import perf_counter

#: What the systems send to the receiver: the call's id in the query or in a form.
_CALL = re.compile(rb"[?&\n](?:CallID|call)=([^& \r\n]*)")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"

Arrived = Callable[[str, float], None]
Answered = Callable[["Connection", int, float], None]


def message_end(data: bytes) -> int:
    """Return where the first message in the data ends, 0 if it has not come whole."""
    head = data.find(b"\r\n\r\n")
    if head < 0:
        return 0
    if _CHUNKED.search(data, 0, head):
        last = data.find(b"0\r\n\r\n", head)
        return last + 5 if last > 0 else 0
    length = _LENGTH.search(data, 0, head)
    end = head + 4 + (int(length[1]) if length else 0)
    return end if len(data) >= end else 0


class Receiver(asyncio.Protocol):
    """One connection of a receiver that notes whom it hears of and answers at once."""

    def __init__(self, arrived: Arrived) -> None:
        self._arrived = arrived
        self._data = b""
        self._http_client: asyncio.WriteTransport

    def connection_made(self, http_client: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._http_client = http_client  # type: ignore[assignment]  # it is a socket's

    def data_received(self, data: bytes) -> None:
        """Answer each request that has come whole."""
        self._data += data
        while end := message_end(self._data):
            if call := _CALL.search(self._data, 0, end):
                self._arrived(call[1].decode(), perf_counter())
            self._http_client.write(_ANSWER)
            self._data = self._data[end:]


class HangingReceiver(asyncio.Protocol):
    """One connection of a receiver that takes requests and never answers."""


class Connection(asyncio.Protocol):
    """One kept connection of the load generator: a request, its answer, the next request."""

    def __init__(self, answered: Answered) -> None:
        self._answered = answered
        self._data = b""
        self._sent_at = 0.0
        self._http_client: asyncio.WriteTransport | None = None

    @property
    def is_open(self) -> bool:
        """Whether a request can be sent."""
        return self._http_client is not None

    def connection_made(self, http_client: asyncio.BaseTransport) -> None:
        """Be ready."""
        self._http_client = http_client  # type: ignore[assignment]  # it is a socket's

    def send(self, request: bytes) -> None:
        """Send a request; what comes of it is told to `answered`."""
        self._sent_at = perf_counter()
        if self._http_client is None:
            # It was closed while it was idle.
            asyncio.get_running_loop().call_soon(self._refuse)
        else:
            self._http_client.write(request)

    def data_received(self, data: bytes) -> None:
        """Tell what has been answered, and how many seconds it took."""
        self._data += data
        if end := message_end(self._data):
            status = int(self._data[9:12])
            self._data = self._data[end:]
            seconds, self._sent_at = perf_counter() - self._sent_at, 0.0
            self._answered(self, status, seconds)

    def connection_lost(self, _error: Exception | None) -> None:
        """Count a request without an answer as refused."""
        self._http_client = None
        if self._sent_at:
            self._refuse()

    def _refuse(self) -> None:
        self._sent_at = 0.0
        self._answered(self, 0, 0.0)
