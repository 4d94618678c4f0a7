"""What somebody who can write to Redis may put there so that a worker runs it."""

import os
import pickle
import time
import zlib
from collections.abc import Callable
from pathlib import Path

from redis import Redis
from rq import Callback, Queue
from rq.serializers import JSONSerializer
from rq.webhook import Webhook

from callevents.jobs.rq_queue import DRAIN, QUEUE

#: The environment variable with the name of the file that an attack creates.
MARK = "TEST_HOSTILE_JOB_MARK"
QUEUE_KEY = f"rq:queue:{QUEUE}"
Attack = Callable[[Redis, str], None]


def leave_mark(*_arguments: object) -> None:
    """Do what an attacker wants: create the file."""
    Path(os.environ[MARK]).touch()


def fail() -> None:
    """Fail, so that a failure callback is due."""
    raise RuntimeError


MARKER = f"{__name__}.leave_mark"


class _Pickled:
    def __reduce__(self) -> tuple[Callable[[], None], tuple[()]]:
        return leave_mark, ()


def command(redis: Redis, _url: str) -> None:
    """Enqueue a shell command."""
    _queue(redis).enqueue("os.system", f"touch {os.environ[MARK]}")


def function_of_ours(redis: Redis, _url: str) -> None:
    """Enqueue a function that exists, without arguments."""
    _queue(redis).enqueue(MARKER)


def our_name_with_arguments(redis: Redis, _url: str) -> None:
    """Enqueue our job with an argument."""
    _queue(redis).enqueue(DRAIN, "x")


def success_callback(redis: Redis, _url: str) -> None:
    """Give a harmless function a callback for success."""
    _queue(redis).enqueue("time.time", on_success=Callback(MARKER))


def failure_callback(redis: Redis, _url: str) -> None:
    """Give a failing function a callback for failure."""
    _queue(redis).enqueue(f"{__name__}.fail", on_failure=Callback(MARKER))


def callback_of_our_job(redis: Redis, _url: str) -> None:
    """Give our own job callbacks."""
    _queue(redis).enqueue(DRAIN, on_success=Callback(MARKER), on_failure=Callback(MARKER))


def webhook(redis: Redis, url: str) -> None:
    """Have the worker make a request to an address of the attacker's choice."""
    _queue(redis).enqueue("time.time", webhooks=[Webhook(url, "finished")])


def abandoned_job(redis: Redis, _url: str) -> None:
    """Register a job as started by a worker that died, with a callback for failure."""
    job = _queue(redis).enqueue("time.time", on_failure=Callback(MARKER))
    redis.delete(QUEUE_KEY)
    redis.hset(job.key, "status", "started")
    redis.zadd(f"rq:wip:{QUEUE}", {f"{job.id}:execution": time.time() - 60})


def pickled_content(redis: Redis, _url: str) -> None:
    """Write a job whose content runs code when it is unpickled."""
    job = _queue(redis).enqueue(DRAIN)
    redis.hset(job.key, "data", zlib.compress(pickle.dumps(_Pickled())))


def pickled_result(redis: Redis, _url: str) -> None:
    """Write our job with pickled meta data and result."""
    job = _queue(redis).enqueue(DRAIN, "x")
    redis.hset(job.key, mapping={"meta": pickle.dumps(_Pickled()), "result": _PICKLE})


def bomb(redis: Redis, _url: str) -> None:
    """Write a job that takes a gibibyte when it is decompressed."""
    _write(redis, data=zlib.compress(bytes(2**20)) * 1000)


def small_bomb(redis: Redis, _url: str) -> None:
    """Write a job that is small enough to be read and large when it is decompressed."""
    _write(redis, data=zlib.compress(bytes(500_000), 9))


def garbage(redis: Redis, _url: str) -> None:
    """Write a job with values that nothing can parse."""
    _write(redis, data=b"\xff\x00garbage", status=b"\xff", timeout=b"x", created_at=b"never")


def odd_json(redis: Redis, _url: str) -> None:
    """Write jobs with JSON of another shape."""
    for text in ("{}", "[]", "[[" * 100, "null", '["x"]', '["\\u0000\\u001b[31m", null, [], {}]'):
        _write(redis, data=zlib.compress(text.encode()))


def wrong_type(redis: Redis, _url: str) -> None:
    """Write a text where a job should be."""
    redis.set("rq:job:text", "x")
    redis.rpush(QUEUE_KEY, "text")


def odd_ids(redis: Redis, _url: str) -> None:
    """Enqueue IDs of jobs that do not exist."""
    redis.rpush(QUEUE_KEY, b"", b"\xff\xfe", b"a:b\r\nc", b"x" * 100_000, b"*")


def odd_workers(redis: Redis, _url: str) -> None:
    """Write a name that is not UTF-8 into RQ's list of workers."""
    redis.sadd(f"rq:workers:{QUEUE}", b"\xff")


#: Attacks in which RQ itself would call what the attacker names.
CODE = (
    command,
    function_of_ours,
    success_callback,
    failure_callback,
    abandoned_job,
    pickled_content,
    pickled_result,
)
#: Jobs that each attack leaves in the queue to be dropped.
DROPPED: dict[Attack, int] = {
    **dict.fromkeys(CODE, 1),
    abandoned_job: 0,
    our_name_with_arguments: 1,
    callback_of_our_job: 1,
    webhook: 1,
    bomb: 1,
    small_bomb: 1,
    garbage: 1,
    odd_json: 6,
    wrong_type: 1,
    odd_ids: 0,
    odd_workers: 0,
}
_PICKLE = pickle.dumps(_Pickled())


def _queue(redis: Redis) -> Queue:
    return Queue(QUEUE, connection=redis, serializer=JSONSerializer)


def _write(redis: Redis, **fields: bytes) -> None:
    number = redis.incr("test:number")
    redis.hset(f"rq:job:{number}", mapping=fields)  # type: ignore[arg-type]
    redis.rpush(QUEUE_KEY, str(number))
