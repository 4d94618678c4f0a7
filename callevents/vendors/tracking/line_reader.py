"""Splits a byte stream into lines and blocks, in bounded memory."""

from collections.abc import Iterator
from typing import Protocol

from callevents.vendors.tracking.fields import Message


class Parser(Protocol):
    """Splits a stream into messages."""

    #: Number of messages that the PBX would not write, from somebody else's text in its stream.
    forged: int

    @property
    def broken(self) -> int:
        """Number of lines and messages that could not be read."""

    def feed(self, data: bytes) -> Iterator[Message]:
        """Yield the messages that are now complete."""

    def close(self) -> Iterator[Message]:
        """Yield the last message of a stream."""


MAX_LINE_BYTES = 64 * 1024
#: FreeSWITCH's events have about 300.
MAX_KEYS = 2000


class LineBuffer:
    """Bytes that were received and not read yet."""

    def __init__(self, *, learns_line_end: bool = False) -> None:
        """With `learns_line_end`, all lines end like the first one: a single line feed may not."""
        self._line_end = b"\n"
        self._learns_line_end = learns_line_end
        self._bytes = bytearray()
        self._searched = 0
        self._is_skipping = False
        #: Number of lines skipped because they were longer than MAX_LINE_BYTES.
        self.too_long = 0

    def __len__(self) -> int:
        return len(self._bytes)

    def add(self, data: bytes) -> None:
        """Add received bytes."""
        self._bytes += data

    def take(self, size: int) -> bytes | None:
        """Return exactly `size` bytes; None if fewer have been received."""
        if len(self._bytes) < size:
            return None
        taken = bytes(self._bytes[:size])
        del self._bytes[:size]
        self._searched = 0
        return taken

    def take_line(self) -> str | None:
        """Return the next line without its line end; None if it is incomplete."""
        while (end := self._bytes.find(self._line_end, self._searched)) >= 0:
            line = self.take(end + len(self._line_end)) or b""
            if self._learns_line_end:
                self._learns_line_end = False
                self._line_end = b"\r\n" if line.endswith(b"\r\n") else b"\n"
            was_skipping, self._is_skipping = self._is_skipping, False
            if not was_skipping and len(line) <= MAX_LINE_BYTES:
                return line.rstrip(b"\r\n").decode(errors="replace")
            self.too_long += not was_skipping
        # The last byte may begin a line end.
        self._searched = max(0, len(self._bytes) - len(self._line_end) + 1)
        if len(self._bytes) > MAX_LINE_BYTES:
            self.too_long += not self._is_skipping
            self._is_skipping = True
            self.take(len(self._bytes))
        return None

    def take_rest(self) -> str | None:
        """Return the rest after the last line end; None if there is none."""
        if not self._bytes:
            return None
        self.add(self._line_end)
        return self.take_line()


def add_line(message: Message, line: str) -> bool:
    """Add a line `Key: value` to the message; return False for any other line."""
    key, colon, value = line.partition(":")
    if not colon or not key or " " in key or len(message) >= MAX_KEYS:
        return False
    message.setdefault(key, value.strip())
    return True
