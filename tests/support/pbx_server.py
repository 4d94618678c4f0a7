"""Base of the test servers: clients that log in receive the stream."""

import contextlib
import random
import socket
import ssl
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable

from callevents.vendors.tracking.fields import Message
from tests.support.waiting import wait_until

SECRET = "geheim & lang"


class Client:
    """One connection of a listener."""

    def __init__(self, server: "PbxServer", link: socket.socket) -> None:
        self.server = server
        self.link = link
        #: Commands of the client.
        self.commands: list[str] = []
        #: True once it has logged in and subscribed to events.
        self.hears = False
        self.has_list = False
        #: True if it no longer gets responses.
        self.is_deaf = False
        #: Events and answers come from different threads.
        self._sending = threading.Lock()

    def send(self, data: bytes) -> None:
        """Send the bytes in pieces that end anywhere."""
        with self._sending:
            while data:
                size = self.server.random.randint(1, 700)
                self.link.sendall(data[:size])
                data = data[size:]

    def run(self) -> None:
        """Serve the client until one side disconnects."""
        received = b""
        with contextlib.suppress(OSError):
            self.server.greet(self)
            while data := self.link.recv(4096):
                received += data
                while self.server.separator in received:
                    command, received = received.split(self.server.separator, 1)
                    self.commands.append(command.decode())
                    if not self.is_deaf:
                        self.server.answer(self, command.decode())
        self.hears = False

    def cut(self) -> None:
        """Close the connection."""
        self.hears = self.has_list = False
        with contextlib.suppress(OSError):
            self.link.shutdown(socket.SHUT_RDWR)
        self.link.close()


class PbxServer(ABC):
    """Listens on a free port of 127.0.0.1 until it is closed."""

    separator: bytes

    def __init__(
        self,
        *,
        secret: str = SECRET,
        tls: ssl.SSLContext | None = None,
        lists_calls: bool = True,
    ) -> None:
        self.secret = secret
        self.lists_calls = lists_calls
        #: Listed phones by command; other commands are unknown.
        self.phones: dict[str, list[Message]] = {}
        #: Events sent in the middle of each list.
        self.between: list[bytes] = []
        #: True to disconnect in the middle of a list.
        self.cuts_lists = False
        #: Error message instead of lists; empty to list.
        self.denies_lists = ""
        self.clients: list[Client] = []
        self.random = random.Random(7)
        self.running: dict[str, Message] = {}
        self._tls = tls
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        #: False to close new connections at once.
        self.is_open = True
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def wait_for_listener(self, count: int = 1) -> Client:
        """Wait until this number of clients got the list of running calls; return the last one."""
        wait_until(
            lambda: [one for one in self.clients if one.has_list][count - 1 :],
            f"listener {count}",
        )
        return self.clients[-1]

    def say(self, parts: Iterable[bytes]) -> None:
        """Send these parts of a stream to subscribed clients; calls go on without clients."""
        for part in parts:
            self.note(self.read(part))
            for client in self.clients:
                if client.hears:
                    # A killed client may be gone.
                    with contextlib.suppress(OSError):
                        client.send(part)

    def interrupt(self, client: Client) -> None:
        """Send events in the middle of a list, or disconnect."""
        if self.cuts_lists:
            client.cut()
        for part in self.between:
            self.note(self.read(part))
            client.send(part)
        self.between = []

    def cut(self) -> None:
        """Close all connections of now; a listener may connect again meanwhile."""
        for client in list(self.clients):
            client.cut()

    def close(self) -> None:
        """Stop listening."""
        self.cut()
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join()

    def _accept(self) -> None:
        while True:
            try:
                link = self._server.accept()[0]
            except OSError:
                return
            if not self.is_open:
                link.close()
                continue
            threading.Thread(target=self._serve, args=(link,), daemon=True).start()

    def _serve(self, link: socket.socket) -> None:
        try:
            if self._tls is not None:
                link = self._tls.wrap_socket(link, server_side=True)
        except OSError:
            link.close()
            return
        client = Client(self, link)
        self.clients.append(client)
        client.run()

    @abstractmethod
    def greet(self, client: Client) -> None:
        """Send the greeting."""

    @abstractmethod
    def answer(self, client: Client, command: str) -> None:
        """Execute the client's command."""

    @abstractmethod
    def read(self, part: bytes) -> Message:
        """Return the message of a part of a stream."""

    @abstractmethod
    def note(self, message: Message) -> None:
        """Track the running calls by the message."""


class Babbler:
    """A server that is no PBX: it sends fixed bytes to each client."""

    def __init__(self, words: bytes) -> None:
        self._words = words
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._links: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                self._links.append(self._server.accept()[0])
            except OSError:
                return
            self._links[-1].sendall(self._words)

    def close(self) -> None:
        """Stop."""
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join()
        for link in self._links:
            link.close()
