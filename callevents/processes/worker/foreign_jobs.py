"""Counts the jobs in our queue that were not ours."""

import time

import structlog

#: A log line at most this often: whoever writes such jobs may write many.
LOG_SECONDS = 10.0

log = structlog.get_logger("callevents.worker")


class ForeignJobs:
    """The number of foreign jobs that this process has dropped."""

    def __init__(self) -> None:
        self.count = 0
        self._log_at = 0.0

    def add(self, job_id: str, function: str) -> None:
        """Count and log a dropped job."""
        self.count += 1
        if time.monotonic() < self._log_at:
            return
        self._log_at = time.monotonic() + LOG_SECONDS
        log.warning(
            "dropped a job that is not ours; check who can write to Redis",
            job=job_id,
            function=function,
            dropped_since_start=self.count,
        )
