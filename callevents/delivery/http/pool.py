"""Connection pools for receivers, with the address check and deadlines."""

import socket
from collections.abc import Iterable, Mapping
from http.client import HTTPException
from typing import Any
from urllib.parse import SplitResult, urlsplit

from requests.adapters import DEFAULT_CA_BUNDLE_PATH, HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NameResolutionError,
    NewConnectionError,
    ProxyError,
)
from urllib3.util.connection import create_connection

from callevents.config import Network
from callevents.config.settings import Settings
from callevents.delivery.http.address_check import AddressRefusedError, check_address
from callevents.delivery.http.deadline import RunningAttempt, check_deadline, current_attempt
from callevents.delivery.http.exchange import Received, exchange, write_head

#: Origins with idle connections, each up to its limit of attempts in flight. Others are closed
#: after use, because file descriptors are limited.
MAX_POOLED_ORIGINS = 32


class _CheckedConnection:
    """Mixin for both kinds of connection: checks the address and the deadline when connecting."""

    #: None for connections to the proxy, whose address the operator configures.
    allowed: Iterable[Network] | None = ()

    def _new_conn(self: Any) -> socket.socket:
        return _open_socket(self)

    def connect(self: Any) -> None:
        try:
            super().connect()  # type: ignore[misc]  # HTTPConnection's
        except TimeoutError as error:
            # Includes the TLS handshake, whose timeout urllib3 would report as a read timeout.
            raise ConnectTimeoutError(self, "no connection in time") from error


def _open_socket(connection: Any) -> socket.socket:
    """Connect to the first of the host's addresses that is allowed and reachable."""
    host = connection._dns_host  # noqa: SLF001  # the name that urllib3 resolves
    try:
        addresses = _resolve(host, connection.port)
    except (OSError, UnicodeError) as error:
        raise NameResolutionError(host, connection, socket.gaierror(str(error))) from error
    refusal: AddressRefusedError | None = None
    failure: OSError | None = None
    for address in addresses:
        if (attempt := current_attempt()) is not None:
            check_deadline(attempt)
        try:
            return _connect(connection, address)
        except AddressRefusedError as error:
            refusal = error
        except OSError as error:
            failure = error
    if failure is None and refusal is not None:
        raise refusal
    if isinstance(failure, TimeoutError):
        raise failure
    raise NewConnectionError(connection, str(failure)) from failure


def _resolve(host: str, port: int | None) -> list[str]:
    """Return the host's addresses, each once; raises OSError or UnicodeError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(info[4][0]) for info in found))


def _connect(connection: Any, address: str) -> socket.socket:
    if connection.allowed is not None:
        check_address(address, connection.allowed)
    return create_connection(
        (address, connection.port),
        connection.timeout,
        socket_options=connection.socket_options,
    )


class _CheckedHTTPConnection(_CheckedConnection, HTTPConnection):
    pass


class _CheckedHTTPSConnection(_CheckedConnection, HTTPSConnection):
    pass


class Pools(HTTPAdapter):
    """Connection pools of all origins, direct or through a proxy; certificates are verified."""

    def __init__(self, settings: Settings) -> None:
        self._allowed = settings.allowed_networks
        self._trust = {
            "cert_reqs": "CERT_REQUIRED",
            "ca_certs": str(settings.ca_bundle or DEFAULT_CA_BUNDLE_PATH),
        }
        self._connect_seconds = settings.connect_timeout_seconds
        self._read_seconds = settings.read_timeout_seconds
        super().__init__(
            pool_connections=MAX_POOLED_ORIGINS,
            pool_maxsize=settings.origin_in_flight,
            max_retries=0,
        )
        self._is_proxied = bool(settings.proxy_url)
        if self._is_proxied:
            self._manager = self.proxy_manager_for(settings.proxy_url, **self._trust)
            self._manager.pool_classes_by_scheme = _pool_classes(None)
        else:
            self._manager = self.poolmanager

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Create the pool manager with checked connections."""
        super().init_poolmanager(*args, **(kwargs | self._trust))
        self.poolmanager.pool_classes_by_scheme = _pool_classes(self._allowed)

    def exchange(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        attempt: RunningAttempt,
    ) -> Received:
        """Send a request to the URL's origin, and keep the connection if possible."""
        pool = self._pool_for(url)
        if self.is_forwarded(url):
            headers = {**headers, **pool.proxy_headers}
        head = write_head(method, attempt.target, _split(url), headers)
        # urllib3 only manages the connections; requests and responses, which are most of the work,
        # are written and read in exchange.py.
        connection: Any = pool._get_conn()  # noqa: SLF001  # urllib3 has no public method for it
        keep_alive = False
        try:
            if connection.is_closed:
                connection.timeout = self._connect_seconds
                _connect_to_origin(pool, connection)
                connection.sock.settimeout(self._read_seconds)
            attempt.sock = connection.sock
            check_deadline(attempt)
            received = exchange(connection.sock, method, head + body)
            keep_alive = received.keep_alive
            return received
        finally:
            if not keep_alive:
                connection.close()
            pool._put_conn(connection)  # noqa: SLF001  # as above

    def _pool_for(self, url: str) -> HTTPConnectionPool:
        """Return the pool of the URL's origin.

        With a proxy, raises AddressRefusedError if requests to the host are blocked.
        """
        parts = _split(url)
        host = parts.hostname or ""
        if self._is_proxied:
            _check_host(host, self._allowed)
        manager: PoolManager = self._manager
        return manager.connection_from_host(host, parts.port, parts.scheme)

    def is_forwarded(self, url: str) -> bool:
        """Return True if a proxy forwards the request itself, as it does without TLS."""
        return self._is_proxied and url.startswith("http:")


def _connect_to_origin(pool: Any, connection: Any) -> None:
    """Connect, through the proxy if there is one; raises ProxyError if it is unreachable."""
    try:
        if pool.proxy and pool.scheme == "https":
            pool._prepare_proxy(connection)  # noqa: SLF001  # opens a tunnel, and connects
        else:
            connection.connect()
    except (OSError, HTTPError, HTTPException) as error:
        if pool.proxy and not connection.has_connected_to_proxy:
            raise ProxyError("no connection to the proxy", error) from error
        raise


def _split(url: str) -> SplitResult:
    """Return the parts of the URL without its query and fragment."""
    # That part is the same for all requests of a hook, so urlsplit finds it in its cache.
    return urlsplit(url.partition("#")[0].partition("?")[0])


def _check_host(host: str, allowed: Iterable[Network]) -> None:
    """Raise AddressRefusedError if the host is a blocked address or resolves to one.

    Names that only the proxy can resolve are left to the proxy.
    """
    try:
        addresses = _resolve(host, None)
    except (OSError, UnicodeError):
        return
    for address in addresses:
        check_address(address, allowed)


def _pool_classes(allowed: tuple[Network, ...] | None) -> dict[str, type[Any]]:
    return {
        "http": _checked_pool(HTTPConnectionPool, _CheckedHTTPConnection, allowed),
        "https": _checked_pool(HTTPSConnectionPool, _CheckedHTTPSConnection, allowed),
    }


def _checked_pool(
    pool: type[Any], connection: type[Any], allowed: tuple[Network, ...] | None
) -> type[Any]:
    checked = type(connection.__name__, (connection,), {"allowed": allowed})
    return type(pool.__name__, (pool,), {"ConnectionCls": checked})
