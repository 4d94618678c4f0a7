"""The first steps of a process that the supervisor has forked, until it is what it is to be."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from callevents.processes.supervisor.signals import leave_signals

PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15


def launch(
    become: Callable[[], object], *, name: str, supervisor: int, output: Path | None
) -> None:
    """Leave the terminal, end when the supervisor does, however that ends, and become what it is.

    What it writes is added to the file `output`, by default to our standard error.
    """
    # A session of its own, so that a terminal's Ctrl-C does not reach it.
    os.setsid()
    leave_signals()
    if sys.platform == "linux":  # pragma: no branch
        system = ctypes.CDLL(None)
        # Not SIGTERM: nobody would be left to make sure of the end. What was in flight is safe in
        # SQL, and gunicorn's own processes finish what they are at.
        system.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        # By this, top and ps tell it from the others.
        system.prctl(PR_SET_NAME, name.encode())
    # It may have ended before it could be watched.
    if os.getppid() != supervisor:
        sys.exit(1)
    _redirect(output)
    become()


def _redirect(output: Path | None) -> None:
    """Have nothing to read, and leave standard output to the lines that the supervisor promises."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    if output:
        written = os.open(output, os.O_WRONLY | os.O_APPEND)
        os.dup2(written, 2)
        os.close(written)
    os.dup2(2, 1)
