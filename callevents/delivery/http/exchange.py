"""One HTTP/1.1 exchange over a connected socket: a request is written, an answer is read.

The request goes out in one piece, and an answer that comes in one piece is read without more ado.
That is what nearly all are, and it takes a fifth of the time that http.client takes, which reads
all others.
"""

import contextlib
import io
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse, IncompleteRead, RemoteDisconnected
from typing import Any
from urllib.parse import SplitResult


class WholeHeadResponse(HTTPResponse):
    """An answer whose head has to end with its empty line."""

    fp: Any

    def begin(self) -> None:
        """Read the head; raises RemoteDisconnected if the connection ends within it."""
        reader = _Lines(self.fp)
        self.fp = reader
        try:
            super().begin()
        finally:
            if self.fp is reader:
                self.fp = reader.file
        # What is no HTTP at all has been refused as that by now.
        if not reader.is_whole:
            raise RemoteDisconnected("the connection was closed within the answer's head")


class _Lines:
    """Reads lines, and notes whether the last one had an end."""

    def __init__(self, file: Any) -> None:
        self.file = file
        self.is_whole = True

    def readline(self, limit: int) -> bytes:
        line: bytes = self.file.readline(limit)
        self.is_whole = line.endswith(b"\n")
        return line

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


MAX_RESPONSE_BYTES = 64 * 1024
CHUNK_BYTES = 16 * 1024
#: A first answer of up to so many bytes may be a plain one.
FIRST_BYTES = 64 * 1024
MAX_RESPONSE_HEADERS = 100

#: An answer that says how long it is and no more than that about its body; RFC 9112.
_PLAIN = re.compile(
    rb"HTTP/1\.1 ([2-5][0-9]{2})(?: [^\r\n]*)?\r\n"
    rb"((?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n]*\r\n)+)\r\n"
)
_HAS_NO_BODY = {204, 304}
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Received:
    """An answer. `can_go_on`: the connection may be used for another request."""

    status_code: int
    headers: list[tuple[str, str]]
    body: bytes
    truncated: bool
    can_go_on: bool

    @property
    def location(self) -> str:
        """Where it redirects to, empty if it does not."""
        return next((value for name, value in self.headers if name.lower() == "location"), "")

    @property
    def text(self) -> str:
        """The body as text that a database can store."""
        return self.body.decode("utf-8", "replace").replace("\x00", "�")


def write_head(method: str, target: str, url: SplitResult, headers: Mapping[str, str]) -> bytes:
    """Return a request's head; raises ValueError if a header has a line end.

    `target` stands in the first line, `url` is where the request goes in the end.
    """
    host = url.hostname or ""
    name = f"[{host}]" if ":" in host else host
    authority = name if url.port in (None, _DEFAULT_PORTS[url.scheme]) else f"{name}:{url.port}"
    given = {header.lower() for header in headers}
    lines = [f"{method} {target} HTTP/1.1"]
    if "host" not in given:
        lines.append(f"Host: {authority}")
    if "accept-encoding" not in given:
        lines.append("Accept-Encoding: identity")
    lines += [f"{header}: {value}" for header, value in headers.items()]
    head = "\r\n".join([*lines, "", ""])
    if head.count("\n") != len(lines) + 1 or head.count("\r") != len(lines) + 1:
        raise ValueError("a header has a line end")
    return head.encode("latin-1")


def exchange(sock: socket.socket, method: str, message: bytes) -> Received:
    """Send the message and return the answer; raises OSError, HTTPException or TimeoutError."""
    # Who answers before it has read all may have closed already; its answer is what counts.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        sock.sendall(message)
    data = sock.recv(FIRST_BYTES)
    return _read_plain(data) or _read_any(sock, method, data)


def _read_plain(data: bytes) -> Received | None:
    """Return the answer if it is plain and all of it is here."""
    if (found := _PLAIN.match(data)) is None:
        return None
    lines = [line.split(b":", 1) for line in found[2].split(b"\r\n")[:-1]]
    headers = [(name.decode(), value.strip(b" \t").decode("latin-1")) for name, value in lines]
    known = {name.lower(): value for name, value in headers}
    length = known.get("content-length", "")
    status_code = int(found[1])
    if (
        len(known) < len(headers)
        or len(headers) > MAX_RESPONSE_HEADERS
        or "transfer-encoding" in known
        or status_code in _HAS_NO_BODY
        or not (length.isascii() and length.isdigit())
        or int(length) != len(data) - found.end()
    ):
        return None
    can_go_on = "close" not in known.get("connection", "").lower()
    return Received(status_code, headers, data[found.end() :], truncated=False, can_go_on=can_go_on)


def _read_any(sock: socket.socket, method: str, begun: bytes) -> Received:
    """Read an answer, of which some may have come already, with http.client."""
    source = _Source(sock, begun)
    response: Any = WholeHeadResponse(source, method=method)  # type: ignore[arg-type]  # it has all that is used of a socket
    try:
        response.begin()
        lengths = {value.strip() for value in response.headers.get_all("Content-Length", ())}
        if len(lengths) > 1:
            raise HTTPException("two lengths")
        body, truncated = _read_body(response)
        headers = list(response.headers.items())[:MAX_RESPONSE_HEADERS]
        response.close()
        can_go_on = not (truncated or response.will_close or source.left_over)
        return Received(response.status, headers, body, truncated, can_go_on)
    finally:
        response.close()


def _read_body(response: Any) -> tuple[bytes, bool]:
    """Return the answer's body up to MAX_RESPONSE_BYTES, and whether there was more."""
    chunks: list[bytes] = []
    size = 0
    # read1 returns what has arrived; read would wait for a whole chunk.
    while size <= MAX_RESPONSE_BYTES and (chunk := response.read1(CHUNK_BYTES)):
        chunks.append(chunk)
        size += len(chunk)
    truncated = size > MAX_RESPONSE_BYTES
    if not truncated and response.length:
        raise IncompleteRead(b"".join(chunks), response.length)
    return b"".join(chunks)[:MAX_RESPONSE_BYTES], truncated


class _Source(io.RawIOBase):
    """A socket as http.client wants one, beginning with what was received from it already."""

    def __init__(self, sock: socket.socket, begun: bytes) -> None:
        self._sock = sock
        self._begun = begun
        # An empty first piece is the end, and after that there is nothing to ask for.
        self._has_ended = not begun
        self._given = 0
        #: How much of what came is no part of the answer.
        self.left_over = 0

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Return the file to read from."""
        return _File(self, CHUNK_BYTES)

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def tell(self) -> int:
        """Return how many bytes were given out."""
        return self._given

    def readinto(self, buffer: Any) -> int:
        """Read what there is, first what has come before."""
        count = 0
        if self._begun:
            count = min(len(buffer), len(self._begun))
            buffer[:count] = self._begun[:count]
            self._begun = self._begun[count:]
        elif not self._has_ended:
            count = self._sock.recv_into(buffer)
            self._has_ended = not count
        self._given += count
        return count

    def end_at(self, position: int) -> None:
        """Note where the answer has ended."""
        self.left_over = self._given - position + len(self._begun)


class _File(io.BufferedReader):
    """Tells the source, when it is closed, how far it was read."""

    def close(self) -> None:
        """Close it; http.client does that at the end of the answer."""
        if not self.closed:
            source: Any = self.raw
            source.end_at(self.tell())
        super().close()
