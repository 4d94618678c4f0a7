"""One HTTP/1.1 exchange over a connected socket: writes a request, reads a response.

The request is sent in one piece. A simple response that arrives in one piece, as nearly all do, is
parsed here in a fifth of the time that http.client takes. http.client reads all others.
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


class CompleteHeadResponse(HTTPResponse):
    """A response whose head must end with the empty line."""

    fp: Any

    def begin(self) -> None:
        """Read the head; raises RemoteDisconnected if the connection ends within it."""
        reader = _LineReader(self.fp)
        self.fp = reader
        try:
            super().begin()
        finally:
            if self.fp is reader:
                self.fp = reader.file
        # Responses that are not HTTP have been rejected above.
        if not reader.is_complete:
            raise RemoteDisconnected("the connection was closed within the response's head")


class _LineReader:
    """Reads lines, and keeps whether the last one was complete."""

    def __init__(self, file: Any) -> None:
        self.file = file
        self.is_complete = True

    def readline(self, limit: int) -> bytes:
        line: bytes = self.file.readline(limit)
        self.is_complete = line.endswith(b"\n")
        return line

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


MAX_RESPONSE_BYTES = 64 * 1024
CHUNK_BYTES = 16 * 1024
#: Size of the first read; a longer response is not parsed as a simple one.
FIRST_READ_BYTES = 64 * 1024
MAX_RESPONSE_HEADERS = 100

#: The head of a response whose body can have a Content-Length only; RFC 9112.
_SIMPLE_HEAD = re.compile(
    rb"HTTP/1\.1 ([2-5][0-9]{2})(?: [^\r\n]*)?\r\n"
    rb"((?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n]*\r\n)+)\r\n"
)
_HAS_NO_BODY = {204, 304}
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Received:
    """A response as read. `keep_alive`: the connection may be used for another request."""

    status_code: int
    headers: list[tuple[str, str]]
    body: bytes
    truncated: bool
    keep_alive: bool

    @property
    def location(self) -> str:
        """The Location header, empty without one."""
        return next((value for name, value in self.headers if name.lower() == "location"), "")

    @property
    def text(self) -> str:
        """The body as text that the database can store."""
        return self.body.decode("utf-8", "replace").replace("\x00", "�")


def write_head(method: str, target: str, url: SplitResult, headers: Mapping[str, str]) -> bytes:
    """Return a request's head; raises ValueError if a header contains a line break.

    `target`: the request target of the first line; `url`: the receiver's URL, for the Host header.
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
        raise ValueError("a header contains a line break")
    return head.encode("latin-1")


def exchange(sock: socket.socket, method: str, message: bytes) -> Received:
    """Send the message and return the response; raises OSError, HTTPException or TimeoutError."""
    # A receiver may respond and close before it has read everything; its response counts.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        sock.sendall(message)
    data = sock.recv(FIRST_READ_BYTES)
    return _parse_simple(data) or _read_with_http_client(sock, method, data)


def _parse_simple(data: bytes) -> Received | None:
    """Return the response if it is simple and complete, else None."""
    if (found := _SIMPLE_HEAD.match(data)) is None:
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
    keep_alive = "close" not in known.get("connection", "").lower()
    return Received(
        status_code, headers, data[found.end() :], truncated=False, keep_alive=keep_alive
    )


def _read_with_http_client(sock: socket.socket, method: str, prefix: bytes) -> Received:
    """Read a response with http.client; `prefix`: its bytes received so far."""
    source = _PrefixedSocket(sock, prefix)
    response: Any = CompleteHeadResponse(source, method=method)  # type: ignore[arg-type]  # has the socket methods it needs
    try:
        response.begin()
        lengths = {value.strip() for value in response.headers.get_all("Content-Length", ())}
        if len(lengths) > 1:
            raise HTTPException("two lengths")
        body, truncated = _read_body(response)
        headers = list(response.headers.items())[:MAX_RESPONSE_HEADERS]
        response.close()
        keep_alive = not (truncated or response.will_close or source.surplus)
        return Received(response.status, headers, body, truncated, keep_alive)
    finally:
        response.close()


def _read_body(response: Any) -> tuple[bytes, bool]:
    """Return the body up to MAX_RESPONSE_BYTES, and True if it was longer."""
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


class _PrefixedSocket(io.RawIOBase):
    """A socket for http.client whose data begins with bytes that were received already."""

    def __init__(self, sock: socket.socket, prefix: bytes) -> None:
        self._sock = sock
        self._prefix = prefix
        # Empty data means that the connection was closed; do not read again.
        self._at_end = not prefix
        self._consumed = 0
        #: Bytes received that do not belong to the response.
        self.surplus = 0

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Return the file to read from."""
        return _File(self, CHUNK_BYTES)

    def readable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the number of bytes read."""
        return self._consumed

    def readinto(self, buffer: Any) -> int:
        """Read available bytes, the prefix first."""
        count = 0
        if self._prefix:
            count = min(len(buffer), len(self._prefix))
            buffer[:count] = self._prefix[:count]
            self._prefix = self._prefix[count:]
        elif not self._at_end:
            count = self._sock.recv_into(buffer)
            self._at_end = not count
        self._consumed += count
        return count

    def end_at(self, position: int) -> None:
        """Set the position at which the response ended."""
        self.surplus = self._consumed - position + len(self._prefix)


class _File(io.BufferedReader):
    """Reports its position to the source when it is closed."""

    def close(self) -> None:
        """Close the file; http.client does so at the end of the response."""
        if not self.closed:
            source: Any = self.raw
            source.end_at(self.tell())
        super().close()
