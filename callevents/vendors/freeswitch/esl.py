"""Messages of an event socket: headers, an empty line, and a body of the announced length."""

import re
from collections.abc import Iterator
from urllib.parse import quote, unquote

from callevents.vendors.tracking.fields import Message
from callevents.vendors.tracking.line_reader import LineBuffer, add_line

#: An event is about 20 kB; a list of running calls may be long.
MAX_BODY_BYTES = 16 * 1024 * 1024
EVENT = "text/event-plain"
#: The field that has the body of a reply to a command.
BODY = "_body"


def is_message(message: Message) -> bool:
    """Return True if these fields are a message of an event socket."""
    kinds = ("auth/request", "command/reply", "api/response", "text/disconnect-notice")
    return "Event-Name" in message or message.get("Content-Type") in kinds


class EventSocketParser:
    """Splits a stream, received in chunks of any size, into messages.

    An event is returned as its fields, decoded. Other messages are their headers, and BODY.
    """

    def __init__(self) -> None:
        self._lines = LineBuffer()
        self._headers: Message = {}
        self._body_bytes: int | None = None
        self._broken = 0
        #: Values are percent-encoded, so nobody can write messages into the stream.
        self.forged = 0

    @property
    def broken(self) -> int:
        """Number of lines and bodies that could not be read."""
        return self._broken + self._lines.too_long

    def feed(self, data: bytes) -> Iterator[Message]:
        """Yield the messages that are now complete."""
        self._lines.add(data)
        while True:
            if self._body_bytes is not None:
                body = self._lines.take(self._body_bytes)
                if body is None:
                    return
                self._body_bytes = None
                yield self._take_message(body.decode(errors="replace"))
                continue
            line = self._lines.take_line()
            if line is None:
                return
            yield from self._read(line)

    def close(self) -> Iterator[Message]:
        """Yield the last message of a stream that ended without an empty line."""
        if self._body_bytes is not None:
            self._broken += 1
            return
        rest = self._lines.take_rest()
        if rest is not None:
            yield from self._read(rest)
        yield from self._read("")

    def _read(self, line: str) -> Iterator[Message]:
        if line:
            self._broken += not add_line(self._headers, line)
            return
        if not self._headers:
            return
        length = self._headers.get("Content-Length", "")
        # A capture may lack the frames around the events.
        if "Event-Name" in self._headers or not length:
            yield self._take_message("")
        elif not re.fullmatch(r"\d{1,9}", length, re.ASCII) or int(length) > MAX_BODY_BYTES:
            self._broken += 1
            yield from self._skip_body()
        else:
            self._body_bytes = int(length)

    def _skip_body(self) -> Iterator[Message]:
        """Yield a reply without its unreadable body, because a command waits for the reply."""
        headers, self._headers = self._headers, {}
        if headers.get("Content-Type", EVENT) != EVENT:
            yield headers

    def _take_message(self, body: str) -> Message:
        headers, self._headers = self._headers, {}
        if "Event-Name" in headers:
            return {key: unquote(value) for key, value in headers.items()}
        if headers.get("Content-Type", EVENT) != EVENT:
            return {**headers, BODY: body} if body else headers
        event: Message = {}
        for line in body.split("\n"):
            # The body of the event, if it has one, begins after an empty line.
            if not line.rstrip("\r"):
                break
            self._broken += not add_line(event, line.rstrip("\r"))
        return {key: unquote(value) for key, value in event.items()}


def write_message(message: Message) -> bytes:
    """Return the message encoded as on the wire."""
    if "Event-Name" in message:
        lines = "".join(f"{key}: {quote(value)}\n" for key, value in message.items())
        body, kind = f"{lines}\n".encode(), EVENT
    else:
        body, kind = message.get(BODY, "").encode(), message.get("Content-Type", "")
    return f"Content-Length: {len(body)}\nContent-Type: {kind}\n\n".encode() + body
