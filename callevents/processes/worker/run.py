"""The worker process: engine, scheduler, and an RQ worker; it works without Redis too."""

import signal
import time
from types import FrameType
from typing import Any

import structlog
from flask import Flask
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from callevents.config.settings import Settings
from callevents.delivery.engine import Engine
from callevents.extensions import app_state, db
from callevents.operations.key_rotation import find_unreadable
from callevents.operations.scheduler import Scheduler
from callevents.processes.memory import prepare_memory
from callevents.processes.worker.foreign_jobs import ForeignJobs
from callevents.processes.worker.rq_worker import DrainWorker
from callevents.security.encryption import UnreadableError

MIN_RECONNECT_SECONDS = 0.5
MAX_RECONNECT_SECONDS = 5.0

log = structlog.get_logger("callevents.worker")


def run(app: Flask) -> int:
    """Run a worker until SIGTERM or SIGINT; return the exit code."""
    settings = app_state(app).settings
    foreign_jobs = ForeignJobs()
    with app.app_context():
        engine = Engine(db.engine, settings)
        scheduler = Scheduler(db.engine, settings, count_foreign_jobs=lambda: foreign_jobs.count)
        _check_secrets()
    engine.start()
    scheduler.start()
    prepare_memory()
    log.info("worker started", threads=settings.worker_threads)
    try:
        _run_until_stopped(engine, settings, foreign_jobs)
    finally:
        _install_signal_handlers(engine)
        engine.close()
        scheduler.close()
        log.info("worker stopped")
    return 0


def _check_secrets() -> None:
    """Log secrets that cannot be decrypted; their attempts fail with an error message."""
    try:
        unreadable = find_unreadable()
    except SQLAlchemyError as error:
        log.warning("could not check secrets", error=str(error))
        return
    finally:
        db.session.remove()
    if unreadable:
        log.error(str(UnreadableError()), requests=len(unreadable), first=unreadable[0])


def _install_signal_handlers(engine: Engine) -> None:
    """Stop the engine at SIGTERM and SIGINT; RQ replaces these handlers while it runs."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        engine.request_stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)


def _run_until_stopped(engine: Engine, settings: Settings, foreign_jobs: ForeignJobs) -> None:
    """Run RQ's loop, and restart it with backoff when the connection to Redis breaks."""
    delay = MIN_RECONNECT_SECONDS
    while not engine.is_stopping:
        _install_signal_handlers(engine)
        began = time.monotonic()
        _run_rq_worker(engine, settings, foreign_jobs)
        if time.monotonic() - began > MAX_RECONNECT_SECONDS:
            delay = MIN_RECONNECT_SECONDS
        _wait(engine, delay)
        delay = min(delay * 2, MAX_RECONNECT_SECONDS)


def _wait(engine: Engine, seconds: float) -> None:
    """Wait, but return early when the engine stops."""
    until = time.monotonic() + seconds
    while not engine.is_stopping and time.monotonic() < until:
        time.sleep(0.05)


def _run_rq_worker(engine: Engine, settings: Settings, foreign_jobs: ForeignJobs) -> None:
    """Run the RQ worker until the connection to Redis breaks or the engine stops."""
    try:
        connection = Redis.from_url(settings.queue_url, socket_connect_timeout=2)
        worker: Any = DrainWorker(engine, connection, settings, foreign_jobs)
        # RQ would log a stack trace when Redis is lost; we log one line.
        worker.work(logging_level="CRITICAL")
    except (RedisError, OSError) as error:
        log.warning("Redis unavailable", error=str(error))
    if not engine.is_stopping:
        log.warning("not woken by Redis; polling for due deliveries")
