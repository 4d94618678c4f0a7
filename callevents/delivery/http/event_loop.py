"""Runs many transfers of libcurl in one thread.

libcurl says which sockets to watch, and how long at most. Functions that others pass to `call` run
in the same thread, so whatever concerns transfers needs no locks.
"""

import math
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import pycurl
import structlog

#: While there are transfers, `look` is called at this interval.
LOOK_SECONDS = 0.5
#: Wait after an error of the loop itself, so that one that lasts does not take all processor time.
_ERROR_SECONDS = 0.1

#: Called with libcurl's error code and text; the code is 0 after a success.
Done = Callable[[tuple[int, str]], None]

_EVENTS = {
    pycurl.POLL_IN: select.POLLIN,
    pycurl.POLL_OUT: select.POLLOUT,
    pycurl.POLL_INOUT: select.POLLIN | select.POLLOUT,
}

log = structlog.get_logger("callevents.delivery")


class EventLoop:
    """A thread for transfers, which the first call starts. Close it to stop.

    `look` is called twice a second, until it returns False: then after the next call.
    """

    _thread: threading.Thread | None = None
    _multi: Any
    _poll: select.poll
    _woken: socket.socket
    _waker: socket.socket

    def __init__(self, look: Callable[[], bool]) -> None:
        self._look = look
        self._look_at = math.inf
        self._done: dict[Any, Done] = {}
        self._calls: deque[Callable[[], None]] = deque()
        self._lock = threading.Lock()
        self._is_waiting = self._is_closed = False

    def call(self, function: Callable[[], None]) -> bool:
        """Call the function soon in the loop's thread; return False if the loop is closed.

        May be called in any thread, also in the loop's.
        """
        with self._lock:
            if self._is_closed:
                return False
            self._calls.append(function)
            if self._thread is None:
                self._start()
            else:
                self._wake()
            return True

    def add(self, curl: Any, done: Done) -> None:
        """Begin a transfer. Only in the loop's thread, like `remove`, which must follow."""
        self._multi.add_handle(curl)
        self._done[curl] = done

    def remove(self, curl: Any) -> None:
        """Forget a transfer that has ended, or abort it."""
        del self._done[curl]
        self._multi.remove_handle(curl)

    def close(self, last: Callable[[], None]) -> None:
        """Stop after all functions that were passed to `call`, and `last`, which ends transfers."""
        with self._lock:
            is_running = self._thread is not None and not self._is_closed
            self._is_closed = True
            if is_running:
                self._calls.append(last)
                self._wake()
        if self._thread is not None and is_running:
            self._thread.join()
            self._multi.close()
            self._woken.close()
            self._waker.close()

    def _start(self) -> None:
        # Not a selector: with hundreds of sockets, its system calls for each request cost more than
        # naming all sockets in each wait. Unlike select.select, it takes any number of them.
        self._poll = select.poll()
        self._woken, self._waker = socket.socketpair()
        self._poll.register(self._woken, select.POLLIN)
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch)
        thread = threading.Thread(target=self._run, name="send", daemon=True)
        thread.start()
        self._thread = thread

    def _wake(self) -> None:
        if self._is_waiting:
            self._is_waiting = False
            self._waker.send(b"\0")

    def _run(self) -> None:
        while not self._is_closed or self._calls:
            try:
                self._turn()
            except Exception as error:  # without this thread nothing would be sent
                log.error("could not run transfers", exc_info=error)
                time.sleep(_ERROR_SECONDS)

    def _turn(self) -> None:
        """Wait for something to do, and do it."""
        for descriptor, events in self._poll.poll(self._wait_milliseconds()):
            if descriptor == self._woken.fileno():
                self._woken.recv(64)
            else:
                self._multi.socket_action(descriptor, _action(events))
        # Asking costs less than a callback would for each change: 4 us of a request's 65.
        if self._multi.timeout() == 0:
            self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
        _left, succeeded, failed = self._multi.info_read()
        for curl in succeeded:
            _guard(partial(self._done[curl], (0, "")))
        for curl, *error in failed:
            _guard(partial(self._done[curl], tuple(error)))
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + LOOK_SECONDS
            if not self._look():
                self._look_at = math.inf
        self._run_calls(now)

    def _wait_milliseconds(self) -> float:
        """Return how long to wait at most; negative without a limit."""
        with self._lock:
            self._is_waiting = not self._calls
            if not self._is_waiting:
                return 0
        timeout = float(self._multi.timeout())
        if self._look_at == math.inf:
            return timeout
        look = max(0.0, (self._look_at - time.monotonic()) * 1000)
        return look if timeout < 0 else min(look, timeout)

    def _run_calls(self, now: float) -> None:
        """Run the functions that were there at the beginning: they may bring more."""
        if self._calls:
            self._look_at = min(self._look_at, now + LOOK_SECONDS)
        for _ in range(len(self._calls)):
            _guard(self._calls.popleft())

    def _watch(self, what: int, descriptor: int, _multi: object, _data: object) -> None:
        """Watch the socket for what libcurl waits for. libcurl calls this."""
        if what == pycurl.POLL_REMOVE:
            self._poll.unregister(descriptor)
        else:
            self._poll.register(descriptor, _EVENTS[what])


def _action(events: int) -> int:
    """Return libcurl's flags for these events of a socket."""
    action = pycurl.CSELECT_IN if events & select.POLLIN else 0
    if events & select.POLLOUT:
        action |= pycurl.CSELECT_OUT
    if events & ~(select.POLLIN | select.POLLOUT):
        action |= pycurl.CSELECT_ERR
    return action


def _guard(function: Callable[[], None]) -> None:
    """Call the function, and log its error: it must not end the loop."""
    try:
        function()
    except Exception as error:
        log.error("a function of the event loop failed", exc_info=error)
