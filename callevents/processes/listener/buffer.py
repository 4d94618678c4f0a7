"""Call events that are not stored yet, in the order in which they happened."""

import math
import threading
from collections import deque
from collections.abc import Sequence
from itertools import islice

from callevents.vendors.tracking.events import TrackedEvent


class Buffer:
    """A bounded queue whose reader looks first and takes away what it has stored."""

    def __init__(self, limit: int) -> None:
        self._limit: float = limit
        self._events: deque[TrackedEvent] = deque()
        self._changed = threading.Condition()
        self._is_closed = False
        self._takes_more = True
        #: How many of the oldest may be stored, where the others are held back.
        self._free: int | None = None

    def __len__(self) -> int:
        return len(self._events)

    def put(self, events: Sequence[TrackedEvent]) -> None:
        """Add the events; wait first while the buffer is full."""
        if not events:
            return
        with self._changed:
            while len(self._events) >= self._limit:
                self._changed.wait()
            if self._takes_more:
                self._events.extend(events)
            self._changed.notify_all()

    def look(self, count: int) -> list[TrackedEvent]:
        """Return the oldest events that are not held back; wait for one.

        None are left when it is closed and empty.
        """
        with self._changed:
            while self._free == 0 or not (self._events or self._is_closed):
                self._changed.wait()
            return list(
                islice(self._events, count if self._free is None else min(count, self._free))
            )

    def take_away(self, count: int) -> None:
        """Forget the oldest events."""
        with self._changed:
            for _ in range(count):
                self._events.popleft()
            if self._free is not None:
                self._free -= count
            self._changed.notify_all()

    def hold(self) -> None:
        """Hold back what is added from now on, until it is known whether it is to be stored.

        Not once all is to be taken: nobody would give it out.
        """
        with self._changed:
            if self._free is None and not math.isinf(self._limit):
                self._free = len(self._events)

    def release(self) -> None:
        """Give out what was held back."""
        with self._changed:
            self._free = None
            self._changed.notify_all()

    def drop_held(self) -> int:
        """Forget what was held back and what comes; return how much was held back."""
        with self._changed:
            self._takes_more = False
            held = 0 if self._free is None else len(self._events) - self._free
            for _ in range(held):
                self._events.pop()
            self._free = None
            self._changed.notify_all()
            return held

    def take_all(self) -> None:
        """Have no limit and hold back nothing any more: all is about to end.

        Neither who adds nor who stores must wait.
        """
        with self._changed:
            self._limit = math.inf
            self._free = None
            self._changed.notify_all()

    def close(self) -> None:
        """Note that nothing will be added any more."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
