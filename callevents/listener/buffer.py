"""Call events that are not stored yet, in the order in which they happened."""

import math
import threading
from collections import deque
from collections.abc import Sequence
from itertools import islice

from callevents.pbx.events import TrackedEvent


class Buffer:
    """A bounded queue whose reader looks first and takes away what it has stored."""

    def __init__(self, limit: int) -> None:
        self._limit: float = limit
        self._events: deque[TrackedEvent] = deque()
        self._changed = threading.Condition()
        self._is_closed = False

    def __len__(self) -> int:
        return len(self._events)

    def put(self, events: Sequence[TrackedEvent]) -> None:
        """Add the events; wait first while the buffer is full."""
        if not events:
            return
        with self._changed:
            while len(self._events) >= self._limit:
                self._changed.wait()
            self._events.extend(events)
            self._changed.notify_all()

    def look(self, count: int) -> list[TrackedEvent]:
        """Return the oldest events; wait for one. None are left when it is closed and empty."""
        with self._changed:
            while not self._events and not self._is_closed:
                self._changed.wait()
            return list(islice(self._events, count))

    def take_away(self, count: int) -> None:
        """Forget the oldest events."""
        with self._changed:
            for _ in range(count):
                self._events.popleft()
            self._changed.notify_all()

    def take_all(self) -> None:
        """Have no limit any more: whoever adds is about to end, and must not wait."""
        with self._changed:
            self._limit = math.inf
            self._changed.notify_all()

    def close(self) -> None:
        """Note that nothing will be added any more."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
