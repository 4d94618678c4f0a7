"""A process that the supervisor has started, and starts again when it ends."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import structlog

LAUNCH = Path(__file__).with_name("launch.py")
#: The pause before a process is started again: none at first, then this, doubled each time.
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
#: A process that has lived so long is healthy; its next end counts as the first.
HEALTHY_SECONDS = 60.0

log = structlog.get_logger(__name__)


class Child:
    """One process, in a session of its own so that a terminal's Ctrl-C does not reach it."""

    def __init__(
        self,
        name: str,
        command: list[str],
        *,
        environment: dict[str, str] | None = None,
        listener: int = -1,
        output: Path | None = None,
    ) -> None:
        """Describe the process; `output` is the file for what it writes, by default our stderr."""
        self.name = name
        self._command = command
        self._environment = environment
        self._listener = listener
        self._output = output
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._restart_at = 0.0
        self._pause_seconds = 0.0

    def start(self) -> None:
        """Start the process."""
        launch = [sys.executable, "-I", str(LAUNCH), str(os.getpid()), str(self._listener)]
        # Our own standard output is for the lines that the supervisor promises.
        with self._output.open("wb") if self._output else open(2, "wb", closefd=False) as output:
            self._process = subprocess.Popen(  # noqa: S603  # our own command
                [*launch, *self._command],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[self._listener] if self._listener >= 0 else [],
                start_new_session=True,
            )
        self._started_at = time.monotonic()

    @property
    def pid(self) -> int | None:
        """The process's id while it lives."""
        return self._process.pid if self._process and self.exit_code is None else None

    @property
    def exit_code(self) -> int | None:
        """How the process ended, negative for a signal; None while it lives or never started."""
        return self._process.poll() if self._process else None

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
        # It fails if nothing is left, or on macOS nothing but what has ended.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

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
