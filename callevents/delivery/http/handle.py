"""One easy handle of libcurl with the connection that it keeps, for one thread at a time."""

import select
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

import pycurl
from requests.adapters import DEFAULT_CA_BUNDLE_PATH

from callevents.config.settings import Settings
from callevents.delivery.http.address_check import AddressRefusedError, check_address
from callevents.delivery.http.error_messages import (
    CLOSED_EARLY,
    INTERRUPTED,
    INVALID_RESPONSE,
    TOO_LONG,
    Failure,
    TransferError,
    describe_failure,
)
from callevents.delivery.http.response_head import ResponseHead, parse_head

MAX_RESPONSE_BYTES = 64 * 1024
#: Limits of all heads of a response together: interim ones (1xx), the final one, and trailers.
MAX_HEAD_BYTES = 64 * 1024
MAX_HEAD_LINES = 128

#: Headers that libcurl adds on its own. A line without a value keeps it from doing so.
_ADDED_BY_LIBCURL = ("Accept", "Content-Type", "Expect", "Proxy-Connection", "User-Agent")
_STOP = -1


@dataclass(frozen=True)
class Received:
    """A response. `truncated`: the body was longer than MAX_RESPONSE_BYTES."""

    head: ResponseHead
    body: bytes
    truncated: bool

    @property
    def text(self) -> str:
        """The body as text that the database can store."""
        return self.body.decode("utf-8", "replace").replace("\x00", "�")


@dataclass(slots=True)
class _Transfer:
    """What has happened during a request so far."""

    #: The lines of the current head, and the final head.
    lines: list[bytes] = field(default_factory=list)
    head: ResponseHead | None = None
    line_count: int = 0
    head_size: int = 0
    body: list[bytes] = field(default_factory=list)
    body_size: int = 0
    is_connected: bool = False
    has_tried: bool = False
    #: Why we aborted it, as far as it is no error of libcurl.
    error: TransferError | None = None
    refusal: AddressRefusedError | None = None
    #: How many bytes, and when the last ones.
    progress: int = 0
    progress_at: float = 0


