"""A deadline that is moved with every request and almost never reached."""

import asyncio
from collections.abc import Callable


class Deadline:
    """Calls a function when the time is over; the function may set a new deadline.

    Moving the deadline back leaves the timer as it is: it looks again when it fires.
    """

    def __init__(self, seconds: float, expired: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._expired = expired
        self._at = self._loop.time() + seconds
        self._timer = self._loop.call_at(self._at, self._check)

    def set(self, seconds: float) -> None:
        """Set the deadline to so many seconds from now."""
        self._at = self._loop.time() + seconds
        if self._at < self._timer.when():
            self._timer.cancel()
            self._timer = self._loop.call_at(self._at, self._check)

    def cancel(self) -> None:
        """Never call the function, and forget it, so that its owner is deleted at once."""
        self._timer.cancel()
        self._expired = _do_nothing

    def _check(self) -> None:
        if self._loop.time() >= self._at:
            self._expired()
        if self._loop.time() < self._at:
            # It was moved, now or earlier.
            self._timer = self._loop.call_at(self._at, self._check)


def _do_nothing() -> None: ...
