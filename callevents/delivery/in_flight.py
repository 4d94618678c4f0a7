"""What one worker process holds: claimed deliveries, those ahead and those being attempted."""

import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Sequence

from callevents.delivery.claim import Claim

#: An origin's threads have work for about so long ahead of them, so that none waits for a look.
AHEAD_SECONDS = 0.05
MOST_AHEAD = 64
#: A line of which no claim was taken for so long is given back.
STUCK_SECONDS = 0.5
#: Attempts are measured in milliseconds, so some take none at all.
SHORTEST_SECONDS = 0.001
#: The share of the newest attempt in an origin's usual time for one.
NEWEST_SHARE = 0.2


class InFlight:
    """Claims from when they are handed out until their outcome is recorded. Safe in threads.

    Each origin has a line of claims and the threads that work it off. A thread that has made an
    attempt takes the next of the same line, without a transaction or another thread in between.
    """

    def __init__(self) -> None:
        self._claims: dict[str, Claim] = {}
        self._lines: defaultdict[int, deque[Claim]] = defaultdict(deque)
        #: When each line last became shorter, or began.
        self._moved_at: dict[int, float] = {}
        self._threads: Counter[int] = Counter()
        self._usual_seconds: dict[int, float] = {}
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self._claims)

    def register(self, origin_id: int, claims: Sequence[Claim], threads: int) -> int:
        """Hold claims of one origin; return how many threads are to `next` them, at most `threads`.

        One starts in any case if none works for the origin, so that no claim is left in its line.
        """
        with self._lock:
            self._claims |= {claim.delivery_id: claim for claim in claims}
            if not self._lines[origin_id]:
                self._moved_at[origin_id] = time.monotonic()
            self._lines[origin_id].extend(claims)
            if not self._threads[origin_id]:
                threads = max(threads, 1)
            started = min(threads, len(claims))
            self._threads[origin_id] += started
            return started

    def next(self, origin_id: int) -> Claim | None:
        """Return the claim whose attempt the thread is to make; None if it is to end."""
        with self._lock:
            if line := self._lines[origin_id]:
                self._moved_at[origin_id] = time.monotonic()
                return line.popleft()
            del self._lines[origin_id]
            self._moved_at.pop(origin_id, None)
            self._threads[origin_id] -= 1
            if not self._threads[origin_id]:
                del self._threads[origin_id]
            return None

    def note_seconds(self, origin_id: int, seconds: float) -> None:
        """Note how long an attempt took."""
        with self._lock:
            usual = self._usual_seconds.get(origin_id, seconds)
            self._usual_seconds[origin_id] = usual + (seconds - usual) * NEWEST_SHARE

    def room_ahead(self, origin_id: int, starting: int) -> int:
        """Return how many more claims the origin's threads, with those starting, may have ahead.

        None while it is unknown how fast it answers, or it is slow: what waits here is kept from
        other workers, and from the attempts' order by due time.
        """
        with self._lock:
            usual = max(self._usual_seconds.get(origin_id, AHEAD_SECONDS), SHORTEST_SECONDS)
            threads = self._threads.get(origin_id, 0) + starting
            ahead = int(threads * AHEAD_SECONDS / usual) if usual < AHEAD_SECONDS else 0
            line = self._lines.get(origin_id, ())
            return max(0, min(ahead, MOST_AHEAD) - len(line))

    def has_lines(self) -> bool:
        """Whether anything waits for a thread."""
        with self._lock:
            return any(self._lines.values())

    def find_stuck(self) -> set[int]:
        """Return the origins whose lines stand still: all their threads wait for answers."""
        moved_before = time.monotonic() - STUCK_SECONDS
        with self._lock:
            return {
                origin_id
                for origin_id, line in self._lines.items()
                if line and self._moved_at[origin_id] < moved_before
            }

    def withdraw(self, origin_ids: Iterable[int] | None = None) -> list[Claim]:
        """Hold what waits in the lines of these origins no longer, or of all; return it.

        Probes of these origins stay: they have been taken from all other workers.
        """
        with self._lock:
            found: list[Claim] = []
            for origin_id in list(self._lines) if origin_ids is None else origin_ids:
                line = self._lines.get(origin_id, deque())
                staying = [one for one in line if origin_ids is not None and one.is_probe]
                found += [one for one in line if one not in staying]
                line.clear()
                line.extend(staying)
            self._release(found)
            return found

    def release(self, claims: Iterable[Claim]) -> None:
        """Hold these no longer; their leases are not renewed any more."""
        with self._lock:
            self._release(claims)

    def claims(self) -> list[Claim]:
        """Return what is held now."""
        with self._lock:
            return list(self._claims.values())

    def count_threads(self) -> dict[int, int]:
        """Return how many threads make attempts, by their origin's id."""
        with self._lock:
            return dict(self._threads)

    def _release(self, claims: Iterable[Claim]) -> None:
        for claim in claims:
            # By now this worker may have claimed the same delivery anew.
            if self._claims.get(claim.delivery_id) is claim:
                del self._claims[claim.delivery_id]
