"""Becomes another program, one that ends when the supervisor does, however that ends.

Run as a file, not as a module, so that nothing of Call Events is imported:
launch.py SUPERVISOR LISTENER PROGRAM [ARGUMENT...]. SUPERVISOR is a process id. LISTENER is the
number of an open socket that is handed over as systemd does it, or -1.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
FIRST_LISTENER = 3


def main(supervisor: int, listener: int, command: list[str]) -> None:
    """Become the command."""
    environment = dict(os.environ)
    if sys.platform == "linux":  # pragma: no branch
        # Not SIGTERM: nobody would be left to make sure of the end. What was in flight is safe in
        # SQL, and gunicorn's own processes finish what they are at.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # It may have ended before it could be watched.
    if os.getppid() != supervisor:
        sys.exit(1)
    if listener >= 0:
        os.dup2(listener, FIRST_LISTENER, inheritable=True)
        environment |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
    os.execve(command[0], command, environment)  # noqa: S606  # the supervisor's own command


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
