"""Exponential backoff before a PBX is connected to again."""

import random

from callevents.processes.listener.timings import Timings

JITTER = 0.2


class Backoff:
    """Delays that double, with random jitter so that listeners do not connect all at once."""

    def __init__(self, max_seconds: float, timings: Timings) -> None:
        self._max_seconds = max_seconds
        self._timings = timings
        self._next = timings.initial_delay_seconds

    def reset(self) -> None:
        """Start again with the initial delay, after a successful connection."""
        self._next = self._timings.initial_delay_seconds

    def next_delay(self, *, is_refused: bool = False) -> float:
        """Return the next delay in seconds."""
        delay = max(self._next, self._timings.refused_delay_seconds) if is_refused else self._next
        self._next = self._next * 2
        return min(delay, self._max_seconds) * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311  # no secret
