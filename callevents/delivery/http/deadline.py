"""Deadlines for whole attempts, and the interruption of all attempts when a worker stops."""

import contextlib
import socket
import threading
import time
from dataclasses import dataclass

CHECK_SECONDS = 0.1
TOO_LONG = "The attempt took too long in total and was aborted."
INTERRUPTED = "The worker stopped during this attempt."


@dataclass(eq=False)
class RunningAttempt:
    """An attempt that is being made. `reason` says why it was aborted, empty if it was not."""

    deadline: float
    target: str
    #: The connection forgets its socket if the response ends with the connection, so keep it here.
    sock: socket.socket | None = None
    reason: str = ""


class DeadlineMonitor:
    """Aborts attempts that take too long in total.

    Socket timeouts limit the time without data only: a receiver that sends a byte now and then
    never exceeds them.
    """

    def __init__(self) -> None:
        self._running: set[RunningAttempt] = set()
        self._lock = threading.Lock()
        self._interrupted = False
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="deadlines", daemon=True)
        self._thread.start()

    def add(self, attempt: RunningAttempt) -> RunningAttempt:
        """Start to monitor the calling thread's attempt."""
        _current.attempt = attempt
        with self._lock:
            self._running.add(attempt)
        return attempt

    def remove(self, attempt: RunningAttempt) -> None:
        """Stop monitoring the attempt."""
        _current.attempt = None
        with self._lock:
            self._running.discard(attempt)

    def interrupt(self) -> None:
        """Abort all running attempts, and those that begin later."""
        self._interrupted = True

    def close(self) -> None:
        """Stop the thread."""
        self._closed.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closed.wait(CHECK_SECONDS):
            now = time.monotonic()
            with self._lock:
                for attempt in self._running:
                    if self._interrupted:
                        _abort(attempt, INTERRUPTED)
                    elif attempt.deadline <= now:
                        _abort(attempt, TOO_LONG)


_current = threading.local()


def _abort(attempt: RunningAttempt, reason: str) -> None:
    attempt.reason = attempt.reason or reason
    if attempt.sock is not None:
        # The plain socket's method: that of a TLS socket would change state that the reading thread
        # uses. It fails if the socket is closed already.
        with contextlib.suppress(OSError):
            socket.socket.shutdown(attempt.sock, socket.SHUT_RDWR)


def current_attempt() -> RunningAttempt | None:
    """Return the calling thread's attempt."""
    return getattr(_current, "attempt", None)


def check_deadline(attempt: RunningAttempt) -> None:
    """Raise ConnectionAbortedError if the attempt was aborted before it had a socket."""
    if time.monotonic() >= attempt.deadline:
        attempt.reason = attempt.reason or TOO_LONG
    if attempt.reason:
        raise ConnectionAbortedError(attempt.reason)
