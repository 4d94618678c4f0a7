"""The RQ worker. It runs our own jobs only, and no code that Redis names."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import structlog
from redis import Redis
from redis.exceptions import RedisError
from rq import SimpleWorker
from rq.exceptions import StopRequested
from rq.worker import WorkerStatus
from rq.worker_registration import clean_worker_registry

from callevents.config.settings import Settings
from callevents.delivery.engine import Engine
from callevents.jobs.rq_queue import DRAIN, QUEUE
from callevents.processes.worker.drain import Drain
from callevents.processes.worker.foreign_jobs import ForeignJobs
from callevents.processes.worker.queued_job import QueuedJob, WorkerQueue

#: Blocking Redis calls of RQ time out after about this time, so that it notices a dead connection.
WORKER_TTL_SECONDS = 60

log = structlog.get_logger("callevents.worker")


class DrainWorker(SimpleWorker):
    """RQ worker for one queue that does not fork and stops with the engine.

    Whoever can write to Redis must not run code here. So RQ's own execution of jobs, its
    maintenance, which runs callbacks of abandoned jobs, and its commands by pub/sub are replaced.
    """

    queue_class = WorkerQueue
    #: Maximum delay of RQ's reconnects, in seconds.
    max_connection_wait_time = 5.0

    def __init__(
        self, engine: Engine, connection: Redis, settings: Settings, foreign_jobs: ForeignJobs
    ) -> None:
        super().__init__(
            [WorkerQueue(QUEUE, connection=connection)],
            connection=connection,
            worker_ttl=WORKER_TTL_SECONDS,
            log_job_description=False,
        )
        self._engine = engine
        self._foreign_jobs = foreign_jobs
        drain = Drain(engine, connection, settings, foreign_jobs)
        #: What our jobs do, by name. The names are those of OWN_JOBS.
        self.functions: dict[str, Callable[[], None]] = {DRAIN: drain.run}

    def execute_job(self, job: Any, queue: Any) -> None:  # noqa: ARG002  # RQ passes it
        """Run the function of one of our jobs; drop any other job."""
        self.set_state(WorkerStatus.BUSY)
        self._run(job)
        self.set_state(WorkerStatus.IDLE)

    def run_maintenance_tasks(self) -> None:
        """Remove killed workers from RQ's list."""
        self.last_cleaned_at = datetime.now(UTC)  # type: ignore[assignment]  # RQ's is None at first
        try:
            for queue in self.queues:
                clean_worker_registry(queue)
        except (RedisError, ValueError) as error:
            log.warning("could not clean RQ's list of workers", error=str(error))

    def subscribe(self) -> None:
        """Listen to no commands."""

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        """Send RQ's heartbeat; register again if Redis has lost the registration."""
        super().heartbeat(timeout, pipeline)
        if pipeline is None and not self.connection.hexists(self.key, "birth"):
            self.connection.delete(self.key)
            self.register_birth()  # type: ignore[no-untyped-call]  # RQ has no types

    def check_for_suspension(self, burst: bool) -> None:
        """Stop before waiting for jobs if the signal to stop arrived before RQ handled signals."""
        if self._engine.is_stopping:
            raise StopRequested
        super().check_for_suspension(burst)

    def handle_warm_shutdown_request(self) -> None:
        """Stop claiming at once, even during a job."""
        self._engine.request_stop()

    def _run(self, job: QueuedJob) -> None:
        content = job.take_content(self.connection)
        name = content.own_name
        if name is None and not content.is_missing:
            self._foreign_jobs.add(job.id, content.function)
        # While any job waits, nobody enqueues another. So each one wakes the engine.
        function = self.functions[name or DRAIN]
        try:
            function()
        except RedisError:
            raise
        except Exception as error:  # the worker must go on; the engine also polls
            log.error("job failed", exc_info=error)
