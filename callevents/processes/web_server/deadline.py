"""A deadline that is moved with every request and almost never reached."""

import asyncio
import math
from collections.abc import Callable


class Deadline:
    """Calls a function when the time is over; the function may set a new deadline.

    Moving the deadline back leaves the timer as it is: it looks again when it fires.
    """

    def __init__(self, seconds: float, expired: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._expired = expired
        self._at = self._loop.time() + seconds
        self._start_timer()

    def set(self, seconds: float) -> None:
        """Set the deadline to so many seconds from now."""
        self._at = self._loop.time() + seconds
        if self._at < self._fires_at:
            self._timer.cancel()
            self._start_timer()

    def cancel(self) -> None:
        """Never call the function, and forget it, so that its owner is deleted at once."""
        self._timer.cancel()
        self._fires_at = -math.inf
        self._expired = _do_nothing

    def _check(self) -> None:
        if self._loop.time() < self._at:
            # It was moved back.
            self._start_timer()
        else:
            self._fires_at = math.inf
            self._expired()

    def _start_timer(self) -> None:
        # uvloop rounds to whole milliseconds. One more, and the timer never fires early.
        self._timer = self._loop.call_at(self._at + 0.001, self._check)
        # Kept here, because uvloop's handle has no `when()` if the delay was rounded to 0.
        self._fires_at = self._at


def _do_nothing() -> None: ...
