"""Keeps handles with idle connections, by origin."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from callevents.delivery.http.handle import Handle

#: Each has a connection, and with TLS some memory.
MAX_IDLE_HANDLES = 64


class HandlePool:
    """Lends handles to attempts. For one thread."""

    def __init__(self, create: Callable[[], Handle]) -> None:
        self._create = create
        #: By origin; the origin that was used last is the last.
        self._idle: dict[str, list[Handle]] = {}
        self._count = 0

    @contextmanager
    def borrow(self, origin: str) -> Iterator[Handle]:
        """Yield a handle, if possible with a connection to the origin; close it after an error."""
        handle = self._take(origin)
        try:
            yield handle
        except BaseException:
            handle.close()
            raise
        self._put(origin, handle)

    def close(self) -> None:
        """Close all idle handles."""
        while self._idle:
            self._remove(next(iter(self._idle)), 0).close()

    def _take(self, origin: str) -> Handle:
        while origin in self._idle:
            # The one that was used last: its connection is most likely still open.
            handle = self._remove(origin, -1)
            if handle.is_usable:
                return handle
            handle.close()
        return self._create()

    def _put(self, origin: str, handle: Handle) -> None:
        """Keep the handle; close the one that was idle the longest if there are too many."""
        handle.rest()
        self._idle[origin] = [*self._idle.pop(origin, ()), handle]
        self._count += 1
        if self._count > MAX_IDLE_HANDLES:
            self._remove(next(iter(self._idle)), 0).close()

    def _remove(self, origin: str, position: int) -> Handle:
        self._count -= 1
        idle = self._idle[origin]
        handle = idle.pop(position)
        if not idle:
            del self._idle[origin]
        return handle
