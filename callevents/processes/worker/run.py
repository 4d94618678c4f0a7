"""The worker process: an RQ worker that wakes the engine, and lives on when Redis does not."""

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
from callevents.processes.worker.rq_worker import Drainer, DrainWorker
from callevents.security.encryption import UnreadableError

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 5.0

log = structlog.get_logger("callevents.worker")


def run(app: Flask) -> int:
    """Work until SIGTERM or SIGINT; return the exit code."""
    settings = app_state(app).settings
    with app.app_context():
        engine = Engine(db.engine, settings)
        scheduler = Scheduler(db.engine, settings)
        _check_secrets()
    Drainer.engine = engine
    engine.start()
    scheduler.start()
    log.info("worker started", threads=settings.worker_threads)
    try:
        _work(engine, settings)
    finally:
        _take_signals(engine)
        engine.close()
        scheduler.close()
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
