"""Keeps handles with idle connections, by origin and client certificate."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from callevents.delivery.http.handle import Handle
from callevents.security.client_certificate import ClientCertificate

#: Each has a connection, and with TLS some memory.
MAX_IDLE_HANDLES = 64

#: An origin, and the certificate with which we have authenticated: requests with another one, or
#: without, must not use the connection.
Key = tuple[str, ClientCertificate | None]


class HandlePool:
    """Lends handles to attempts. For one thread."""

    def __init__(self, create: Callable[[], Handle]) -> None:
        self._create = create
        #: The key that was used last is the last.
        self._idle: dict[Key, list[Handle]] = {}
        self._count = 0

    @contextmanager
    def borrow(self, origin: str, certificate: ClientCertificate | None = None) -> Iterator[Handle]:
        """Yield a handle, if possible with a connection to the origin; close it after an error."""
        key = origin, certificate
        handle = self._take(key)
        try:
            yield handle
        except BaseException:
            handle.close()
            raise
        self._put(key, handle)

    def close(self) -> None:
        """Close all idle handles."""
        while self._idle:
            self._remove(next(iter(self._idle)), 0).close()

    def _take(self, key: Key) -> Handle:
        while key in self._idle:
            # The one that was used last: its connection is most likely still open.
            handle = self._remove(key, -1)
            if handle.is_usable:
                return handle
            handle.close()
        handle = self._create()
        if key[1] is not None:
            handle.use_certificate(key[1])
        return handle

    def _put(self, key: Key, handle: Handle) -> None:
        """Keep the handle; close the one that was idle the longest if there are too many."""
        handle.rest()
        self._idle[key] = [*self._idle.pop(key, ()), handle]
        self._count += 1
        if self._count > MAX_IDLE_HANDLES:
            self._remove(next(iter(self._idle)), 0).close()

    def _remove(self, key: Key, position: int) -> Handle:
        self._count -= 1
        idle = self._idle[key]
        handle = idle.pop(position)
        if not idle:
            del self._idle[key]
        return handle
