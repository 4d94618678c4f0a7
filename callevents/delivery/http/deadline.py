"""Watches over whole attempts, and cuts those that take too long however they manage to."""

import contextlib
import socket
import threading
import time
from dataclasses import dataclass

WATCH_SECONDS = 0.1
TOO_LONG = "The attempt as a whole took too long and was ended."
INTERRUPTED = "The worker stopped during this attempt."


@dataclass(eq=False)
class Watched:
    """A running attempt. `reason` says why it was cut, if it was."""

    deadline: float
    target: str
    #: The connection forgets its socket when an answer is to end with it, so it is kept here.
    sock: socket.socket | None = None
    reason: str = ""


class Watch:
    """Cuts attempts that take too long as a whole, however they manage to.

    Socket time-outs limit each silence only: a receiver that sends a byte now and then never
    runs into them.
    """

    def __init__(self) -> None:
        self._running: set[Watched] = set()
        self._lock = threading.Lock()
        self._interrupted = False
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()

    def add(self, watched: Watched) -> Watched:
        """Begin to watch the calling thread's attempt."""
        _current.watched = watched
        with self._lock:
            self._running.add(watched)
        return watched

    def remove(self, watched: Watched) -> None:
        """Stop watching the attempt."""
        _current.watched = None
        with self._lock:
            self._running.discard(watched)

    def interrupt(self) -> None:
        """Cut all running attempts, and those that begin later."""
        self._interrupted = True

    def close(self) -> None:
        """Stop the thread."""
        self._closed.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closed.wait(WATCH_SECONDS):
            now = time.monotonic()
            with self._lock:
                for watched in self._running:
                    if self._interrupted:
                        _cut(watched, INTERRUPTED)
                    elif watched.deadline <= now:
                        _cut(watched, TOO_LONG)


_current = threading.local()


def _cut(watched: Watched, reason: str) -> None:
    watched.reason = watched.reason or reason
    if watched.sock is not None:
        # The plain socket's method: TLS's own would change what the reading thread uses. It
        # fails if the socket was closed already.
        with contextlib.suppress(OSError):
            socket.socket.shutdown(watched.sock, socket.SHUT_RDWR)


def find_watched() -> Watched | None:
    """Return the calling thread's attempt."""
    return getattr(_current, "watched", None)


def refuse_late(watched: Watched) -> None:
    """Raise if the attempt's time was up before there was a socket to cut."""
    if time.monotonic() >= watched.deadline:
        watched.reason = watched.reason or TOO_LONG
    if watched.reason:
        raise ConnectionAbortedError(watched.reason)
