"""The worker process: an RQ worker that wakes the engine, and lives on when Redis does not."""

import signal
import time
from types import FrameType
from typing import Any

import structlog
from flask import Flask
from redis import Redis
from redis.exceptions import RedisError
from rq import SimpleWorker
from rq.exceptions import InvalidJobOperation, NoSuchJobError, StopRequested
from rq.serializers import JSONSerializer
from sqlalchemy.exc import SQLAlchemyError

from callevents.config import Settings
from callevents.delivery.engine import Engine
from callevents.encryption import UnreadableError
from callevents.extensions import app_state, db
from callevents.jobs import make_queue
from callevents.stored_secrets import find_unreadable
from callevents.upkeep.keeper import Keeper

#: RQ's Redis calls block at most about this long, so that a dead connection is noticed.
WORKER_TTL_SECONDS = 60
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 5.0

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


def run(app: Flask) -> int:
    """Work until SIGTERM or SIGINT; return the exit code."""
    settings = app_state(app).settings
    with app.app_context():
        engine = Engine(db.engine, settings)
        keeper = Keeper(db.engine, settings)
        _check_secrets()
    Drainer.engine = engine
    engine.start()
    keeper.start()
    log.info("worker started", threads=settings.worker_threads)
    try:
        _work(engine, settings)
    finally:
        _take_signals(engine)
        engine.close()
        keeper.close()
        log.info("worker stopped")
    return 0


def _check_secrets() -> None:
    """Say at once when secrets cannot be decrypted; what needs them fails with a sentence."""
    try:
        unreadable = find_unreadable()
    except SQLAlchemyError as error:
        log.warning("the secrets could not be looked at", error=str(error))
        return
    finally:
        db.session.remove()
    if unreadable:
        log.error(str(UnreadableError()), requests=len(unreadable), first=unreadable[0])


def _take_signals(engine: Engine) -> None:
    """Stop the engine at SIGTERM and SIGINT, which RQ's worker takes for itself while it runs."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        engine.request_stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)


def _work(engine: Engine, settings: Settings) -> None:
    """Run RQ's loop, anew with a growing pause whenever Redis goes away."""
    pause = FIRST_PAUSE_SECONDS
    while not engine.is_stopping:
        _take_signals(engine)
        began = time.monotonic()
        _serve_queue(engine, settings)
        if time.monotonic() - began > LONGEST_PAUSE_SECONDS:
            pause = FIRST_PAUSE_SECONDS
        _pause(engine, pause)
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)


def _pause(engine: Engine, seconds: float) -> None:
    """Wait, but not longer than until the engine is to stop."""
    until = time.monotonic() + seconds
    while not engine.is_stopping and time.monotonic() < until:
        time.sleep(0.05)


def _serve_queue(engine: Engine, settings: Settings) -> None:
    """Serve the queue until Redis goes away or we are asked to stop."""
    try:
        connection = Redis.from_url(settings.queue_url, socket_connect_timeout=2)
        worker: Any = DrainWorker(engine, connection)
        # What RQ would log of a lost Redis is a trace; we say it in a sentence.
        worker.work(logging_level="CRITICAL")
    except (RedisError, OSError) as error:
        log.warning("Redis is lost", error=str(error))
    if not engine.is_stopping:
        log.warning("no wakes; looking for due deliveries by ourselves")
