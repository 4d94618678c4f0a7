"""One easy handle of libcurl with the connection that it keeps."""

import socket
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

import pycurl
from requests.adapters import DEFAULT_CA_BUNDLE_PATH

from callevents.config.settings import Settings
from callevents.delivery.http.address_check import AddressRefusedError, check_address
from callevents.delivery.http.error_messages import (
    TransferError,
    describe_failure,
    describe_proxy_failure,
)
from callevents.delivery.http.resolve import Address
from callevents.delivery.http.stray_bytes import count_received, is_readable
from callevents.delivery.http.transfer import Transfer
from callevents.security.client_certificate import ClientCertificate

#: Headers that libcurl adds on its own. A line without a value keeps it from doing so.
_ADDED_BY_LIBCURL = ("Accept", "Content-Type", "Expect", "Proxy-Connection", "User-Agent")

#: libcurl does not reuse a connection that was idle for 118 seconds.
MAX_IDLE_SECONDS = 100.0


class Handle:
    """Makes requests one after the other, over one connection if they go to the same origin."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._refusal: AddressRefusedError | None = None
        self._has_opened = False
        self._is_method_named = False
        self._used_at = 0.0
        # Without a share of its own, any handle of the event loop would use this one's connection,
        # and the addresses that were found for it.
        self._share: Any = pycurl.CurlShare()
        self.curl: Any = pycurl.Curl()
        for kind in (pycurl.LOCK_DATA_CONNECT, pycurl.LOCK_DATA_DNS):
            self._share.setopt(pycurl.SH_SHARE, kind)
        for option, value in {
            pycurl.SHARE: self._share,
            pycurl.PROTOCOLS: pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS,
            pycurl.HTTP_VERSION: pycurl.CURL_HTTP_VERSION_2TLS,
            pycurl.CAINFO: str(settings.ca_bundle or DEFAULT_CA_BUNDLE_PATH),
            pycurl.NOSIGNAL: 1,
            pycurl.DNS_CACHE_TIMEOUT: 0,
            pycurl.OPENSOCKETFUNCTION: self._open_socket,
            **_proxy_options(settings.proxy_url),
        }.items():
            self.curl.setopt(option, value)

    @property
    def is_connected(self) -> bool:
        """True if it has a connection, which the next request uses if the handle is usable."""
        return bool(self.curl.getinfo(pycurl.ACTIVESOCKET) >= 0)

    @property
    def is_usable(self) -> bool:
        """False if the receiver has closed the connection, or sent unexpected bytes."""
        # libcurl looks itself, but not within a second after the last request.
        sock = self.curl.getinfo(pycurl.ACTIVESOCKET)
        if sock < 0:
            return True
        return time.monotonic() - self._used_at < MAX_IDLE_SECONDS and not is_readable(sock)

    def use_addresses(self, host: str, port: int, addresses: Sequence[Address]) -> None:
        """Connect to these addresses of the host, instead of asking the system's resolver."""
        # Without those that are valid on one network interface only: libcurl cannot read them.
        texts = [address for address, _port in addresses if "%" not in address]
        if texts:
            self.curl.setopt(pycurl.RESOLVE, [f"{host}:{port}:{','.join(texts)}"])

    def use_certificate(self, client: ClientCertificate) -> None:
        """Authenticate with this certificate over TLS. Both stay in memory, and touch no disk."""
        self.curl.setopt(pycurl.SSLCERT_BLOB, client.certificate.encode())
        self.curl.setopt(pycurl.SSLKEY_BLOB, client.key.encode())

    def prepare(
        self, method: str, origin: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> Transfer:
        """Set the request up, and return what will be received; raises ValueError.

        `target` is what the first line contains. Close the handle after an error.
        """
        self._refusal, self._has_opened = None, False
        curl = self.curl
        curl.setopt(pycurl.HTTPHEADER, _header_lines(target, headers))
        curl.setopt(pycurl.URL, origin)
        curl.setopt(pycurl.REQUEST_TARGET, target)
        if method == "GET" or (method == "DELETE" and not body):
            curl.setopt(pycurl.HTTPGET, 1)
        else:
            curl.setopt(pycurl.POSTFIELDS, body)
        self._name_method(method)
        transfer = Transfer(self._watch_strays(origin))
        curl.setopt(pycurl.PREREQFUNCTION, transfer.on_connected)
        curl.setopt(pycurl.HEADERFUNCTION, transfer.on_line)
        curl.setopt(pycurl.WRITEFUNCTION, transfer.on_body)
        return transfer

    def _name_method(self, method: str) -> None:
        """Name the methods that libcurl does not know by how the body is given."""
        is_named = method not in {"GET", "POST"}
        if is_named:
            self.curl.setopt(pycurl.CUSTOMREQUEST, method)
        elif self._is_method_named:
            self.curl.unsetopt(pycurl.CUSTOMREQUEST)
        self._is_method_named = is_named

    def limit(self, connect_seconds: float, total_seconds: float) -> None:
        """Set how long connecting, and the whole exchange, may take."""
        self.curl.setopt(pycurl.CONNECTTIMEOUT_MS, _milliseconds(connect_seconds))
        self.curl.setopt(pycurl.TIMEOUT_MS, _milliseconds(total_seconds))

    def count_bytes(self) -> int:
        """Return how many bytes of bodies were sent and received."""
        curl = self.curl
        return int(curl.getinfo(pycurl.SIZE_UPLOAD_T) + curl.getinfo(pycurl.SIZE_DOWNLOAD_T))

    def explain(self, code: int, text: str) -> TransferError:
        """Return the error for a transfer that libcurl ended, except for timeouts."""
        if self._refusal is not None and not self._has_opened:
            return TransferError(str(self._refusal), is_unreachable=False)
        if self._settings.proxy_url:
            status = self.curl.getinfo(pycurl.HTTP_CONNECTCODE)
            if message := describe_proxy_failure(code, status):
                return TransferError(message)
        return TransferError(describe_failure(code, text, self.curl.getinfo(pycurl.OS_ERRNO)))

    def explain_missing(self) -> TransferError:
        """Return the error for a name that has no address."""
        code = pycurl.E_COULDNT_RESOLVE_HOST
        return self.explain(
            pycurl.E_COULDNT_RESOLVE_PROXY if self._settings.proxy_url else code, ""
        )

    def rest(self) -> None:
        """Note that the last request has ended, and the connection is idle."""
        self._used_at = time.monotonic()

    def close(self) -> None:
        """Close the connection."""
        self.curl.close()
        self._share.close()

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
        sock = self.curl.getinfo(pycurl.ACTIVESOCKET)
        # Without TLS, is_usable finds them all.
        if sock < 0 or origin.startswith("http:") or (before := count_received(sock)) is None:
            return lambda: False
        return lambda: not self._has_opened and count_received(sock) == before


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
