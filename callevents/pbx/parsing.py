"""What parsers of PBXs' streams have in common."""

from collections.abc import Iterator
from typing import Protocol

from callevents.pbx.values import Message


class Parser(Protocol):
    """Cuts a stream into messages."""

    @property
    def broken(self) -> int:
        """How much of the stream could not be read."""

    def feed(self, data: bytes) -> Iterator[Message]:
        """Give the messages that are complete now."""

    def close(self) -> Iterator[Message]:
        """Give the last message of a stream."""
