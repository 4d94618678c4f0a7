"""A child process of the supervisor, restarted when it ends."""

import contextlib
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

import structlog

from callevents.processes.supervisor.launch import launch
from callevents.processes.supervisor.signals import stop_signals_blocked

# Forked, not spawned: importing all modules again would take longer than the rest of a start. The
# supervisor has no threads and no open connections, which a fork could break.
_FORK = multiprocessing.get_context("fork")
#: Delay before a restart: none at first, then this, doubled each time.
MIN_RESTART_SECONDS = 1.0
MAX_RESTART_SECONDS = 30.0
#: After this time the delay starts from none again.
HEALTHY_AFTER_SECONDS = 60.0

log = structlog.get_logger(__name__)


class Child:
    """One child process, in a separate session."""

    def __init__(
        self,
        name: str,
        become: Callable[[], object],
        *,
        output: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Define the process; `become` is what it runs, which may exec another program.

        `output` is the file for its output, by default our standard error.
        """
        self.name = name
        self._become = become
        self._output = output
        self._clock = clock
        self._process: BaseProcess | None = None
        self._started_at = 0.0
        self._restart_at = 0.0
        self._delay_seconds = 0.0

    def start(self) -> None:
        """Start the process."""
        if self._output:
            self._output.write_bytes(b"")
        options = {"name": self.name, "supervisor": os.getpid(), "output": self._output}
        self._process = _FORK.Process(target=launch, args=(self._become,), kwargs=options)
        # Until it has reset its signal handlers, its signals would count as the supervisor's.
        with stop_signals_blocked():
            self._process.start()
        self._started_at = self._clock()

    @property
    def pid(self) -> int | None:
        """Process id while it runs, else None."""
        return self._process.pid if self._process and self.exit_code is None else None

    @property
    def exit_code(self) -> int | None:
        """Exit code, negative for a signal; None while it runs or if it was never started."""
        return self._process.exitcode if self._process else None

    def restart_if_ended(self) -> float:
        """Restart the process if it has ended and the delay is over.

        Returns the seconds until the next check is needed, infinity while the process runs.
        """
        now = self._clock()
        if self._process is not None:
            if self.exit_code is None:
                return float("inf")
            self._schedule_restart(now)
        if now < self._restart_at:
            return self._restart_at - now
        self.start()
        return float("inf")

    def terminate(self) -> None:
        """Ask the process to stop."""
        if self.pid is not None:
            self._process.terminate()  # type: ignore[union-attr]  # it runs

    def kill(self) -> None:
        """Kill the process and its own children at once."""
        if self._process is None:
            return
        # The process first: a new one is still in our process group.
        self._process.kill()
        # Fails if no process is left, and on macOS if only zombies are.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)  # type: ignore[arg-type]  # it was started
        self._process.join()

    def _schedule_restart(self, now: float) -> None:
        if now - self._started_at >= HEALTHY_AFTER_SECONDS:
            self._delay_seconds = 0
        log.warning(
            "process ended, restarting",
            process=self.name,
            exit_code=self.exit_code,
            delay_seconds=self._delay_seconds,
        )
        self.kill()
        self._process = None
        self._restart_at = now + self._delay_seconds
        self._delay_seconds = min(
            max(self._delay_seconds * 2, MIN_RESTART_SECONDS), MAX_RESTART_SECONDS
        )
