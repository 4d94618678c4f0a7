"""Refuses answers that end in the middle of their head, which http.client takes for whole ones.

`HTTP/1.1 200 OK` and then nothing is no success: the receiver may have died while it answered. RFC
9112, section 8, calls such a message incomplete.
"""

from http.client import HTTPResponse, RemoteDisconnected
from typing import Any


class WholeHeadResponse(HTTPResponse):
    """An answer whose head has to end with its empty line."""

    fp: Any

    def begin(self) -> None:
        """Read the head; raises RemoteDisconnected if the connection ends within it."""
        reader = _Lines(self.fp)
        self.fp = reader
        try:
            super().begin()
        finally:
            if self.fp is reader:
                self.fp = reader.file
        # What is no HTTP at all has been refused as that by now.
        if not reader.is_whole:
            raise RemoteDisconnected("the connection was closed within the answer's head")


class _Lines:
    """Reads lines, and notes whether the last one had an end."""

    def __init__(self, file: Any) -> None:
        self.file = file
        self.is_whole = True

    def readline(self, limit: int) -> bytes:
        line: bytes = self.file.readline(limit)
        self.is_whole = line.endswith(b"\n")
        return line

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)
