"""The pauses before a PBX is tried again."""

import random

FIRST_SECONDS = 1.0
#: Who was refused tries seldom: PBXs lock out addresses that try wrong passwords.
REFUSED_SECONDS = 30.0
JITTER = 0.2


class Backoff:
    """Pauses that grow, changed at random so that not all listeners come at the same moment."""

    def __init__(self, longest_seconds: float) -> None:
        self._longest = longest_seconds
        self._next = FIRST_SECONDS

    def reset(self) -> None:
        """Begin again, because a connection has worked."""
        self._next = FIRST_SECONDS

    def take(self, *, is_refused: bool = False) -> float:
        """Return for how many seconds to wait now."""
        pause = max(self._next, REFUSED_SECONDS) if is_refused else self._next
        self._next = self._next * 2
        return min(pause, self._longest) * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311  # no secret
