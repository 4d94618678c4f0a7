"""A receiver that holds its answers back, and what tests of the engine name."""

import threading
from collections.abc import Callable

from callevents.enums import DeliveryState
from tests.support.raw_server import Connection, RawServer

DELIVERED, PENDING = DeliveryState.DELIVERED, DeliveryState.PENDING
STOPPED = "The worker stopped during this attempt."


class BlockingReceiver:
    """A receiver that takes requests and answers them when it is told to."""

    def __init__(self, serve: Callable[..., RawServer]) -> None:
        self._go = threading.Event()
        self.server: RawServer = serve(self._talk)

    def _talk(self, connection: Connection) -> None:
        while connection.read_request():
            self._go.wait()
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    @property
    def arrived(self) -> int:
        """How many requests have come."""
        return len(self.server.requests)

    def answer(self) -> None:
        """Answer all requests, those to come too."""
        self._go.set()
