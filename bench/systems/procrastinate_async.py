"""Procrastinate with asynchronous tasks, on PostgreSQL."""

import sys

from bench.systems.base import System

APP = "bench.rivals.on_procrastinate"
WEB_PROCESSES = 2
WEB_CONNECTIONS = 16
#: The example of its documentation.
CONCURRENCY = 30


class Procrastinate(System):
    """An ASGI application under uvicorn that defers each event, and a worker."""

    title = f"Procrastinate 3, PostgreSQL, {CONCURRENCY} at a time"
    keeps = "in SQL, until sent"

    def start(self) -> None:
        """Start PostgreSQL, the web server and the worker."""
        environment = {
            "BENCH_POSTGRES": self.start_postgres(),
            "BENCH_RECEIVER": self.receiver_url,
            # One for each job and one more: its documentation says so for short jobs.
            "BENCH_CONNECTIONS": str(CONCURRENCY + 1),
        }
        tasks = [sys.executable, "-m", "procrastinate", "--log-level", "warning"]
        tasks += ["--app", f"{APP}.tasks"]
        self.run(*tasks, "schema", "--apply", **environment).wait()
        worker = ["--concurrency", str(CONCURRENCY), "--delete-jobs", "always"]
        self.run(*tasks, "worker", *worker, **environment)
        self.run(
            *(sys.executable, "-m", "uvicorn", f"{APP}:app", "--port", str(self.port)),
            *("--workers", str(WEB_PROCESSES), "--no-access-log", "--log-level", "warning"),
            **environment | {"BENCH_CONNECTIONS": str(WEB_CONNECTIONS)},
        )
        self.wait_until_ready("/ready")
