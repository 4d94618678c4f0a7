"""What the operating system tells the supervisor: stop, or a process has ended."""

import os
import select
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Self

STOP = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: One wish to stop may arrive twice, from the terminal and from `make`; a later one is impatience.
SAME_WISH_SECONDS = 1.0


class Signals:
    """Turns signals into something to wait for, within its `with` block."""

    def __init__(self) -> None:
        self.stop = False
        self.stop_at_once = False
        self._stop_time = 0.0
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)

    def __enter__(self) -> Self:
        self._old = {number: signal.getsignal(number) for number in (*STOP, signal.SIGCHLD)}
        self._old_descriptor = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        for number, old in self._old.items():
            # Under nohup, hanging up is to be ignored, and stays so. But a shell's background
            # ignores SIGINT too, and who sends that means it.
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
        """Wait for the next signal, at most so long; return whether `also` can be read."""
        readable: list[int | socket.socket] = [self._read, also] if also else [self._read]
        found = select.select(readable, [], [], max(seconds, 0))[0]
        if self._read in found:
            os.read(self._read, 4096)
        return also in found

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGCHLD:
            return
        now = time.monotonic()
        if not self.stop:
            self.stop, self._stop_time = True, now
        elif now - self._stop_time >= SAME_WISH_SECONDS:
            self.stop_at_once = True


@contextmanager
def held() -> Iterator[None]:
    """Let the wishes to stop wait meanwhile."""
    old = signal.pthread_sigmask(signal.SIG_BLOCK, STOP)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, old)


def leave_signals() -> None:
    """In a forked process, which has ours and held ones: treat signals as a new program does."""
    signal.set_wakeup_fd(-1)
    for number in (*STOP, signal.SIGCHLD):
        # What is ignored stays ignored, as under nohup.
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP)
