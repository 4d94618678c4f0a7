"""Remembers when something is due that does not wake the dispatcher."""

import math
import threading
import time
from datetime import datetime

from callevents.db.models import utc_now


class Alarm:
    """The earliest of the moments that were set and have not passed. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        #: On the monotonic clock.
        self._at = math.inf

    def set(self, moment: datetime) -> None:
        """Add a moment."""
        at = time.monotonic() + max(0.0, (moment - utc_now()).total_seconds())
        with self._lock:
            self._at = min(self._at, at)

    def seconds_left(self) -> float:
        """Return the time until the earliest moment, infinite without one, and forget the past."""
        with self._lock:
            left = self._at - time.monotonic()
            if left <= 0:
                self._at = math.inf
            return max(0.0, left)
