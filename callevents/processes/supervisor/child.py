"""A process that the supervisor has started, and starts again when it ends."""

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
from callevents.processes.supervisor.signals import held

# Forked, not started anew: reading all the modules again would take longer than all the rest of a
# start. The supervisor has no threads and no open connections that could come to harm.
_FORK = multiprocessing.get_context("fork")
#: The pause before a process is started again: none at first, then this, doubled each time.
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
#: A process that has lived so long is healthy; its next end counts as the first.
HEALTHY_SECONDS = 60.0

log = structlog.get_logger(__name__)


class Child:
    """One process, in a session of its own."""

    def __init__(
        self, name: str, become: Callable[[], object], *, output: Path | None = None
    ) -> None:
        """Describe the process; `become` is what it does, and may be to become another program.

        `output` is the file for what it writes, by default our standard error.
        """
        self.name = name
        self._become = become
        self._output = output
        self._process: BaseProcess | None = None
        self._started_at = 0.0
        self._restart_at = 0.0
        self._pause_seconds = 0.0

    def start(self) -> None:
        """Start the process."""
        if self._output:
            self._output.write_bytes(b"")
        options = {"name": self.name, "supervisor": os.getpid(), "output": self._output}
        self._process = _FORK.Process(target=launch, args=(self._become,), kwargs=options)
        # A signal meant for it would otherwise be taken for one to us, until it has left ours.
        with held():
            self._process.start()
        self._started_at = time.monotonic()

    @property
    def pid(self) -> int | None:
        """The process's id while it lives."""
        return self._process.pid if self._process and self.exit_code is None else None

    @property
    def exit_code(self) -> int | None:
        """How the process ended, negative for a signal; None while it lives or never started."""
        return self._process.exitcode if self._process else None

    def look_after(self) -> float:
        """Start the process again if it has ended and its pause is over.

        Returns in how many seconds to look again, infinity if only its end can be of interest.
        """
        now = time.monotonic()
        if self._process is not None:
            if self.exit_code is None:
                return float("inf")
            self._note_end(now)
        if now < self._restart_at:
            return self._restart_at - now
        self.start()
        return float("inf")

    def terminate(self) -> None:
        """Ask the process to stop."""
        if self.pid is not None:
            self._process.terminate()  # type: ignore[union-attr]  # it lives

    def kill(self) -> None:
        """End the process at once, with those that it has started."""
        if self._process is None:
            return
        # On its own first: a new one has not left our group yet.
        self._process.kill()
        # It fails if nothing is left, or on macOS nothing but what has ended.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)  # type: ignore[arg-type]  # it was started
        self._process.join()

    def _note_end(self, now: float) -> None:
        if now - self._started_at >= HEALTHY_SECONDS:
            self._pause_seconds = 0
        log.warning(
            "process ended, starting it again",
            process=self.name,
            exit_code=self.exit_code,
            pause_seconds=self._pause_seconds,
        )
        self.kill()
        self._process = None
        self._restart_at = now + self._pause_seconds
        self._pause_seconds = min(
            max(self._pause_seconds * 2, FIRST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS
        )
