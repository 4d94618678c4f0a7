"""PBXs on sockets, as far as a listener sees them: who logs in hears what they say."""

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
    """One connection that a listener has made."""

    def __init__(self, server: "PbxServer", link: socket.socket) -> None:
        self.server = server
        self.link = link
        #: What the client has said, one command each.
        self.commands: list[str] = []
        #: Whether it has logged in and asked for events.
        self.hears = False
        self.has_list = False
        #: Whether it is not answered any more.
        self.is_deaf = False

    def send(self, data: bytes) -> None:
        """Send the bytes in pieces that end anywhere."""
        while data:
            size = self.server.random.randint(1, 700)
            self.link.sendall(data[:size])
            data = data[size:]

    def run(self) -> None:
        """Serve the client until either side has enough."""
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
        """End the connection without a word."""
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
        #: What is said of the phones there are, by what is asked; what is not here is not known.
        self.phones: dict[str, list[Message]] = {}
        #: Said in the middle of each list, to those who listen.
        self.between: list[bytes] = []
        #: Whether it ends the connection in the middle of a list.
        self.cuts_lists = False
        #: Why no list is given.
        self.denies_lists = ""
        self.clients: list[Client] = []
        self.random = random.Random(7)
        self.running: dict[str, Message] = {}
        self._tls = tls
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        #: While it is not, whoever connects is turned away at once.
        self.is_open = True
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def wait_for_listener(self, count: int = 1) -> Client:
        """Wait until the client with that number has heard which calls run; return it."""
        wait_until(
            lambda: [one for one in self.clients if one.has_list][count - 1 :],
            f"listener {count}",
        )
        return self.clients[-1]

    def say(self, parts: Iterable[bytes]) -> None:
        """Say these parts of a stream to those who listen; calls run on without them."""
        for part in parts:
            self.note(self.read(part))
            for client in self.clients:
                if client.hears:
                    # Who was killed may be gone without a word.
                    with contextlib.suppress(OSError):
                        client.send(part)

    def interrupt(self, client: Client) -> None:
        """Say in the middle of a list what happens meanwhile, or end the connection."""
        if self.cuts_lists:
            client.cut()
        for part in self.between:
            self.note(self.read(part))
            client.send(part)
        self.between = []

    def cut(self) -> None:
        """End all connections."""
        for client in self.clients:
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
        """Say what is said first."""

    @abstractmethod
    def answer(self, client: Client, command: str) -> None:
        """Do what the client says."""

    @abstractmethod
    def read(self, part: bytes) -> Message:
        """Return the message of a part of a stream."""

    @abstractmethod
    def note(self, message: Message) -> None:
        """Note what the message says of the running calls."""


class Babbler:
    """Something that is no PBX: it says what it is told to, to whoever connects."""

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
