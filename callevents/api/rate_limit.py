"""Rate limit of the ingest route."""

import time
from math import ceil
from threading import Lock

from callevents.api.problems import ProblemError
from callevents.db.models import Pbx

WINDOW_SECONDS = 60


class RateLimiter:
    """Limits the events of each PBX in this process: a fixed window of one minute.

    It is in memory, so that it delays no call and does not depend on Redis.
    """

    def __init__(self, events_per_minute: int) -> None:
        self._limit = events_per_minute
        self._lock = Lock()
        #: The start of each PBX's window, and the number of events since, by PBX ID.
        self._windows: dict[int, tuple[float, int]] = {}

    def check(self, pbx: Pbx, events: int) -> None:
        """Count the events; raises ProblemError with 429 beyond the limit."""
        now = time.time()
        with self._lock:
            began, count = self._windows.get(pbx.id, (now, 0))
            # A clock that was set back also starts a new window.
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
