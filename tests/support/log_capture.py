"""Reads what is logged, in the form in which it is written."""

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager


class Logged:
    """What has been logged since it began to listen."""

    def __init__(self, stream: io.StringIO) -> None:
        self._stream = stream

    @property
    def text(self) -> str:
        """All of it."""
        return self._stream.getvalue()

    @property
    def lines(self) -> list[str]:
        """Its lines."""
        return self.text.splitlines()


@contextmanager
def capture_log(level: int = logging.DEBUG) -> Iterator[Logged]:
    """Listen with the formatter that the application has set up, down to that level."""
    root = logging.getLogger()
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(root.handlers[0].formatter)
    before = root.level
    root.addHandler(handler)
    root.setLevel(level)
    yield Logged(stream)
    root.setLevel(before)
    root.removeHandler(handler)
