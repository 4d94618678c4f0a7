"""Jobs as the worker reads them from Redis, where anything may have been written.

RQ would import and call what a job names: its function, its callbacks, its webhooks. We load
nothing of a job. We compare its content with that of our own jobs, byte by byte.
"""

import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from redis import Redis
from redis.exceptions import ResponseError
from rq import Queue
from rq.job import Job

from callevents.jobs.rq_queue import OWN_JOBS

#: Our jobs have about 40 bytes. Larger content is neither read nor decompressed.
MAX_DATA_BYTES = 1024
#: Fields of a job with which RQ would call something besides the job's function.
CALLED_FIELDS = (
    "success_callback_name",
    "failure_callback_name",
    "stopped_callback_name",
    "webhooks",
)
_FUNCTION = re.compile(rb'\["([\w.:]{1,60})')
_UNSAFE = re.compile(r"[^\w-]", re.ASCII)


class WorkerQueue(Queue):
    """The queue of a worker, which yields jobs that it has not loaded."""

    @classmethod
    def dequeue_any(
        cls,
        queues: Iterable[Queue],
        timeout: int | None,
        connection: Redis,
        *_more: Any,
        **_options: Any,
    ) -> Any:
        """Wait for a job; return it with its queue, None if there is none and no timeout."""
        [queue] = queues
        taken = cls.lpop([queue.key], timeout, connection=connection)
        return (QueuedJob(taken[1]), queue) if taken else None


@dataclass
class QueuedJob:
    """A job that was taken from the queue. Only its ID is known."""

    raw_id: bytes
    #: Set by RQ.
    redis_server_version: Any = None

    @property
    def id(self) -> str:
        """The ID for log lines."""
        return _UNSAFE.sub("?", self.raw_id[:60].decode("ascii", "replace"))

    def take_content(self, connection: Redis) -> "JobContent":
        """Read the job and delete it."""
        key = Job.redis_job_namespace_prefix.encode() + self.raw_id
        try:
            with connection.pipeline() as pipeline:
                for field in ("data", *CALLED_FIELDS):
                    pipeline.hstrlen(key, field)
                size, *called = pipeline.execute()
            data: Any = connection.hget(key, "data") if 0 < size <= MAX_DATA_BYTES else b""
        except ResponseError:  # it is not a hash
            size, called, data = -1, [], b""
        connection.delete(key)
        return JobContent(_decompress(data or b""), is_missing=size == 0, has_calls=any(called))


@dataclass(frozen=True)
class JobContent:
    """What a job would run. `data` is empty if it was not readable."""

    data: bytes
    is_missing: bool
    has_calls: bool

    @property
    def own_name(self) -> str | None:
        """The name of our job, None for a foreign one."""
        return None if self.has_calls else OWN_JOBS.get(self.data)

    @property
    def function(self) -> str:
        """The function that the job names, cut and in safe characters, for log lines."""
        found = _FUNCTION.match(self.data)
        return found[1].decode("ascii", "replace") if found else "unreadable"


def _decompress(data: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, MAX_DATA_BYTES)
    except zlib.error:
        return b""
