"""Messages of an AMI stream: lines of `Key: value`, each message ended by an empty line."""

from collections.abc import Iterator

from callevents.vendors.tracking.fields import Message
from callevents.vendors.tracking.line_reader import LineBuffer, add_line

BANNER = "Asterisk Call Manager/"


def is_message(message: Message) -> bool:
    """Return True if these fields are a message of AMI."""
    kinds = {"Event", "Response", "Action"}
    usual = {"Privilege", "ActionID", "Message", "Uniqueid", "Username"}
    return not (kinds.isdisjoint(message) or usual.isdisjoint(message))


class AmiParser:
    """Splits a stream, received in chunks of any size, into messages."""

    def __init__(self) -> None:
        self._lines = LineBuffer()
        self._message: Message = {}
        self._broken_lines = 0

    @property
    def broken(self) -> int:
        """Number of lines that could not be read."""
        return self._broken_lines + self._lines.too_long

    def feed(self, data: bytes) -> Iterator[Message]:
        """Yield the messages that are now complete."""
        self._lines.add(data)
        while (line := self._lines.take_line()) is not None:
            yield from self._read(line)

    def close(self) -> Iterator[Message]:
        """Yield the last message of a stream that ended without an empty line."""
        rest = self._lines.take_rest()
        if rest is not None:
            yield from self._read(rest)
        yield from self._read("")

    def _read(self, line: str) -> Iterator[Message]:
        if not line:
            if self._message:
                message, self._message = self._message, {}
                yield message
            return
        if line.startswith(BANNER):
            return
        if not add_line(self._message, line):
            self._broken_lines += 1


def write_message(message: Message) -> bytes:
    """Return the message encoded as on the wire."""
    return "".join(f"{key}: {value}\r\n" for key, value in message.items()).encode() + b"\r\n"
