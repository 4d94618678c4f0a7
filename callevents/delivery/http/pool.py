"""Keeps handles with idle connections, by origin."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from callevents.delivery.http.handle import Handle

#: Each has a connection and takes three file descriptors, and a megabyte with TLS.
MAX_IDLE_HANDLES = 64


class HandlePool:
    """Lends handles to threads, which use each alone. Thread-safe."""

    def __init__(self, create: Callable[[], Handle]) -> None:
        self._create = create
        self._lock = threading.Lock()
        #: By origin; the origin that was used last is the last.
        self._idle: dict[str, list[Handle]] = {}
        self._count = 0
        self._is_closed = False

    @contextmanager
    def borrow(self, origin: str) -> Iterator[Handle]:
        """Yield a handle, if possible with a connection to the origin; close it after an error."""
        while (handle := self._take(origin)) and not handle.is_usable():
            handle.close()
        handle = handle or self._create()
        try:
            yield handle
        except BaseException:
            handle.close()
            raise
        if surplus := self._put(origin, handle):
            surplus.close()

    def close(self) -> None:
        """Close all idle connections, and the others after use."""
        with self._lock:
            self._is_closed = True
            handles = [handle for idle in self._idle.values() for handle in idle]
            self._idle, self._count = {}, 0
        for handle in handles:
            handle.close()

    def _take(self, origin: str) -> Handle | None:
        with self._lock:
            # The one that was used last: its connection is most likely still open.
            return self._remove(origin, -1) if origin in self._idle else None

    def _put(self, origin: str, handle: Handle) -> Handle | None:
        """Keep the handle; return one that must be closed instead, if there is one."""
        with self._lock:
            if self._is_closed:
                return handle
            self._idle[origin] = [*self._idle.pop(origin, ()), handle]
            self._count += 1
            if self._count <= MAX_IDLE_HANDLES:
                return None
            return self._remove(next(iter(self._idle)), 0)

    def _remove(self, origin: str, position: int) -> Handle:
        self._count -= 1
        idle = self._idle[origin]
        handle = idle.pop(position)
        if not idle:
            del self._idle[origin]
        return handle
