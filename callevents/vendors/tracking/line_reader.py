"""Lines and blocks of lines cut out of a stream of bytes, in bounded memory."""

from collections.abc import Iterator
from typing import Protocol

from callevents.vendors.tracking.fields import Message


class Parser(Protocol):
    """Cuts a stream into messages."""

    @property
    def broken(self) -> int:
        """How much of the stream could not be read."""

    def feed(self, data: bytes) -> Iterator[Message]:
        """Give the messages that are complete now."""

    def close(self) -> Iterator[Message]:
        """Give the last message of a stream."""


MAX_LINE_BYTES = 64 * 1024
#: FreeSWITCH's events have some 300.
MAX_KEYS = 2000


class LineBuffer:
    """Bytes that came and were not read yet."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._searched = 0
        self._is_skipping = False
        #: Lines that were longer than any may be, and were left out.
        self.too_long = 0

    def __len__(self) -> int:
        return len(self._bytes)

    def add(self, data: bytes) -> None:
        """Take what came."""
        self._bytes += data

    def take(self, size: int) -> bytes | None:
        """Return exactly so many bytes, or None if they have not all come."""
        if len(self._bytes) < size:
            return None
        taken = bytes(self._bytes[:size])
        del self._bytes[:size]
        self._searched = 0
        return taken

    def take_line(self) -> str | None:
        """Return the next line without its end, or None if its end has not come."""
        while (end := self._bytes.find(b"\n", self._searched)) >= 0:
            line = self.take(end + 1) or b""
            was_skipping, self._is_skipping = self._is_skipping, False
            if not was_skipping and len(line) <= MAX_LINE_BYTES:
                return line.rstrip(b"\r\n").decode(errors="replace")
            self.too_long += not was_skipping
        self._searched = len(self._bytes)
        if len(self._bytes) > MAX_LINE_BYTES:
            self.too_long += not self._is_skipping
            self._is_skipping = True
            self.take(len(self._bytes))
        return None

    def take_rest(self) -> str | None:
        """Return what is left after the last line end, None if that is nothing."""
        if not self._bytes:
            return None
        self.add(b"\n")
        return self.take_line()


def add_line(message: Message, line: str) -> bool:
    """Put a line of `Key: value` into the message; tell whether it was one."""
    key, colon, value = line.partition(":")
    if not colon or not key or " " in key or len(message) >= MAX_KEYS:
        return False
    message.setdefault(key, value.strip())
    return True
