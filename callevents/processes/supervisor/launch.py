"""Start-up code of a forked child process."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from callevents.processes.supervisor.signals import reset_signals

PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15


def launch(
    become: Callable[[], object], *, name: str, supervisor: int, output: Path | None
) -> None:
    """Detach from the terminal, arrange to die with the supervisor, and call `become`.

    Output is appended to the file `output`, by default to our standard error.
    """
    # A separate session, so that a terminal's Ctrl-C does not reach it.
    os.setsid()
    reset_signals()
    if sys.platform == "linux":  # pragma: no branch
        system = ctypes.CDLL(None)
        # Not SIGTERM: without the supervisor nothing would make sure that the process ends. Work in
        # flight is safe in SQL.
        system.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        # The name that top and ps show.
        system.prctl(PR_SET_NAME, name.encode())
    # The supervisor may have ended before the call above.
    if os.getppid() != supervisor:
        sys.exit(1)
    _redirect(output)
    become()


def _redirect(output: Path | None) -> None:
    """Close standard input, and keep standard output for the supervisor's documented lines."""
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    if output:
        log_file = os.open(output, os.O_WRONLY | os.O_APPEND)
        os.dup2(log_file, 2)
        os.close(log_file)
    os.dup2(2, 1)
