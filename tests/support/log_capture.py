"""Captures the log in its output format."""

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager


class Logged:
    """The log lines since the capture began."""

    def __init__(self, stream: io.StringIO) -> None:
        self._stream = stream

    @property
    def text(self) -> str:
        """The whole text."""
        return self._stream.getvalue()

    @property
    def lines(self) -> list[str]:
        """The lines."""
        return self.text.splitlines()


@contextmanager
def capture_log(level: int = logging.DEBUG) -> Iterator[Logged]:
    """Capture lines of this level and above, with the application's formatter."""
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
