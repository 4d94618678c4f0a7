"""A crowd of strangers: many connections that are slow, in one thread."""

import itertools
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

from tests.hostile.wire import LOOPBACK

#: How often each stranger sends.
PAUSE_SECONDS = 1.0
#: Strangers come in groups. Thousands in a tenth of a second would fill the system's own queue.
AT_ONCE = 100
ARRIVAL_SECONDS = 0.03


def one_address() -> Iterator[str]:
    """Yield the address from which all strangers come: the one of the load too."""
    return itertools.repeat(LOOPBACK)


def many_addresses() -> Iterator[str]:
    """Yield another address for each stranger."""
    return (f"127.{a}.{b}.1" for a in itertools.count(10) for b in range(1, 250))


class Crowd:
    """Connects that many strangers; each sends `begin`, and then `more` again and again.

    A stranger that is disconnected comes back with its next piece.
    """

    def __init__(
        self, port: int, count: int, begin: bytes, more: bytes, addresses: Iterator[str]
    ) -> None:
        self._port = port
        self._begin = begin
        self._more = more
        self._addresses = [next(addresses) for _ in range(count)]
        self._sockets: list[socket.socket | None] = [None] * count
        #: How often a stranger was disconnected.
        self.disconnected = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Crowd":
        """Connect all; from then on they send."""
        for number in range(len(self._sockets)):
            self._sockets[number] = self._connect(number)
            if number % AT_ONCE == 0:
                time.sleep(ARRIVAL_SECONDS)
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join()
        for sock in self._sockets:
            if sock:
                sock.close()

    def count_waiting(self) -> int:
        """Return the number of strangers that got no answer and are still connected."""
        with selectors.DefaultSelector() as selector:
            connected = [sock for sock in self._sockets if sock]
            for sock in connected:
                selector.register(sock, selectors.EVENT_READ)
            return len(connected) - len(selector.select(0))

    def _connect(self, number: int) -> socket.socket | None:
        sock = socket.socket()
        sock.setblocking(False)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_BIND_ADDRESS_NO_PORT, 1)
            sock.bind((self._addresses[number], 0))
            with suppress(BlockingIOError):
                sock.connect((LOOPBACK, self._port))
            # Loopback connects at once, unless the product's queue is full.
            if self._begin:
                sock.send(self._begin)
        except OSError:
            sock.close()
            return None
        return sock

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            due = time.monotonic() + PAUSE_SECONDS
            for number in range(len(self._sockets)):
                if self._stop.is_set():
                    return
                self._send(number)

    def _send(self, number: int) -> None:
        sock = self._sockets[number]
        try:
            if sock is not None and self._more:
                sock.send(self._more)
                return
        except BlockingIOError:
            return
        except OSError:
            self.disconnected += 1
        if sock is None or self._more:
            if sock is not None:
                sock.close()
            self._sockets[number] = self._connect(number)
