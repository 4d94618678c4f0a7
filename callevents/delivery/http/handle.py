"""One easy handle of libcurl with the connection that it keeps, for one thread at a time."""

import socket
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

import pycurl
from requests.adapters import DEFAULT_CA_BUNDLE_PATH

from callevents.config.settings import Settings
from callevents.delivery.http.address_check import AddressRefusedError, check_address
from callevents.delivery.http.error_messages import (
    TOO_LONG,
    TransferError,
    describe_failure,
    describe_proxy_failure,
)
from callevents.delivery.http.stray_bytes import count_received, is_readable
from callevents.delivery.http.transfer import Transfer

#: Headers that libcurl adds on its own. A line without a value keeps it from doing so.
_ADDED_BY_LIBCURL = ("Accept", "Content-Type", "Expect", "Proxy-Connection", "User-Agent")

#: CURLOPT_QUICK_EXIT, which pycurl has no name for: closing a handle does not wait for the system's
#: resolver, which libcurl runs in a thread and cannot stop.
_QUICK_EXIT = 322


class Handle:
    """Makes requests one after the other, over one connection if they go to the same origin."""

    def __init__(self, settings: Settings, is_interrupted: Callable[[], bool]) -> None:
        self._settings = settings
        self._is_interrupted = is_interrupted
        self._refusal: AddressRefusedError | None = None
        self._has_opened = False
        self._curl: Any = pycurl.Curl()
        for option, value in {
            pycurl.PROTOCOLS: pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS,
            pycurl.HTTP_VERSION: pycurl.CURL_HTTP_VERSION_2TLS,
            pycurl.CAINFO: str(settings.ca_bundle or DEFAULT_CA_BUNDLE_PATH),
            pycurl.NOSIGNAL: 1,
            _QUICK_EXIT: 1,
            # Each new connection asks the system's resolver.
            pycurl.DNS_CACHE_TIMEOUT: 0,
            pycurl.CONNECTTIMEOUT_MS: _milliseconds(settings.connect_timeout_seconds),
            pycurl.OPENSOCKETFUNCTION: self._open_socket,
            pycurl.NOPROGRESS: 0,
            **_proxy_options(settings.proxy_url),
        }.items():
            self._curl.setopt(option, value)

    def exchange(
        self,
        method: str,
        origin: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes,
        seconds: float,
    ) -> Transfer:
        """Send a request and return what was received; raises TransferError, or ValueError.

        `target` is what the first line contains, `seconds` the time limit. Close the handle after
        an error.
        """
        self._refusal, self._has_opened = None, False
        curl = self._curl
        curl.setopt(pycurl.TIMEOUT_MS, _milliseconds(seconds))
        curl.setopt(pycurl.HTTPHEADER, _header_lines(target, headers))
        curl.setopt(pycurl.URL, origin)
        curl.setopt(pycurl.REQUEST_TARGET, target)
        if method == "GET":
            curl.setopt(pycurl.HTTPGET, 1)
        else:
            curl.setopt(pycurl.POSTFIELDS, body)
        transfer = Transfer(
            self._settings.read_timeout_seconds, self._is_interrupted, self._watch_strays(origin)
        )
        curl.setopt(pycurl.PREREQFUNCTION, transfer.on_connected)
        curl.setopt(pycurl.HEADERFUNCTION, transfer.on_line)
        curl.setopt(pycurl.WRITEFUNCTION, transfer.on_body)
        curl.setopt(pycurl.XFERINFOFUNCTION, transfer.on_progress)
        try:
            curl.perform()
        except pycurl.error as error:
            if not transfer.is_truncated:
                raise transfer.error or self._explain(transfer, seconds, *error.args) from None
        return transfer

    def is_usable(self) -> bool:
        """Return False if the receiver has closed the connection, or sent unexpected bytes."""
        # libcurl looks itself, but not within a second after the last request.
        sock = self._curl.getinfo(pycurl.ACTIVESOCKET)
        return sock < 0 or not is_readable(sock)

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
            self._refusal = error
            return int(pycurl.SOCKET_BAD)
        except OSError:
            return int(pycurl.SOCKET_BAD)
        self._has_opened = True
        return opened

    def _watch_strays(self, origin: str) -> Callable[[], bool]:
        """Return a function that is true if a response was there before its request was sent."""
        sock = self._curl.getinfo(pycurl.ACTIVESOCKET)
        # Without TLS, is_usable() finds them all.
        if sock < 0 or origin.startswith("http:") or (before := count_received(sock)) is None:
            return lambda: False
        return lambda: not self._has_opened and count_received(sock) == before

    def _explain(self, transfer: Transfer, seconds: float, code: int, text: str) -> TransferError:
        """Return the error for a transfer that libcurl ended."""
        settings = self._settings
        if code == pycurl.E_OPERATION_TIMEDOUT:
            limit, elapsed = settings.connect_timeout_seconds, self._curl.getinfo(pycurl.TOTAL_TIME)
            if transfer.is_connected or max(limit, elapsed) >= seconds:
                return TransferError(TOO_LONG)
            return TransferError(f"No connection within {limit:g} seconds.")
        if self._refusal is not None and not self._has_opened:
            return TransferError(str(self._refusal), is_unreachable=False)
        if settings.proxy_url:
            status = self._curl.getinfo(pycurl.HTTP_CONNECTCODE)
            if message := describe_proxy_failure(code, status):
                return TransferError(message)
        return TransferError(describe_failure(code, text, self._curl.getinfo(pycurl.OS_ERRNO)))


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
