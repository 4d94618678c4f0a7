"""Exponential backoff before a PBX is connected to again."""

import math
import random
import time

from callevents.processes.listener.timings import Timings
from callevents.vendors.tracking.session import SessionError

JITTER = 0.2


class Backoff:
    """Delays that double, with random jitter so that listeners do not connect all at once."""

    def __init__(self, max_seconds: float, timings: Timings) -> None:
        self._max_seconds = max_seconds
        self._timings = timings
        self._next = timings.initial_delay_seconds
        self._is_immediate = False
        #: On the monotonic clock: when a delay was last omitted.
        self._immediate_at = -math.inf

    def reset(self) -> None:
        """Start again after a successful connection: the next delay is none.

        A PBX that cuts each connection shortly after the login gets the initial delay instead.
        """
        self._next = self._timings.initial_delay_seconds
        since = time.monotonic() - self._immediate_at
        self._is_immediate = since >= self._timings.immediate_interval_seconds

    def next_delay(self, error: SessionError | None = None) -> float:
        """Return the next delay in seconds, after this error."""
        is_immediate, self._is_immediate = self._is_immediate, False
        is_rejected = error is not None and error.is_refused
        if is_immediate and not is_rejected:
            self._immediate_at = time.monotonic()
            return 0.0
        delay = max(self._next, self._timings.refused_delay_seconds) if is_rejected else self._next
        self._next = self._next * 2
        return min(delay, self._limit(error)) * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311  # no secret

    def _limit(self, error: SessionError | None) -> float:
        if error is not None and error.is_port_closed:
            return min(self._max_seconds, self._timings.closed_port_max_seconds)
        return self._max_seconds
