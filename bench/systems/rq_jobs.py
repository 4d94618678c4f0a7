"""RQ with one job for each request."""

import sys

from bench.systems.flask_ingest import FlaskIngest


class RqWorker(FlaskIngest):
    """With RQ's own worker, which forks for each job."""

    title = "Flask + RQ, Worker"
    module = "on_rq"
    worker_class = "rq.Worker"

    def worker_command(self, redis_url: str) -> list[str]:
        """Return the command of the worker."""
        # The code and not the command, which has different names on different systems.
        start = "import sys; from rq.cli import main; sys.exit(main())"
        options = ["--url", redis_url, "--worker-class", self.worker_class, "--quiet"]
        return [sys.executable, "-c", start, "worker", *options, "bench"]


class RqSimpleWorker(RqWorker):
    """With the worker that runs jobs in its own process."""

    title = "Flask + RQ, SimpleWorker"
    worker_class = "rq.SimpleWorker"
