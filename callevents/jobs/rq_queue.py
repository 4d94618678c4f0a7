"""The RQ queue and its drain job. RQ only wakes workers: the deliveries to make are in SQL."""

import json
from ipaddress import ip_address

import structlog
from redis import ConnectionPool, Redis
from rq import Queue
from rq.serializers import JSONSerializer

from callevents.config import PREFIX
from callevents.config.settings import Settings

QUEUE = "callevents"
#: Names of our jobs. No function has such a name: workers look up what to do in a table.
DRAIN = "callevents.drain"
#: The name of each of our jobs by its content in Redis. Our jobs have no arguments.
OWN_JOBS = {json.dumps((name, None, (), {})).encode(): name for name in (DRAIN,)}

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
