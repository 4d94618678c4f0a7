"""What one worker process holds: claimed deliveries, those ahead and those being attempted."""

import threading
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Sequence

from callevents.delivery.claim import Claim

#: An origin's threads have work for about so long ahead of them, so that none waits for a look.
AHEAD_SECONDS = 0.05
MOST_AHEAD = 64
#: Attempts are measured in milliseconds, so some take none at all.
SHORTEST_SECONDS = 0.001
#: The share of the newest attempt in an origin's usual time for one.
NEWEST_SHARE = 0.2


class Holding:
    """Claims from when they are handed out until their outcome is recorded. Safe in threads.

    Each origin has a line of claims and the threads that work it off. A thread that has made an
    attempt takes the next of the same line, without a transaction or another thread in between.
    """

    def __init__(self) -> None:
        self._claims: dict[str, Claim] = {}
        self._lines: defaultdict[int, deque[Claim]] = defaultdict(deque)
        self._threads: Counter[int] = Counter()
        self._usual_seconds: dict[int, float] = {}
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self._claims)

    def take(self, origin_id: int, claims: Sequence[Claim], threads: int) -> int:
        """Hold claims of one origin; return how many threads are to `next` them, at most `threads`.

        One starts in any case if none works for the origin, so that no claim is left in its line.
        """
        with self._lock:
            self._claims |= {claim.delivery_id: claim for claim in claims}
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
                return line.popleft()
            del self._lines[origin_id]
            self._end_thread(origin_id)
            return None

    def end_thread(self, origin_id: int) -> None:
        """Note that a thread that was to start, or had started, works for the origin no more."""
        with self._lock:
            self._end_thread(origin_id)

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

    def withdraw(self, origin_ids: Iterable[int] | None = None) -> list[Claim]:
        """Hold those that wait in the lines of these origins, or of all, no longer; return them."""
        with self._lock:
            chosen = list(self._lines) if origin_ids is None else origin_ids
            found: list[Claim] = []
            for origin_id in chosen:
                if line := self._lines.get(origin_id):
                    found += line
                    line.clear()
            self._let_go(found)
            return found

    def let_go(self, claims: Iterable[Claim]) -> None:
        """Hold these no longer; their leases are not renewed any more."""
        with self._lock:
            self._let_go(claims)

    def claims(self) -> list[Claim]:
        """Return what is held now."""
        with self._lock:
            return list(self._claims.values())

    def in_flight(self) -> dict[int, int]:
        """Return how many threads make attempts, by their origin's id."""
        with self._lock:
            return dict(self._threads)

    def _let_go(self, claims: Iterable[Claim]) -> None:
        for claim in claims:
            # By now this worker may have claimed the same delivery anew.
            if self._claims.get(claim.delivery_id) is claim:
                del self._claims[claim.delivery_id]

    def _end_thread(self, origin_id: int) -> None:
        self._threads[origin_id] -= 1
        if not self._threads[origin_id]:
            del self._threads[origin_id]
