"""Claimed deliveries of one worker process: queued for a slot, or being attempted."""

import sys
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence

from callevents.delivery.claim import Claim

#: An origin's slots have work queued for about this time, so that none waits for the dispatcher.
AHEAD_SECONDS = 0.05
MAX_AHEAD = 64
#: A queue from which no claim was taken for this time is released.
STALLED_SECONDS = 0.5
#: Durations are measured in milliseconds, so some are zero.
MIN_ATTEMPT_SECONDS = 0.001
#: Weight of the latest attempt in the moving average of an origin's durations.
AVERAGE_WEIGHT = 0.2


class InFlight:
    """Claims from dispatch until their outcome is recorded. Thread-safe.

    Each origin has a queue of claims and the slots that are busy with it. Where an attempt has
    ended, the slot takes the next claim of the same queue, without a transaction.
    """

    def __init__(
        self,
        *,
        slots: int = sys.maxsize,
        slots_per_origin: int = sys.maxsize,
        find_cap: Callable[[int], int | None] = lambda _origin_id: None,
        stalled_seconds: float = STALLED_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`find_cap` returns an origin's own limit of slots, if it has one."""
        self._slots = slots
        self._slots_per_origin = slots_per_origin
        self._find_cap = find_cap
        self._stalled_seconds = stalled_seconds
        self._clock = clock
        self._claims: dict[str, Claim] = {}
        self._queues: defaultdict[int, deque[Claim]] = defaultdict(deque)
        #: When each queue last became shorter, or began.
        self._progress_at: dict[int, float] = {}
        self._busy: Counter[int] = Counter()
        self._average_seconds: dict[int, float] = {}
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self._claims)

    def register(self, origin_id: int, claims: Sequence[Claim], slots: int) -> int:
        """Queue claims of one origin; return how many slots to start, at most `slots`.

        At least one starts if none is busy with the origin, so that no claim is left in its queue.
        """
        with self._lock:
            self._claims |= {claim.delivery_id: claim for claim in claims}
            if not self._queues[origin_id]:
                self._progress_at[origin_id] = self._clock()
            self._queues[origin_id].extend(claims)
            # Several callers may have divided the same free slots.
            running = self._busy[origin_id]
            left = min(self._slots - self._busy.total(), self._cap(origin_id) - running)
            started = max(min(slots, len(claims), left), 0 if running else 1)
            self._busy[origin_id] += started
            return started

    def without_known(self, fences: Mapping[str, int]) -> dict[str, int]:
        """Return the fences, by delivery id, that are not those of current claims."""
        with self._lock:
            return {
                delivery_id: fence
                for delivery_id, fence in fences.items()
                if (claim := self._claims.get(delivery_id)) is None or claim.fence != fence
            }

    def count_queued(self) -> int:
        """Return how many claims wait for a slot, without the queues that do not move."""
        moving_since = self._clock() - AHEAD_SECONDS
        with self._lock:
            return sum(
                len(queue)
                for origin_id, queue in self._queues.items()
                if queue and self._progress_at[origin_id] >= moving_since
            )

    def next(self, origin_id: int) -> Claim | None:
        """Return the slot's next claim; None if the queue is empty: then the slot is free."""
        with self._lock:
            queue = self._queues[origin_id]
            # More are busy than may be if the limit was lowered: one of them goes on.
            if queue and self._busy[origin_id] <= self._cap(origin_id):
                self._progress_at[origin_id] = self._clock()
                return queue.popleft()
            if not queue:
                del self._queues[origin_id]
                self._progress_at.pop(origin_id, None)
            self._busy[origin_id] -= 1
            if not self._busy[origin_id]:
                del self._busy[origin_id]
            return None

    def record_duration(self, origin_id: int, seconds: float) -> None:
        """Add an attempt's duration to the origin's moving average."""
        with self._lock:
            average = self._average_seconds.get(origin_id, seconds)
            self._average_seconds[origin_id] = average + (seconds - average) * AVERAGE_WEIGHT

    def ahead_limit(self, origin_id: int, starting: int) -> int:
        """Return how many more claims may be queued for the origin's slots and `starting` ones.

        Zero while the origin's speed is unknown, or it is slow: a queued claim is kept from other
        workers, and from the order by due time.
        """
        with self._lock:
            average = max(self._average_seconds.get(origin_id, AHEAD_SECONDS), MIN_ATTEMPT_SECONDS)
            slots = self._busy.get(origin_id, 0) + starting
            ahead = int(slots * AHEAD_SECONDS / average) if average < AHEAD_SECONDS else 0
            queue = self._queues.get(origin_id, ())
            return max(0, min(ahead, MAX_AHEAD) - len(queue))

    def has_queued(self) -> bool:
        """Return True if any claim waits for a slot."""
        with self._lock:
            return any(self._queues.values())

    def find_stalled(self) -> set[int]:
        """Return the origins whose queues do not move: all their slots wait for responses."""
        stalled_since = self._clock() - self._stalled_seconds
        with self._lock:
            return {
                origin_id
                for origin_id, queue in self._queues.items()
                if queue and self._progress_at[origin_id] < stalled_since
            }

    def remove_queued(self, origin_ids: Iterable[int] | None = None) -> list[Claim]:
        """Remove and return the queued claims of these origins, or of all origins.

        Probes of the named origins stay: no other worker may send them.
        """
        with self._lock:
            removed: list[Claim] = []
            for origin_id in list(self._queues) if origin_ids is None else origin_ids:
                queue = self._queues.get(origin_id, deque())
                probes = [one for one in queue if origin_ids is not None and one.is_probe]
                removed += [one for one in queue if one not in probes]
                queue.clear()
                queue.extend(probes)
            self._release(removed)
            return removed

    def release(self, claims: Iterable[Claim]) -> None:
        """Remove these claims; their leases are no longer renewed."""
        with self._lock:
            self._release(claims)

    def claims(self) -> list[Claim]:
        """Return all current claims."""
        with self._lock:
            return list(self._claims.values())

    def count_busy(self) -> dict[int, int]:
        """Return the number of slots in which attempts are made, by origin id."""
        with self._lock:
            return dict(self._busy)

    def _cap(self, origin_id: int) -> int:
        cap = self._find_cap(origin_id)
        return self._slots_per_origin if cap is None else min(cap, self._slots_per_origin)

    def _release(self, claims: Iterable[Claim]) -> None:
        for claim in claims:
            # This worker may have claimed the same delivery again by now.
            if self._claims.get(claim.delivery_id) is claim:
                del self._claims[claim.delivery_id]
