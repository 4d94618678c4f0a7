"""Celery with a pool of threads, on Valkey."""

import sys

from bench.systems.flask_ingest import FlaskIngest

THREADS = 32


class CeleryThreads(FlaskIngest):
    """One Celery worker whose threads make the requests."""

    title = f"Flask + Celery, {THREADS} threads"
    module = "on_celery"

    def worker_command(self, redis_url: str) -> list[str]:
        """Return the command of the worker."""
        app = [sys.executable, "-m", "celery", "--app", "bench.rivals.on_celery:tasks"]
        pool = ["--pool", "threads", "--concurrency", str(THREADS), "--loglevel", "WARNING"]
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        return [*app, "--broker", redis_url, "worker", *pool, *quiet]
