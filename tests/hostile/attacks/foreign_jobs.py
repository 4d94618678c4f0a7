"""Jobs that somebody who can write to Redis puts into the queue."""

import json
import pickle
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from redis import Redis
from rq import Callback, Queue, Retry
from rq.job import Job
from rq.serializers import JSONSerializer, PickleSerializer

from callevents.jobs.rq_queue import DRAIN, QUEUE
from tests.hostile.arena import Arena, Case
from tests.hostile.probe import probe
from tests.support.waiting import wait_until

#: A function whose module prints a text when it is imported: a callback's arguments are not ours.
POEM = "this.s"
POEM_TEXT = "The Zen of Python"
#: Each job wakes the worker's engine, which may take a second beside the load.
WORKER_SECONDS = 90.0
#: A function and its arguments, each of which would leave a file; `%f` is the file's path.
CALLS: tuple[tuple[str, tuple[Any, ...]], ...] = (
    ("os.system", ("touch %f",)),
    ("os.popen", ("touch %f",)),
    ("os.mkdir", ("%f",)),
    ("os.mkfifo", ("%f",)),
    ("os.open", ("%f", 0o101)),
    ("posix.system", ("touch %f",)),
    ("subprocess.call", (["touch", "%f"],)),
    ("subprocess.check_output", (["touch", "%f"],)),
    ("subprocess.getoutput", ("touch %f",)),
    ("builtins.eval", ("open('%f', 'w')",)),
    ("builtins.exec", ("open('%f', 'w')",)),
    ("builtins.open", ("%f", "w")),
    ("pathlib.Path.touch", ("%f",)),
    ("shutil.copyfile", ("/etc/hostname", "%f")),
    ("code.interact", ()),
    ("runpy.run_path", ("%f",)),
    ("logging.FileHandler", ("%f",)),
    ("sqlite3.connect", ("%f",)),
    ("callevents.processes.worker.rq_worker.os.system", ("touch %f",)),
    ("callevents.create_app", ()),
    ("nowhere.function", ()),
    ("", ()),
    ("drain", ()),
    ("sys.exit", ()),
    ("os._exit", (1,)),
    ("os.abort", ()),
    ("time.sleep", (3600,)),
)


def foreign_jobs(arena: Arena) -> Iterator[Case]:
    """A job of another program is enqueued: whoever reaches Redis runs code as the worker."""
    settings = arena.product.commands.settings
    paths: dict[str, Path] = {}
    with Redis.from_url(settings.queue_url) as redis:
        queue = Queue(QUEUE, connection=redis, serializer=JSONSerializer)
        for function, arguments in CALLS[:: arena.scale(1, 9)]:
            path = paths[function] = settings.data_dir / f"touched-{len(paths)}"
            _enqueue(queue, function, json.loads(json.dumps(arguments).replace("%f", str(path))))
        for name, put in list(_tricks(redis, queue).items())[:: arena.scale(1, 5)]:
            path = paths[name] = settings.data_dir / f"touched-{len(paths)}"
            put(path)
        # A job of ours at the end: when it is taken, the others are over.
        queue.enqueue(DRAIN)
        yield Case("the worker goes on", _wait_for_worker(queue))
    for name, path in paths.items():
        yield Case(name, "its file exists" if path.exists() else "")
    imported = POEM_TEXT in arena.product.output
    yield Case("modules of callbacks", "one was imported" if imported else "")
    yield from probe(arena, "after them")


def _wait_for_worker(queue: Queue) -> str:
    try:
        wait_until(lambda: queue.count == 0, "an empty queue", WORKER_SECONDS)
    except AssertionError:
        left = queue.count
        queue.connection.delete(queue.key)
        return f"{left} jobs wait"
    return ""


def _enqueue(queue: Queue, function: str, arguments: list[Any]) -> None:
    job = Job.create(
        function or "x", arguments, connection=queue.connection, serializer=JSONSerializer
    )
    if not function:
        job.func_name = ""
    queue.enqueue_job(job)


def _tricks(redis: Any, queue: Queue) -> dict[str, Callable[[Path], object]]:
    """Return other ways to have a function called than to name it."""
    shell = "os.system"

    def write_by_hand(**fields: Any) -> None:
        job = Job.create(DRAIN, connection=redis, serializer=JSONSerializer)
        job.save()
        redis.hset(job.key, mapping=fields)
        redis.rpush(queue.key, job.id)

    def as_pickle(path: Path) -> None:
        class Evil:
            def __reduce__(self) -> tuple[object, ...]:
                return Path.touch, (path,)

        write_by_hand(data=pickle.dumps((DRAIN, None, (Evil(),), {})))

    return {
        "pickle": as_pickle,
        "pickled job": lambda path: Queue(
            QUEUE, connection=redis, serializer=PickleSerializer
        ).enqueue(shell, f"touch {path}"),
        "method of an object": lambda path: write_by_hand(
            data=json.dumps(("system", "os", (f"touch {path}",), {}))
        ),
        "own job with arguments": lambda path: queue.enqueue(DRAIN, f"touch {path}"),
        "own job with keywords": lambda path: queue.enqueue(DRAIN, kwargs={"command": str(path)}),
        "on success": lambda _: queue.enqueue(DRAIN, on_success=Callback(POEM)),
        "on failure": lambda _: queue.enqueue("nowhere.x", on_failure=Callback(POEM)),
        "on stopped": lambda _: queue.enqueue(DRAIN, on_stopped=Callback(POEM)),
        "name of the callback": lambda _: write_by_hand(success_callback_name=POEM),
        "at a time": lambda path: queue.enqueue_in(timedelta(seconds=-1), shell, f"touch {path}"),
        "retry": lambda path: queue.enqueue(shell, f"touch {path}", retry=Retry(max=2)),
        "dependent": lambda path: queue.enqueue(
            shell, f"touch {path}", depends_on=queue.enqueue(DRAIN)
        ),
        "no job": lambda _: redis.rpush(queue.key, "nothing"),
        "noise": lambda _: write_by_hand(data=b"\xff\x00"),
        "compressed noise": lambda _: write_by_hand(data=b"x\x9c\x00\x00\xff\xff"),
        "huge": lambda _: write_by_hand(data=b"[" * 10**6),
        "list": lambda _: write_by_hand(data=b"[1,2,3]"),
        "name as a list": lambda _: write_by_hand(data=b'[["os.system"],null,[],{}]'),
        "name as a number": lambda _: write_by_hand(data=b"[1,null,[],{}]"),
        "timeout": lambda _: write_by_hand(timeout="x"),
        "time": lambda _: write_by_hand(created_at="yesterday"),
    }


ATTACKS = (foreign_jobs,)
