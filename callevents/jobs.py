"""The RQ queue and its drain job. RQ only wakes workers: the deliveries to make are in SQL."""

import json
import time
from ipaddress import ip_address

import structlog
from flask import Flask, current_app
from redis import ConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from rq import Queue
from rq.serializers import JSONSerializer

from callevents.config import PREFIX
from callevents.config.settings import Settings
from callevents.extensions import app_state

QUEUE = "callevents"
#: Names of our jobs. No function has such a name: workers look up what to do in a table.
DRAIN = "callevents.drain"
#: The name of each of our jobs by its content in Redis. Our jobs have no arguments.
OWN_JOBS = {json.dumps((name, None, (), {})).encode(): name for name in (DRAIN,)}
#: The timeout is short, because a PBX may wait for the response meanwhile.
WAKE_TIMEOUT_SECONDS = 0.25
#: No wake is sent for this time after a failed one; the workers' pollers find due deliveries.
WAKE_BACKOFF_SECONDS = 1.0

log = structlog.get_logger("callevents.jobs")


def make_queue(connection: Redis) -> Queue:
    """Return the queue that workers process."""
    return Queue(QUEUE, connection=connection, serializer=JSONSerializer)


def warn_of_open_redis(settings: Settings) -> None:
    """Log a warning if Redis is on another machine and the URL has no password."""
    options = ConnectionPool.from_url(settings.queue_url).connection_kwargs
    host = options.get("host")
    has_proof = options.get("password") or options.get("ssl_certfile")
    if host and not has_proof and not _is_loopback(host):
        log.warning(
            "Redis has no password; anyone who reaches it can stop the wake-ups of workers",
            host=host,
            set=f"{PREFIX}REDIS_URL=rediss://user:password@{host}",
        )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


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
