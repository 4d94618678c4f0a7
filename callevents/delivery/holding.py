"""What one worker process holds: claimed deliveries, and how many attempts run for each origin."""

import threading
from collections import Counter
from collections.abc import Iterable

from callevents.delivery.claim import Claim


class Holding:
    """Claims from when they are handed out until their outcome is recorded. Safe in threads."""

    def __init__(self) -> None:
        self._claims: dict[str, Claim] = {}
        self._in_flight: Counter[int] = Counter()
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self._claims)

    def take(self, claim: Claim) -> None:
        """Hold the claim; its attempt is about to begin."""
        with self._lock:
            self._claims[claim.delivery_id] = claim
            self._in_flight[claim.origin_id] += 1

    def land(self, claim: Claim) -> None:
        """Note that the claim's attempt has ended, so that its thread is free again."""
        with self._lock:
            self._in_flight[claim.origin_id] -= 1
            if not self._in_flight[claim.origin_id]:
                del self._in_flight[claim.origin_id]

    def let_go(self, claims: Iterable[Claim]) -> None:
        """Hold these no longer; their leases are not renewed any more."""
        with self._lock:
            for claim in claims:
                # By now this worker may have claimed the same delivery anew.
                if self._claims.get(claim.delivery_id) is claim:
                    del self._claims[claim.delivery_id]

    def claims(self) -> list[Claim]:
        """Return what is held now."""
        with self._lock:
            return list(self._claims.values())

    def in_flight(self) -> dict[int, int]:
        """Return how many attempts are running, by their origin's id."""
        with self._lock:
            return dict(self._in_flight)
