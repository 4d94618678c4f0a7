"""Wakes the workers after a commit."""

import time

import structlog
from flask import Flask, current_app
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from callevents.config.settings import Settings
from callevents.extensions import app_state
from callevents.jobs.rq_queue import DRAIN, make_queue

#: The timeout is short, because a PBX may wait for the response meanwhile.
WAKE_TIMEOUT_SECONDS = 0.25
#: No wake is sent for this time after a failed one; the workers' pollers find due deliveries.
WAKE_BACKOFF_SECONDS = 1.0

log = structlog.get_logger("callevents.jobs")


class Waker:
    """Wakes the workers after a commit. Never raises and never blocks for long."""

    def __init__(self, settings: Settings) -> None:
        self._connection = Redis.from_url(
            settings.queue_url,
            socket_timeout=WAKE_TIMEOUT_SECONDS,
            socket_connect_timeout=WAKE_TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        self._queue = make_queue(self._connection)
        self._retry_at = 0.0

    def wake(self) -> None:
        """Enqueue a drain job, unless one is waiting: it will see the committed deliveries."""
        if time.monotonic() < self._retry_at:
            return
        try:
            if self._queue.count == 0:
                self._queue.enqueue(DRAIN)
        except (RedisError, OSError) as error:
            self._retry_at = time.monotonic() + WAKE_BACKOFF_SECONDS
            log.warning("could not wake workers; falling back to polling", error=str(error))


def wake() -> None:
    """Wake the workers after a commit."""
    get_waker(current_app).wake()


def get_waker(app: Flask) -> Waker:
    """Return the application's waker, which needs no application context."""
    waker = app_state(app).find(Waker)
    if waker is None:
        waker = Waker(app_state(app).settings)
        app_state(app).add(waker)
    return waker
