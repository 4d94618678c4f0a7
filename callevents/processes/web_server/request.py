"""A request that was read, and its WSGI environment."""

import errno
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from io import BytesIO
from typing import IO, Any, ClassVar, NamedTuple
from urllib.parse import unquote_to_bytes

#: Longer bodies wait in a temporary file, so that strangers cannot fill the memory.
MAX_BODY_BYTES_IN_MEMORY = 4 * 1024
#: Bytes of all temporary files of a process. Their folder may be in memory too.
MAX_BYTES_IN_FILES = 256 * 1024 * 1024

Environ = dict[str, Any]
Headers = list[tuple[str, str]]

_SPECIAL = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}


class Target(NamedTuple):
    """What a request asks for, percent-encoded. `authority` is empty in the usual origin form."""

    path: bytes
    query: bytes
    authority: bytes = b""

    def __str__(self) -> str:
        mark = b"?" if self.query else b""
        return (self.path + mark + self.query).decode("latin-1")


@dataclass
class RequestHead:
    """Request line and headers. Names of headers are in lower case; texts are Latin-1."""

    method: str
    target: Target
    #: '1.0' or '1.1'.
    version: str
    headers: Headers
    #: False if the client asked for the connection to be closed.
    keep_alive: bool
    #: The headers by name; values of the same name are joined.
    values: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        """Join the values of each name."""
        self.values = dict(self.headers)
        if len(self.values) < len(self.headers):
            self.values = _join(self.headers)

    @property
    def is_chunked(self) -> bool:
        """True if the body comes in chunks. The reader refuses every other transfer encoding."""
        return "transfer-encoding" in self.values

    @property
    def content_length(self) -> int:
        """The declared length of the body, 0 without one. The parser has checked the digits."""
        return int(self.values.get("content-length", 0))

    @property
    def expects_continue(self) -> bool:
        """True if the client waits for '100 Continue' before it sends the body."""
        return self.version == "1.1" and self.values.get("expect", "").lower() == "100-continue"


class Body:
    """A request's body: in memory, or in a temporary file if it is long."""

    bytes_in_files: ClassVar[int] = 0

    def __init__(self) -> None:
        self.length = 0
        self._data = bytearray()
        self._file: IO[bytes] | None = None
        self._in_file = 0

    def write(self, data: bytes | bytearray) -> None:
        """Add data; raises OSError if there is no room for another long body."""
        self.length += len(data)
        self._data += data
        if self.length > MAX_BODY_BYTES_IN_MEMORY:
            self._write_to_file()

    def _write_to_file(self) -> None:
        if Body.bytes_in_files + len(self._data) > MAX_BYTES_IN_FILES:
            raise OSError(errno.ENOSPC, "too many long bodies at the same time")
        if self._file is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115  # closed in `close`
        self._file.write(self._data)
        self._in_file += len(self._data)
        Body.bytes_in_files += len(self._data)
        self._data.clear()

    def read(self) -> bytes:
        """Return all of it."""
        return bytes(self._data) if self._file is None else self.open().read()

    def open(self) -> IO[bytes]:
        """Return a file to read the body from."""
        if self._file is None:
            return BytesIO(self._data)
        self._file.seek(0)
        return self._file

    def close(self) -> None:
        """Delete the temporary file."""
        if self._file is not None:
            self._file.close()
            self._file = None
            Body.bytes_in_files -= self._in_file


@dataclass
class Request:
    """A whole request."""

    head: RequestHead
    body: Body
    #: False if the body is longer than the limit, or not wanted: then it was not read to its end.
    is_body_complete: bool = True

    @property
    def keep_alive(self) -> bool:
        """True if the connection can be used for another request."""
        return self.head.keep_alive and self.is_body_complete

    @property
    def content_length(self) -> int:
        """The length of the body; of an incomplete one, what is known of it."""
        return max(self.body.length, self.head.content_length)

    def build_environ(self, client: tuple[str, int], server: tuple[str, int]) -> Environ:
        """Return the WSGI environment (PEP 3333); `client`, `server`: address and port."""
        target = self.head.target
        environ: Environ = {
            "REQUEST_METHOD": self.head.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(target.path).decode("latin-1"),
            "QUERY_STRING": target.query.decode("latin-1"),
            "RAW_URI": str(target),
            "REQUEST_URI": str(target),
            "SERVER_PROTOCOL": f"HTTP/{self.head.version}",
            "SERVER_NAME": server[0],
            "SERVER_PORT": str(server[1]),
            "REMOTE_ADDR": client[0],
            "REMOTE_PORT": str(client[1]),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": self.body.open(),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
        }
        for name, value in self.head.values.items():
            if key := _environ_key(name):
                environ[key] = value
        if self.head.is_chunked or self.content_length:
            environ["CONTENT_LENGTH"] = str(self.content_length)
        if target.authority:
            # RFC 9112, section 3.2.2: the target's authority replaces the header.
            environ["HTTP_HOST"] = target.authority.decode("latin-1")
        return environ


@lru_cache(maxsize=256)
def _environ_key(name: str) -> str:
    """Return a header's key in the environment, empty for headers that are left out."""
    # An offered upgrade is ignored: Werkzeug would look for a route of a WebSocket.
    # WSGI maps hyphens to underscores: `X_Forwarded_For` could imitate a trusted proxy's header.
    if "_" in name or name in {"transfer-encoding", "upgrade"}:
        return ""
    return _SPECIAL.get(name) or "HTTP_" + name.upper().replace("-", "_")


def _join(headers: Headers) -> dict[str, str]:
    values: dict[str, str] = {}
    for name, value in headers:
        separator = "; " if name == "cookie" else ","
        values[name] = f"{values[name]}{separator}{value}" if name in values else value
    return values


#: Says how many bytes of a request's body may be read; None if none of it is wanted.
BodyLimit = Callable[[RequestHead], int | None]
