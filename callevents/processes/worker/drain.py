"""What the drain job does: it takes what was handed over, and wakes the engine for all else."""

import time

import structlog
from redis import Redis

from callevents.config.settings import Settings
from callevents.db.models import utc_now
from callevents.delivery.engine import Engine
from callevents.delivery.lease import HANDOVER_SECONDS, MAX_SKEW_SECONDS, start_handed_over
from callevents.jobs.handover import KEY, Entry, EntryFormat, pop
from callevents.jobs.rq_queue import DRAIN, make_queue
from callevents.processes.worker.foreign_jobs import ForeignJobs

#: The job lasts while there is work, but not longer than this.
MAX_SECONDS = 1.0
#: It ends when nothing has come for this time.
IDLE_SECONDS = 0.1
#: How long it waits for the engine if that has enough to do.
ROOM_SECONDS = 0.002
LOG_SECONDS = 10.0

log = structlog.get_logger("callevents.worker")


class Drain:
    """Runs the drain job of one worker process."""

    def __init__(
        self, engine: Engine, connection: Redis, settings: Settings, foreign_jobs: ForeignJobs
    ) -> None:
        self._engine = engine
        self._connection = connection
        self._queue = make_queue(connection)
        self._format = EntryFormat(settings)
        self._lease_seconds = settings.lease_seconds
        self._foreign_jobs = foreign_jobs
        self._log_at = 0.0

    def run(self) -> None:
        """Run it; raises RedisError."""
        engine = self._engine
        engine.wake()
        until = time.monotonic() + MAX_SECONDS
        while not engine.is_stopping and time.monotonic() < until:
            if not engine.has_room():
                time.sleep(ROOM_SECONDS)
            elif (text := pop(self._connection, IDLE_SECONDS)) is not None:
                self._take(text)
            elif engine.is_idle:
                return
        # Another entry may never come that would enqueue the next job.
        if self._connection.llen(KEY) and not self._queue.count:
            self._queue.enqueue(DRAIN)

    def _take(self, text: bytes) -> None:
        entry = self._format.read(text)
        if entry is None:
            self._foreign_jobs.add("handover", "entry")
            return
        # Read before the age: if this process freezes in between, the lease must seem older.
        now = time.monotonic()
        age = (utc_now() - entry.claimed_at).total_seconds()
        # Otherwise another worker may have claimed the deliveries again.
        if -MAX_SKEW_SECONDS <= age <= HANDOVER_SECONDS:
            self._engine.take(entry.fences, start_handed_over(now, age, self._lease_seconds))
        else:
            self._warn(entry, age)

    def _warn(self, entry: Entry, age: float) -> None:
        if time.monotonic() >= self._log_at:
            self._log_at = time.monotonic() + LOG_SECONDS
            log.warning(
                "deliveries were handed over too long ago, or by a machine with another time; "
                "they are sent when their lease ends",
                n=len(entry.fences),
                seconds=round(age, 3),
            )
