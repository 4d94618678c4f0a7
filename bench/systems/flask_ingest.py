"""The web side of the simple alternatives: Flask under gunicorn."""

import sys

from bench.systems.base import System

WEB_PROCESSES = 2
WEB_THREADS = 16


class FlaskIngest(System):
    """A Flask application that enqueues each event, and a worker."""

    keeps = "in memory"
    #: The module of bench.rivals that has `app`.
    module: str

    def start(self) -> None:
        """Start the queue, the web server and the worker."""
        environment = {"BENCH_REDIS": self.start_valkey(), "BENCH_RECEIVER": self.receiver_url}
        self.run(
            *(sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{self.port}"),
            *("--worker-class", "gthread", "--workers", str(WEB_PROCESSES)),
            *("--threads", str(WEB_THREADS), "--keep-alive", "75", "--no-control-socket"),
            f"bench.rivals.{self.module}:app",
            **environment,
        )
        self.run(*self.worker_command(environment["BENCH_REDIS"]), **environment)
        self.wait_until_ready("/ready")

    def worker_command(self, redis_url: str) -> list[str]:
        """Return the command of the worker."""
        raise NotImplementedError
