"""A worker process on the database and the Redis of a test."""

import os
import signal
from collections.abc import Callable

from callevents.config.settings import Settings
from tests.support.programs import ROOT, Program

COMMAND = ("-m", "flask", "--app", str(ROOT / "app.py"), "worker")


def worker_settings(settings: Settings, **changes: str) -> dict[str, str]:
    """Return settings of a worker on the same database and Redis that hardly ever polls."""
    return {
        "database_url": settings.database_url,
        "redis_url": settings.redis_url,
        "data_dir": str(settings.data_dir),
        "secret_key": settings.secret_key,
        "allowed_networks": "127.0.0.0/8",
        "poll_seconds": "60",
        "log_format": "json",
        **changes,
    }


def start_worker(run_python: Callable[..., Program], settings: Settings, **changes: str) -> Program:
    """Start a worker process; return it when it works."""
    worker = run_python(*COMMAND, **worker_settings(settings, **changes))
    worker.wait_for_line("worker started")
    return worker


def kill(worker: Program) -> None:
    """Kill it without a chance to do anything."""
    os.killpg(worker.process.pid, signal.SIGKILL)
    worker.process.wait()
