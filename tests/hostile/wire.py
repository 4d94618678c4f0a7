"""A client that sends any bytes, and a strict reader of answers."""

import re
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass

TIMEOUT_SECONDS = 10.0
LOOPBACK = "127.0.0.1"
_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-5]\d\d) [^\r\n]*")
#: SO_LINGER with zero seconds: closing sends a reset.
_RESET = struct.pack("ii", 1, 0)


class TornError(Exception):
    """The bytes are not a sequence of whole answers."""


@dataclass(frozen=True)
class Answer:
    """A response; names of headers in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """The request's own ID, which the product repeats."""
        return self.headers.get("x-request-id", "")

    @property
    def is_problem(self) -> bool:
        """True if it is a problem document."""
        return self.headers.get("content-type", "").startswith("application/problem+json")


def read_answers(data: bytes) -> list[Answer]:
    """Return the final answers in the bytes; raises TornError if there is anything else.

    Not for requests with HEAD.
    """
    answers = []
    while data:
        answer, data = _read_answer(data)
        if answer.status >= 200:
            answers.append(answer)
    return answers


def _read_answer(data: bytes) -> tuple[Answer, bytes]:
    head, end, rest = data.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    status_line = _STATUS_LINE.fullmatch(first)
    if not end or status_line is None:
        raise TornError(f"no answer begins with {data[:80]!r}")
    status = int(status_line[1])
    headers = {}
    for line in lines:
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    if status < 200 or status in {204, 304}:
        return Answer(status, headers, b""), rest
    if headers.get("transfer-encoding") == "chunked":
        body, rest = _read_chunks(rest)
    elif "content-length" in headers:
        length = int(headers["content-length"])
        if len(rest) < length:
            raise TornError(f"a body of {length} bytes ends after {len(rest)}")
        body, rest = rest[:length], rest[length:]
    else:
        body, rest = rest, b""
    return Answer(status, headers, body), rest


def _read_chunks(data: bytes) -> tuple[bytes, bytes]:
    body = b""
    while True:
        size, _, data = data.partition(b"\r\n")
        if not (length := int(size, 16)):
            return body, data.removeprefix(b"\r\n")
        body, data = body + data[:length], data[length + 2 :]


class Client:
    """One connection to the product."""

    def __init__(
        self,
        port: int,
        *,
        source: str = "",
        timeout: float = TIMEOUT_SECONDS,
        receive_buffer: int = 0,
    ) -> None:
        self.socket = socket.socket()
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        try:
            if source:
                # The port is chosen at connect, so that thousands of connections find one.
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                self.socket.bind((source, 0))
            self.socket.connect((LOOPBACK, port))
        except OSError:
            self.socket.close()
            raise

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def send(self, data: bytes) -> None:
        """Send these bytes."""
        self.socket.sendall(data)

    def half_close(self) -> None:
        """Close the sending side."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close the connection."""
        self.socket.close()

    def reset(self) -> None:
        """Reset the connection."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.socket.close()

    def read(self) -> bytes:
        """Return all bytes until the product closes or resets; raises TimeoutError."""
        data = b""
        with suppress(ConnectionError):
            while piece := self.socket.recv(65536):
                data += piece
        return data

    def ask(self, data: bytes) -> Answer:
        """Send a request and return the answer; raises TimeoutError, ConnectionError, TornError."""
        self.send(data)
        return self.read_answer()

    def read_answer(self) -> Answer:
        """Return the next answer, which must be the only one that is on its way."""
        data = b""
        while True:
            piece = self.socket.recv(65536)
            if not piece and not data:
                raise ConnectionResetError("closed without an answer")
            data += piece
            try:
                answers = read_answers(data)
            except TornError:
                if not piece:
                    raise
            else:
                if answers:
                    return answers[0]
