"""Signals to the supervisor: stop, or a child process has ended."""

import os
import select
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Self

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: One Ctrl-C may arrive twice, from the terminal and from `make`; a later signal stops at once.
DUPLICATE_SIGNAL_SECONDS = 1.0


class Signals:
    """Collects signals within its `with` block, so that `wait` can return at a signal."""

    def __init__(self) -> None:
        self.stop = False
        self.stop_at_once = False
        self._stop_time = 0.0
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)

    def __enter__(self) -> Self:
        self._old = {number: signal.getsignal(number) for number in (*STOP_SIGNALS, signal.SIGCHLD)}
        self._old_descriptor = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        for number, old in self._old.items():
            # Under nohup SIGHUP is ignored, and stays so. A shell's background job ignores SIGINT
            # too, but a SIGINT sent to it is meant.
            if number != signal.SIGHUP or old is not signal.SIG_IGN:
                signal.signal(number, self._note)
        return self

    def __exit__(self, *_error: object) -> None:
        for number, old in self._old.items():
            signal.signal(number, old)
        signal.set_wakeup_fd(self._old_descriptor)
        os.close(self._read)
        os.close(self._write)

    def wait(self, seconds: float, also: socket.socket | None = None) -> bool:
        """Wait up to `seconds` for a signal or for `also`; return True if `also` is readable."""
        readable: list[int | socket.socket] = [self._read, also] if also else [self._read]
        ready = select.select(readable, [], [], max(seconds, 0))[0]
        if self._read in ready:
            os.read(self._read, 4096)
        return also in ready

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGCHLD:
            return
        now = time.monotonic()
        if not self.stop:
            self.stop, self._stop_time = True, now
        elif now - self._stop_time >= DUPLICATE_SIGNAL_SECONDS:
            self.stop_at_once = True


@contextmanager
def stop_signals_blocked() -> Iterator[None]:
    """Block the signals to stop within the `with` block; they are delivered afterwards."""
    old = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, old)


def reset_signals() -> None:
    """Reset signal handlers and the blocked signals that a forked process inherits."""
    signal.set_wakeup_fd(-1)
    for number in (*STOP_SIGNALS, signal.SIGCHLD):
        # Ignored signals stay ignored, as under nohup.
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
