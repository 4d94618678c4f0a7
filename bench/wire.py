"""Minimal HTTP/1.1, so that measuring costs little compared to the measured work."""

import asyncio
import re
from collections.abc import Callable
from time import perf_counter

#: The call ID and the event type in the query or form that a system sends to the receiver.
_CALL = re.compile(rb"[?&\n](?:CallID|call)=([^& \r\n]*)")
_TYPE = re.compile(rb"[?&\n](?:EventType|event)=([^& \r\n]*)")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
_RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"

Arrived = Callable[[str, float], None]
Answered = Callable[["Connection", int, float], None]


def message_end(data: bytes) -> int:
    """Return where the first message in the data ends, 0 if it is incomplete."""
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
    """A connection of a receiver that reports arrivals and responds at once."""

    def __init__(self, arrived: Arrived) -> None:
        self._arrived = arrived
        self._data = b""
        self._transport: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = transport  # type: ignore[assignment]  # it is a socket's

    def data_received(self, data: bytes) -> None:
        """Respond to each complete request."""
        self._data += data
        while end := message_end(self._data):
            call, kind = _CALL.search(self._data, 0, end), _TYPE.search(self._data, 0, end)
            if call and kind:
                self._arrived(f"{call[1].decode()}/{kind[1].decode()}", perf_counter())
            self._transport.write(_RESPONSE)
            self._data = self._data[end:]


class HangingReceiver(asyncio.Protocol):
    """A connection of a receiver that accepts requests and never responds."""


class Connection(asyncio.Protocol):
    """A persistent connection of the load generator; one request at a time."""

    def __init__(self, answered: Answered) -> None:
        self._answered = answered
        self._data = b""
        self._sent_at = 0.0
        self._transport: asyncio.WriteTransport | None = None

    @property
    def is_open(self) -> bool:
        """True if a request can be sent."""
        return self._transport is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be ready."""
        self._transport = transport  # type: ignore[assignment]  # it is a socket's

    def send(self, request: bytes) -> None:
        """Send a request; `answered` is called with the response."""
        self._sent_at = perf_counter()
        if self._transport is None:
            # It was closed while it was idle.
            asyncio.get_running_loop().call_soon(self._refuse)
        else:
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Report a complete response with its status and duration in seconds."""
        self._data += data
        if end := message_end(self._data):
            status = int(self._data[9:12])
            self._data = self._data[end:]
            seconds, self._sent_at = perf_counter() - self._sent_at, 0.0
            self._answered(self, status, seconds)

    def connection_lost(self, _error: Exception | None) -> None:
        """Count a request without a response as refused."""
        self._transport = None
        if self._sent_at:
            self._refuse()

    def _refuse(self) -> None:
        self._sent_at = 0.0
        self._answered(self, 0, 0.0)
