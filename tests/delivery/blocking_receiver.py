"""A receiver that delays its responses, for tests of the engine."""

import threading
from collections.abc import Callable

from callevents.enums import DeliveryState
from tests.support.raw_server import Connection, RawServer

DELIVERED, PENDING = DeliveryState.DELIVERED, DeliveryState.PENDING
STOPPED = "The worker stopped during this attempt."


class BlockingReceiver:
    """A receiver that accepts requests and responds on demand."""

    def __init__(self, serve: Callable[..., RawServer]) -> None:
        self._go = threading.Event()
        self.server: RawServer = serve(self._talk)

    def _talk(self, connection: Connection) -> None:
        while connection.read_request():
            self._go.wait()
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    @property
    def arrived(self) -> int:
        """The number of requests received."""
        return len(self.server.requests)

    def respond(self) -> None:
        """Respond to all requests, also to later ones."""
        self._go.set()
