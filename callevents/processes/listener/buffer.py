"""Bounded buffer of call events, and ends of calls, that are not stored yet, in their order."""

import math
import threading
from collections import deque
from collections.abc import Sequence
from itertools import islice

from callevents.ingest.report import CallOver
from callevents.vendors.tracking.events import TrackedEvent

#: What is stored, in the order of its occurrence.
Item = TrackedEvent | CallOver


class Buffer:
    """A bounded queue whose reader peeks, stores, and then removes what it stored."""

    def __init__(self, limit: int) -> None:
        self._limit: float = limit
        self._events: deque[Item] = deque()
        self._changed = threading.Condition()
        self._is_closed = False
        self._is_accepting = True
        #: Number of the oldest events that may be stored while newer ones are withheld; else None.
        self._releasable: int | None = None

    def __len__(self) -> int:
        return len(self._events)

    def count_events(self) -> int:
        """Return the number of call events, without the ends of calls."""
        with self._changed:
            return sum(isinstance(one, TrackedEvent) for one in self._events)

    def put(self, events: Sequence[Item]) -> None:
        """Append the events; block while the buffer is full."""
        if not events:
            return
        with self._changed:
            while len(self._events) >= self._limit:
                self._changed.wait()
            if self._is_accepting:
                self._events.extend(events)
            self._changed.notify_all()

    def peek(self, count: int) -> list[Item]:
        """Return up to `count` of the oldest available events; block until there is one.

        Returns an empty list when the buffer is closed and empty.
        """
        with self._changed:
            while self._releasable == 0 or not (self._events or self._is_closed):
                self._changed.wait()
            return list(
                islice(
                    self._events,
                    count if self._releasable is None else min(count, self._releasable),
                )
            )

    def remove(self, count: int) -> None:
        """Remove the `count` oldest events, after they were stored."""
        with self._changed:
            for _ in range(count):
                self._events.popleft()
            if self._releasable is not None:
                self._releasable -= count
            self._changed.notify_all()

    def withhold(self) -> None:
        """Withhold events added from now on, until the lease is renewed or lost.

        Does nothing after `remove_limits`: nothing would release them any more.
        """
        with self._changed:
            if self._releasable is None and not math.isinf(self._limit):
                self._releasable = len(self._events)

    def release(self) -> None:
        """Make the withheld events available."""
        with self._changed:
            self._releasable = None
            self._changed.notify_all()

    def drop_withheld(self) -> int:
        """Drop the withheld events and all later ones; return the number withheld."""
        with self._changed:
            self._is_accepting = False
            withheld = 0 if self._releasable is None else len(self._events) - self._releasable
            for _ in range(withheld):
                self._events.pop()
            self._releasable = None
            self._changed.notify_all()
            return withheld

    def remove_limits(self) -> None:
        """Accept any number of events and withhold none, because the follower stops.

        Neither the reader nor the writer may block then.
        """
        with self._changed:
            self._limit = math.inf
            self._releasable = None
            self._changed.notify_all()

    def close(self) -> None:
        """Mark the buffer as closed: no more events are added."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