class Handle:
    """Makes requests one after the other, over one connection if they go to the same origin."""

    def __init__(self, settings: Settings, is_interrupted: Callable[[], bool]) -> None:
        self._settings = settings
        self._is_interrupted = is_interrupted
        self._transfer = _Transfer()
        self._curl: Any = pycurl.Curl()
        for option, value in {
            pycurl.PROTOCOLS: pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS,
            pycurl.HTTP_VERSION: pycurl.CURL_HTTP_VERSION_2TLS,
            pycurl.CAINFO: str(settings.ca_bundle or DEFAULT_CA_BUNDLE_PATH),
            pycurl.NOSIGNAL: 1,
            pycurl.MAXCONNECTS: 1,
            # Each new connection asks the system's resolver.
            pycurl.DNS_CACHE_TIMEOUT: 0,
            pycurl.CONNECTTIMEOUT_MS: _milliseconds(settings.connect_timeout_seconds),
            pycurl.TIMEOUT_MS: _milliseconds(settings.total_timeout_seconds),
            pycurl.OPENSOCKETFUNCTION: self._open_socket,
            pycurl.PREREQFUNCTION: self._on_connected,
            pycurl.HEADERFUNCTION: self._on_line,
            pycurl.WRITEFUNCTION: self._on_body,
            pycurl.XFERINFOFUNCTION: self._on_progress,
            pycurl.NOPROGRESS: 0,
            **_proxy_options(settings.proxy_url),
        }.items():
            self._curl.setopt(option, value)

    def exchange(
        self, method: str, origin: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> Received:
        """Send a request and return the response; raises TransferError, or ValueError.

        `target` is what the first line contains. Close the handle after an error.
        """
        self._transfer = transfer = _Transfer()
        curl = self._curl
        curl.setopt(pycurl.URL, origin)
        curl.setopt(pycurl.REQUEST_TARGET, target)
        curl.setopt(pycurl.HTTPHEADER, _header_lines(target, headers))
        if method == "GET":
            curl.setopt(pycurl.HTTPGET, 1)
        else:
            curl.setopt(pycurl.POSTFIELDS, body)
        try:
            curl.perform()
        except pycurl.error as error:
            if transfer.body_size <= MAX_RESPONSE_BYTES:
                raise self._explain(*error.args) from None
        if transfer.head is None:
            # For libcurl, a head may end with the connection.
            raise TransferError(CLOSED_EARLY)
        body = b"".join(transfer.body)
        truncated = len(body) > MAX_RESPONSE_BYTES
        return Received(transfer.head, body[:MAX_RESPONSE_BYTES], truncated)

    def is_usable(self) -> bool:
        """Return False if the receiver has closed the connection, or sent unexpected bytes."""
        # libcurl looks itself, but not within a second after the last request.
        sock = self._curl.getinfo(pycurl.ACTIVESOCKET)
        return sock < 0 or not _is_readable(sock)

    def close(self) -> None:
        """Close the connection."""
        self._curl.close()

    def _open_socket(self, _purpose: int, address: Any) -> int:
        """Return a socket for this address, or SOCKET_BAD, so that libcurl tries the next."""
        family, kind, protocol, (host, port, *_) = address
        try:
            # The proxy's address is the operator's choice.
            if not self._settings.proxy_url:
                check_address(host, port, self._settings.allowed_networks)
            # libcurl closes it.
            opened = socket.socket(family, kind, protocol).detach()
        except AddressRefusedError as error:
            self._transfer.refusal = error
            return int(pycurl.SOCKET_BAD)
        except OSError:
            return int(pycurl.SOCKET_BAD)
        self._transfer.has_tried = True
        return opened

    def _on_connected(self, *_addresses: object) -> int:
        """Begin to wait for the response; refuse to send the request twice, as libcurl would."""
        transfer = self._transfer
        if transfer.is_connected:
            transfer.error = TransferError(CLOSED_EARLY)
            return int(pycurl.PREREQFUNC_ABORT)
        transfer.is_connected = True
        transfer.progress_at = time.monotonic()
        return int(pycurl.PREREQFUNC_OK)

    def _on_line(self, line: bytes) -> int:
        """Take a line of a head or of the trailers."""
        transfer = self._transfer
        if not transfer.is_connected:
            return len(line)  # The proxy's.
        transfer.line_count += 1
        transfer.head_size += len(line)
        try:
            if transfer.head_size > MAX_HEAD_BYTES or transfer.line_count > MAX_HEAD_LINES:
                raise TransferError(INVALID_RESPONSE)
            if transfer.head is None:
                transfer.lines.append(line)
                if line in {b"\r\n", b"\n"}:
                    self._end_head(parse_head(transfer.lines))
        except TransferError as error:
            transfer.error = error
            return _STOP
        return len(line)

    def _end_head(self, head: ResponseHead) -> None:
        self._transfer.lines.clear()
        if head.status_code >= 200:
            self._transfer.head = head

    def _on_body(self, data: bytes) -> int:
        transfer = self._transfer
        transfer.body.append(data)
        transfer.body_size += len(data)
        return len(data) if transfer.body_size <= MAX_RESPONSE_BYTES else _STOP

    def _on_progress(self, _to_receive: int, received: int, _to_send: int, sent: int) -> int:
        """Abort if the client was interrupted, or the receiver has been silent for too long."""
        transfer = self._transfer
        if self._is_interrupted():
            transfer.error = TransferError(INTERRUPTED, is_unreachable=False)
        elif transfer.is_connected:
            now = time.monotonic()
            limit = self._settings.read_timeout_seconds
            progress = received + sent + transfer.head_size
            if progress != transfer.progress:
                transfer.progress, transfer.progress_at = progress, now
            elif now - transfer.progress_at > limit:
                transfer.error = TransferError(f"No response within {limit:g} seconds.")
        return 0 if transfer.error is None else 1

    def _explain(self, code: int, text: str) -> TransferError:
        """Return the error for a transfer that libcurl ended."""
        transfer, settings = self._transfer, self._settings
        if transfer.error is not None:
            return transfer.error
        if code == pycurl.E_OPERATION_TIMEDOUT:
            seconds = settings.connect_timeout_seconds
            if transfer.is_connected or seconds >= settings.total_timeout_seconds:
                return TransferError(TOO_LONG)
            return TransferError(f"No connection within {seconds:g} seconds.")
        if transfer.refusal is not None and not transfer.has_tried:
            return TransferError(str(transfer.refusal), is_unreachable=False)
        failure = Failure(
            code,
            text,
            errno=self._curl.getinfo(pycurl.OS_ERRNO),
            is_proxied=bool(settings.proxy_url),
            proxy_status=self._curl.getinfo(pycurl.HTTP_CONNECTCODE),
        )
        return TransferError(describe_failure(failure))


def _is_readable(sock: int) -> bool:
    poller = select.poll()
    poller.register(sock, select.POLLIN)
    return bool(poller.poll(0))


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))


def _proxy_options(url: str) -> dict[int, str]:
    """Return the options for the proxy; those that are empty keep environment variables out."""
    parts = urlsplit(url)
    address = parts.netloc.rpartition("@")[2]
    options = {pycurl.PROXY: f"http://{address}" if address else "", pycurl.NOPROXY: ""}
    if parts.username is not None:
        options[pycurl.PROXYUSERNAME] = unquote(parts.username)
        options[pycurl.PROXYPASSWORD] = unquote(parts.password or "")
    return options


def _header_lines(target: str, headers: Mapping[str, str]) -> list[bytes]:
    """Return the header lines for libcurl; raises ValueError if one contains a line break."""
    given = {name.lower() for name in headers}
    lines = [f"{name}:" for name in _ADDED_BY_LIBCURL if name.lower() not in given]
    if "accept-encoding" not in given:
        lines.append("Accept-Encoding: identity")
    # With a semicolon libcurl sends a header without a value.
    lines += [
        f"{name}: {value}" if value.strip() else f"{name};" for name, value in headers.items()
    ]
    text = "\n".join((target, *lines))
    if text.count("\n") > len(lines) or "\r" in text or "\0" in text:
        raise ValueError("a header contains a line break")
    return text.encode("latin-1").split(b"\n")[1:]
