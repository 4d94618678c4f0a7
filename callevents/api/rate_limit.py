"""Rate limit of the ingest route, and PBXs that have to wait because of a quota."""

import time
from math import ceil
from threading import Lock

from callevents.api.problems import ProblemError
from callevents.db.models import Pbx
from callevents.errors import QuotaError

WINDOW_SECONDS = 60


#: More than have a quota. A full list is cleared.
MAX_HELD_OFF = 10_000


def quota_problem(error: QuotaError) -> ProblemError:
    """Return the response to a PBX that has reached a quota."""
    return ProblemError(429, str(error), headers={"Retry-After": str(error.wait_seconds)})


class RateLimiter:
    """Limits the events of each PBX in this process: a fixed window of one minute.

    It is in memory, so that it delays no call and does not depend on Redis.
    """

    def __init__(self, events_per_minute: int) -> None:
        self._limit = events_per_minute
        self._lock = Lock()
        #: The start of each PBX's window, and the number of events since, by PBX ID.
        self._windows: dict[int, tuple[float, int]] = {}
        #: Since when requests with a token are refused, and the error then, by the token's ID.
        self._held_off: dict[str, tuple[float, QuotaError]] = {}
        #: When that was last shown to users, by the token's ID.
        self._shown_at: dict[str, float] = {}

    def hold_off(self, token_id: str, error: QuotaError) -> bool:
        """Refuse requests with the token for as long as the error says, without a statement.

        Changing a quota gives the tokens of the PBX new IDs, so it takes effect at once. Returns
        True once a minute: a PBX that is always at its limit would else fill the list of reports.
        """
        if len(self._held_off) >= MAX_HELD_OFF:
            self._held_off.clear()
            self._shown_at.clear()
        now = time.time()
        self._held_off[token_id] = now, error
        if 0 <= now - self._shown_at.get(token_id, 0) < WINDOW_SECONDS:
            return False
        self._shown_at[token_id] = now
        return True

    def check_held_off(self, token_id: str) -> None:
        """Raise ProblemError with 429 while requests with the token are refused."""
        if not self._held_off or (found := self._held_off.get(token_id)) is None:
            return
        began, error = found
        waited = time.time() - began
        # A clock that was set back also ends it.
        if 0 <= waited < error.wait_seconds:
            raise quota_problem(QuotaError(error.sentence, ceil(error.wait_seconds - waited)))

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
