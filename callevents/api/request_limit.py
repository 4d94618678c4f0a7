"""Limits the requests of each token: a fixed window of one minute, counted in Redis.

Without Redis each process counts for itself.
"""

import time
from dataclasses import dataclass
from math import ceil
from threading import Lock

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from callevents.config.settings import Settings

WINDOW_SECONDS = 60
TIMEOUT_SECONDS = 0.25
#: Redis is not asked for so long after it failed.
BACKOFF_SECONDS = 5.0
KEY = "callevents:api:requests:"
#: More than any installation has. A full table is cleared.
MAX_COUNTED = 10_000


@dataclass(frozen=True)
class Usage:
    """How much of the limit is used. `remaining` is below 0 beyond it."""

    limit: int
    remaining: int
    reset_seconds: int

    @property
    def is_exceeded(self) -> bool:
        """True if the request must be refused."""
        return self.remaining < 0

    def headers(self) -> dict[str, str]:
        """Return the header fields that tell the client (draft-ietf-httpapi-ratelimit-headers)."""
        left = max(self.remaining, 0)
        return {
            "RateLimit-Policy": f'"default";q={self.limit};w={WINDOW_SECONDS}',
            "RateLimit": f'"default";r={left};t={self.reset_seconds}',
        }


class RequestLimiter:
    """Counts the requests of each principal."""

    def __init__(self, settings: Settings) -> None:
        self._limit = settings.api_requests_per_minute
        self._redis = Redis.from_url(
            settings.queue_url,
            socket_timeout=TIMEOUT_SECONDS,
            socket_connect_timeout=TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        self._retry_at = 0.0
        self._lock = Lock()
        self._own: dict[tuple[str, int], int] = {}

    def count(self, principal_id: str) -> Usage:
        """Count a request and return the usage of the window."""
        now = time.time()
        window = int(now // WINDOW_SECONDS)
        used = self._count_in_redis(principal_id, window)
        if used is None:
            used = self._count_here(principal_id, window)
        reset = ceil((window + 1) * WINDOW_SECONDS - now) or 1
        return Usage(self._limit, self._limit - used, reset)

    def _count_in_redis(self, principal_id: str, window: int) -> int | None:
        if time.monotonic() < self._retry_at:
            return None
        key = f"{KEY}{principal_id}:{window}"
        try:
            with self._redis.pipeline(transaction=True) as pipeline:
                pipeline.incr(key)
                pipeline.expire(key, 2 * WINDOW_SECONDS)
                return int(pipeline.execute()[0])
        except (RedisError, OSError):
            self._retry_at = time.monotonic() + BACKOFF_SECONDS
            return None

    def _count_here(self, principal_id: str, window: int) -> int:
        with self._lock:
            if len(self._own) >= MAX_COUNTED:
                self._own.clear()
            used = self._own.get((principal_id, window), 0) + 1
            self._own[principal_id, window] = used
        return used
