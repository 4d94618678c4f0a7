"""A server that sends any bytes a test wants, on a real socket."""

import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Callable
from types import TracebackType

from tests.support.waiting import wait_until

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
OK_AND_CLOSE = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Connection:
    """One connection that was accepted."""

    def __init__(self, sock: socket.socket, server: "RawServer") -> None:
        self._sock = sock
        self._server = server
        self._buffer = b""

    def read_request(self) -> bytes:
        """Return and record the next request; empty when the client has closed."""
        while b"\r\n\r\n" not in self._buffer:
            if not (data := self._sock.recv(65536)):
                return b""
            self._buffer += data
        head, _, rest = self._buffer.partition(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        while len(rest) < length:
            rest += self._sock.recv(65536)
        request, self._buffer = head + b"\r\n\r\n" + rest[:length], rest[length:]
        self._server.requests.append(request)
        return request

    def read(self, count: int) -> bytes:
        """Return the next bytes, fewer when the client has closed."""
        while len(self._buffer) < count and (data := self._sock.recv(65536)):
            self._buffer += data
        data, self._buffer = self._buffer[:count], self._buffer[count:]
        return data

    def send(self, data: bytes) -> None:
        """Send these bytes."""
        self._sock.sendall(data)

    def wait(self, seconds: float) -> None:
        """Wait, but not longer than until the client sends something or closes."""
        select.select([self._sock], [], [], seconds)

    def wait_until_closed(self) -> None:
        """Send nothing until the client closes the connection."""
        while self._sock.recv(65536):
            pass


Talk = Callable[[Connection], None]


def answers(data: bytes) -> Talk:
    """Return a function that reads one request, sends these bytes and closes."""

    def talk(connection: Connection) -> None:
        connection.read_request()
        connection.send(data)

    return talk


def keeps_alive(connection: Connection) -> None:
    """Respond to request after request."""
    while connection.read_request():
        connection.send(OK)


def hangs(connection: Connection) -> None:
    """Read one request and never respond."""
    connection.read_request()
    connection.wait_until_closed()


class RawServer:
    """Listens on a free port and calls `talk` with every connection, until closed."""

    def __init__(
        self,
        talk: Talk,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.requests: list[bytes] = []
        #: How many connections were accepted.
        self.accepted = 0
        #: How many connections have ended.
        self.ended = 0
        self._talk = talk
        self._tls = tls
        self._listener = socket.create_server((host, port))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://{host}:{self.port}"
        self._open: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def wait_for_requests(self, count: int) -> None:
        """Wait until that number of requests has arrived."""
        wait_until(lambda: len(self.requests) >= count, f"{count} requests at the raw server")

    def close(self) -> None:
        """End everything."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        for sock in list(self._open):
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def __enter__(self) -> "RawServer":
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            self._open.add(sock)
            thread = threading.Thread(target=self._serve, args=(sock,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        plain = sock
        # A client that disconnects is not an error here.
        with contextlib.suppress(OSError):
            if self._tls:
                sock = self._tls.wrap_socket(sock, server_side=True)
                self._open.add(sock)
            self._talk(Connection(sock, self))
        for used in (sock, plain):
            self._open.discard(used)
            used.close()
        self.ended += 1
