"""Rate limit of the ingest route."""

import time
from math import ceil
from threading import Lock

from callevents.api.problems import ProblemError
from callevents.db.models import Pbx

WINDOW_SECONDS = 60


class RateLimiter:
    """Keeps one PBX from flooding this process: a fixed window of a minute, in memory.

    In memory, so that it costs a dialplan nothing and cannot fail with Redis.
    """

    def __init__(self, events_per_minute: int) -> None:
        self._limit = events_per_minute
        self._lock = Lock()
        #: When each PBX's window began, and how many events it has reported since.
        self._windows: dict[int, tuple[float, int]] = {}

    def check(self, pbx: Pbx, events: int) -> None:
        """Raise ProblemError if the PBX has reported too much within this minute."""
        now = time.time()
        with self._lock:
            began, count = self._windows.get(pbx.id, (now, 0))
            # A clock that was set back begins a new window too.
            if not 0 <= now - began < WINDOW_SECONDS:
                began, count = now, 0
            self._windows[pbx.id] = began, count + events
        if count + events > self._limit:
            wait = max(1, ceil(began + WINDOW_SECONDS - now))
            raise ProblemError(
                429,
                f"More than {self._limit:,} events within a minute. Wait {wait} seconds.",
                headers={"Retry-After": str(wait)},
            )
