"""The RQ worker and its only job, which wakes the engine."""

from typing import Any

import structlog
from redis import Redis
from rq import SimpleWorker
from rq.exceptions import InvalidJobOperation, NoSuchJobError, StopRequested
from rq.serializers import JSONSerializer

from callevents.delivery.engine import Engine
from callevents.jobs import make_queue

#: Blocking Redis calls of RQ time out after about this time, so that it notices a dead connection.
WORKER_TTL_SECONDS = 60

log = structlog.get_logger("callevents.worker")


class WorkerContext:
    """The engine of this worker process, for the job to find."""

    engine: Engine | None = None


def drain() -> None:
    """The job: wake the engine. Does nothing outside a worker process."""
    if WorkerContext.engine:
        WorkerContext.engine.wake()


class DrainWorker(SimpleWorker):
    """RQ worker for one queue that does not fork and stops with the engine."""

    #: Maximum delay of RQ's reconnects, in seconds.
    max_connection_wait_time = 5.0

    def __init__(self, engine: Engine, connection: Redis) -> None:
        super().__init__(
            [make_queue(connection)],
            connection=connection,
            # Jobs are read with the serializer of the worker, not of the queue.
            serializer=JSONSerializer,
            worker_ttl=WORKER_TTL_SECONDS,
            log_job_description=False,
            exception_handlers=[_log_failed_job],
        )
        self._engine = engine

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


def _log_failed_job(_job: object, _kind: object, error: BaseException, _trace: object) -> bool:
    """Log a failed drain job; deliveries continue, because the engine also polls."""
    if isinstance(error, InvalidJobOperation | NoSuchJobError):
        log.warning("drain job lost; Redis was emptied or restarted")
    else:
        log.error("drain job failed", exc_info=error)
    return True
