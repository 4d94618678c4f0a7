"""Wakes the workers after a commit."""

import time
from collections.abc import Iterable

import structlog
from flask import Flask, current_app
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError
from redis.retry import Retry

from callevents.config.settings import Settings
from callevents.extensions import app_state
from callevents.jobs.handover import KEY, MAX_ENTRIES, Entry, EntryFormat
from callevents.jobs.rq_queue import DRAIN, make_queue

#: The timeout is short, because a PBX may wait for the response meanwhile.
WAKE_TIMEOUT_SECONDS = 0.25
#: No wake is sent for this time after a failed one; the workers' pollers find due deliveries.
WAKE_BACKOFF_SECONDS = 1.0

log = structlog.get_logger("callevents.jobs")


class Waker:
    """Hands deliveries over to workers, and wakes these. Never raises, never blocks for long."""

    def __init__(self, settings: Settings) -> None:
        self._connection = Redis.from_url(
            settings.queue_url,
            socket_timeout=WAKE_TIMEOUT_SECONDS,
            socket_connect_timeout=WAKE_TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        self._queue = make_queue(self._connection)
        self._format = EntryFormat(settings)
        self._retry_at = 0.0
        #: True if workers keep up with what is handed over. Not before Redis has answered once.
        self.is_open = False

    def wake(self, entries: Iterable[Entry] = ()) -> bool:
        """Hand the entries over and enqueue a drain job, unless one waits already.

        Returns False if the entries were certainly not handed over.
        """
        if time.monotonic() < self._retry_at:
            return False
        is_refused = False
        try:
            if not self._push(entries):
                self._queue.enqueue(DRAIN)
        except (RedisError, OSError) as error:
            # After any other error, Redis may have the entries, and a worker too.
            is_refused = isinstance(error, ResponseError)
            self.is_open = False
            self._retry_at = time.monotonic() + WAKE_BACKOFF_SECONDS
            log.warning("could not wake workers; falling back to polling", error=str(error))
        return not is_refused

    def _push(self, entries: Iterable[Entry]) -> bool:
        """Append the entries to the list; return True if a drain job waits."""
        texts = [text for entry in entries for text in self._format.write(entry)]
        with self._connection.pipeline(transaction=False) as pipeline:
            if texts:
                pipeline.rpush(KEY, *texts)
            pipeline.llen(KEY)
            pipeline.llen(self._queue.key)
            *_, length, waiting = pipeline.execute()
        self.is_open = length <= MAX_ENTRIES
        return bool(waiting)


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
