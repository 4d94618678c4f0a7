"""The RQ worker and the job that it runs."""

from typing import Any

import structlog
from redis import Redis
from rq import SimpleWorker
from rq.exceptions import InvalidJobOperation, NoSuchJobError, StopRequested
from rq.serializers import JSONSerializer

from callevents.delivery.engine import Engine
from callevents.jobs import make_queue

#: RQ's Redis calls block at most about this long, so that a dead connection is noticed.
WORKER_TTL_SECONDS = 60

log = structlog.get_logger("callevents.worker")


class Drainer:
    """Holds the engine of this worker process, where the job finds it."""

    engine: Engine | None = None


def drain() -> None:
    """The job: have what is due handed out. Does nothing in a process that is no worker of ours."""
    if Drainer.engine:
        Drainer.engine.wake()


class DrainWorker(SimpleWorker):
    """RQ's worker that does not fork, on one queue, told by us when to stop."""

    #: After a lost connection RQ tries again with growing pauses, in seconds, up to this.
    max_connection_wait_time = 5.0

    def __init__(self, engine: Engine, connection: Redis) -> None:
        super().__init__(
            [make_queue(connection)],
            connection=connection,
            # The worker's own, not the queue's, is what it reads jobs with.
            serializer=JSONSerializer,
            worker_ttl=WORKER_TTL_SECONDS,
            log_job_description=False,
            exception_handlers=[_log_failed_job],
        )
        self._engine = engine

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        """Tell Redis that we live, and who we are if it has forgotten that."""
        super().heartbeat(timeout, pipeline)
        if pipeline is None and not self.connection.hexists(self.key, "birth"):
            self.connection.delete(self.key)
            self.register_birth()  # type: ignore[no-untyped-call]  # RQ has no types

    def check_for_suspension(self, burst: bool) -> None:
        """Do not begin to wait for jobs if we were told to stop before RQ listened for that."""
        if self._engine.is_stopping:
            raise StopRequested
        super().check_for_suspension(burst)

    def handle_warm_shutdown_request(self) -> None:
        """Stop claiming at once, in the middle of a job too."""
        self._engine.request_stop()


def _log_failed_job(_job: object, _kind: object, error: BaseException, _trace: object) -> bool:
    """Say that a wake failed: the poller delivers all the same, so nobody would notice."""
    if isinstance(error, InvalidJobOperation | NoSuchJobError):
        log.warning("Redis has forgotten a wake; it was emptied or restarted")
    else:
        log.error("a wake failed", exc_info=error)
    return True
