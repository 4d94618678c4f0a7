"""Exponential backoff before a PBX is connected to again."""

import random

INITIAL_DELAY_SECONDS = 1.0
#: Minimum delay after a refused login: PBXs lock out addresses that try wrong passwords.
REFUSED_DELAY_SECONDS = 30.0
JITTER = 0.2


class Backoff:
    """Delays that double, with random jitter so that listeners do not connect all at once."""

    def __init__(self, max_seconds: float) -> None:
        self._max_seconds = max_seconds
        self._next = INITIAL_DELAY_SECONDS

    def reset(self) -> None:
        """Start again with the initial delay, after a successful connection."""
        self._next = INITIAL_DELAY_SECONDS

    def next_delay(self, *, is_refused: bool = False) -> float:
        """Return the next delay in seconds."""
        delay = max(self._next, REFUSED_DELAY_SECONDS) if is_refused else self._next
        self._next = self._next * 2
        return min(delay, self._max_seconds) * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311  # no secret
