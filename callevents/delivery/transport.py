"""Makes one attempt: sends a request to an untrusted receiver and says what came of it.

The address is checked when the socket opens; redirects are not followed; connecting, silence and
the whole are limited in time, the answer in size; TLS certificates are verified.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from requests.adapters import DEFAULT_CA_BUNDLE_PATH, HTTPAdapter
from urllib3 import BaseHTTPResponse, HTTPConnectionPool, HTTPSConnectionPool, PoolManager, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util.connection import create_connection

from callevents.config import Network, Settings
from callevents.delivery.addresses import AddressRefusedError, check_address
from callevents.delivery.request import Request
from callevents.delivery.sentences import describe_error, describe_status, is_refusal
from callevents.delivery.whole_head import WholeHeadResponse
from callevents.models import utc_now

MAX_RESPONSE_BYTES = 64 * 1024
CHUNK_BYTES = 16 * 1024
MAX_RESPONSE_HEADERS = 100
WATCH_SECONDS = 0.1
#: Idle connections are kept for so many origins, as many for each as may have attempts in flight;
#: others are closed after use, because descriptors are not endless.
KEPT_ORIGINS = 32
TOO_LONG = "The attempt as a whole took too long and was ended."
INTERRUPTED = "The worker stopped during this attempt."

Headers = list[list[str]]


@dataclass(frozen=True)
class Answer:
    """What came of one attempt. `error` is empty on success, else a sentence."""

    started_at: datetime
    duration_ms: int
    error: str = ""
    status_code: int | None = None
    headers: Headers = field(default_factory=list)
    body: str = ""
    truncated: bool = False
    #: There was no connection, or no whole answer in time; not for addresses that are refused.
    is_silent: bool = False

    @property
    def is_success(self) -> bool:
        """Whether the receiver took the delivery: any 2xx."""
        return not self.error

    @property
    def is_answered(self) -> bool:
        """Whether the receiver has answered, whatever it said."""
        return self.status_code is not None


class Transport:
    """Sends requests and keeps connections alive. Safe to use from many threads."""

    def __init__(self, settings: Settings) -> None:
        self._timeouts = (settings.connect_timeout_seconds, settings.read_timeout_seconds)
        self._timeout = Timeout(connect=self._timeouts[0], read=self._timeouts[1])
        self._total_seconds = settings.total_timeout_seconds
        self._adapter = _GuardedAdapter(settings)
        self._watch = _Watch()

    def send(self, request: Request) -> Answer:
        """Make the request and return what came of it; raises nothing."""
        started_at, began = utc_now(), time.perf_counter()
        if request.problem:
            return Answer(started_at, 0, request.problem)
        deadline = time.monotonic() + self._total_seconds
        watched = self._watch.add(_Watched(deadline, _target(request.url)))
        try:
            found = self._send(request, request.headers_at(started_at), watched)
        except Exception as error:  # noqa: BLE001  # whatever a receiver causes becomes a sentence
            found = {
                "error": self._describe(error, watched),
                "is_silent": watched.reason != INTERRUPTED and not is_refusal(error),
            }
        finally:
            self._watch.remove(watched)
        return Answer(started_at, round((time.perf_counter() - began) * 1000), **found)

    def interrupt(self) -> None:
        """End all running attempts at once; they fail with a sentence."""
        self._watch.interrupt()

    def close(self) -> None:
        """Close all connections and stop watching."""
        self._adapter.close()
        self._watch.close()

    def _send(
        self, request: Request, headers: Mapping[str, str], watched: "_Watched"
    ) -> dict[str, Any]:
        # What requests adds to urllib3 here (parsing the URL again, cookies, guesses about the
        # text) is not wanted, and took as long as all the rest.
        response = self._adapter.pool_of(request.url).urlopen(
            str(request.method),
            "/",  # The connection puts the attempt's own target in its place.
            body=request.body.encode() or None,
            headers=headers,
            retries=False,
            redirect=False,
            assert_same_host=False,
            timeout=self._timeout,
            preload_content=False,
            decode_content=False,
        )
        try:
            body, truncated = _read_body(response)
        finally:
            # Closes the connection only if something of the answer is left unread.
            response.close()
            response.release_conn()
        if watched.reason:
            # An answer without a length ends like that too, when it is cut.
            raise ConnectionAbortedError(watched.reason)
        return {
            "status_code": response.status,
            "headers": _safe_headers(response),
            "body": body,
            "truncated": truncated,
            "error": describe_status(response.status, response.headers.get("Location", "")),
        }

    def _describe(self, error: Exception, watched: "_Watched") -> str:
        if watched.reason:
            return watched.reason
        return describe_error(error, *self._timeouts)


def _target(url: str) -> str:
    """Return what stands in the request's first line: the path and the query."""
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _read_body(response: BaseHTTPResponse) -> tuple[str, bool]:
    """Return the answer's text up to MAX_RESPONSE_BYTES, and whether there was more."""
    chunks: list[bytes] = []
    size = 0
    # read1 returns what has arrived; read would wait for a whole chunk.
    while size <= MAX_RESPONSE_BYTES and (chunk := response.read1(CHUNK_BYTES)):
        chunks.append(chunk)
        size += len(chunk)
    truncated = size > MAX_RESPONSE_BYTES
    if truncated:
        # What is left unread would be taken for the next answer.
        response.close()
    text = b"".join(chunks)[:MAX_RESPONSE_BYTES].decode("utf-8", "replace")
    return text.replace("\x00", "�"), truncated


def _safe_headers(response: BaseHTTPResponse) -> Headers:
    items = list(response.headers.items())[:MAX_RESPONSE_HEADERS]
    return [[_printable(name), _printable(value)] for name, value in items]


def _printable(text: str) -> str:
    """Return a header's text without what a database or a page could not take."""
    text = text.encode("latin-1", "replace").decode("utf-8", "replace")
    return "".join(c if c.isprintable() else "�" for c in text)[:2000]


@dataclass(eq=False)
class _Watched:
    """A running attempt. `reason` says why it was cut, if it was."""

    deadline: float
    target: str
    #: The connection forgets its socket when an answer is to end with it, so it is kept here.
    sock: socket.socket | None = None
    reason: str = ""


class _Watch:
    """Cuts attempts that take too long as a whole, however they manage to.

    Socket time-outs limit each silence only: a receiver that sends a byte now and then never
    runs into them.
    """

    def __init__(self) -> None:
        self._running: set[_Watched] = set()
        self._lock = threading.Lock()
        self._interrupted = False
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()

    def add(self, watched: _Watched) -> _Watched:
        """Begin to watch the calling thread's attempt."""
        _current.watched = watched
        with self._lock:
            self._running.add(watched)
        return watched

    def remove(self, watched: _Watched) -> None:
        """Stop watching the attempt."""
        _current.watched = None
        with self._lock:
            self._running.discard(watched)

    def interrupt(self) -> None:
        """Cut all running attempts, and those that begin later."""
        self._interrupted = True

    def close(self) -> None:
        """Stop the thread."""
        self._closed.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closed.wait(WATCH_SECONDS):
            now = time.monotonic()
            with self._lock:
                for watched in self._running:
                    if self._interrupted:
                        _cut(watched, INTERRUPTED)
                    elif watched.deadline <= now:
                        _cut(watched, TOO_LONG)


_current = threading.local()


def _cut(watched: _Watched, reason: str) -> None:
    watched.reason = watched.reason or reason
    if watched.sock is not None:
        # The plain socket's method: TLS's own would change what the reading thread uses. It
        # fails if the socket was closed already.
        with contextlib.suppress(OSError):
            socket.socket.shutdown(watched.sock, socket.SHUT_RDWR)


class _Guarded:
    """What both kinds of connection do differently: check the address, be known to the watch."""

    allowed: Iterable[Network] = ()
    response_class: Any = WholeHeadResponse

    def _new_conn(self: Any) -> socket.socket:
        return _open_socket(self)

    def connect(self: Any) -> None:
        try:
            super().connect()  # type: ignore[misc]  # HTTPConnection's
        except TimeoutError as error:
            # TLS's handshake belongs to it: urllib3 would call its time-out one of reading.
            raise ConnectTimeoutError(self, "no connection in time") from error
        self._show_to_watch()

    def putrequest(self: Any, method: str, url: str, *args: Any, **kwargs: Any) -> None:
        # The first thing that happens on a connection for a new request, old or new.
        self._show_to_watch()
        if (watched := _watched()) is not None:
            # urllib3 writes escapes its own way, which a signed query would not survive.
            url = watched.target
        super().putrequest(method, url, *args, **kwargs)  # type: ignore[misc]  # HTTPConnection's

    def _show_to_watch(self: Any) -> None:
        if (watched := _watched()) is not None:
            watched.sock = self.sock
            _refuse_late(watched)


def _watched() -> _Watched | None:
    """Return the calling thread's attempt."""
    return getattr(_current, "watched", None)


def _refuse_late(watched: _Watched) -> None:
    """Raise if the attempt's time was up before there was a socket to cut."""
    if time.monotonic() >= watched.deadline:
        watched.reason = watched.reason or TOO_LONG
    if watched.reason:
        raise ConnectionAbortedError(watched.reason)


def _open_socket(connection: HTTPConnection) -> socket.socket:
    """Connect to the first of the host's addresses that is allowed and answers."""
    host, port = connection._dns_host, connection.port  # noqa: SLF001  # what urllib3 itself resolves
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise NameResolutionError(host, connection, socket.gaierror(str(error))) from error
    addresses = list(dict.fromkeys(str(info[4][0]) for info in found))
    refusal: AddressRefusedError | None = None
    failure: OSError | None = None
    for address in addresses:
        if (watched := _watched()) is not None:
            _refuse_late(watched)
        try:
            check_address(address, connection.allowed)  # type: ignore[attr-defined]  # _Guarded's
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


def _connect(connection: HTTPConnection, address: str) -> socket.socket:
    return create_connection(
        (address, connection.port),
        connection.timeout,
        socket_options=connection.socket_options,
    )


class _GuardedHTTPConnection(_Guarded, HTTPConnection):
    pass


class _GuardedHTTPSConnection(_Guarded, HTTPSConnection):
    pass


class _GuardedAdapter(HTTPAdapter):
    """An adapter whose connections check their addresses; it knows no proxies and no retries."""

    def __init__(self, settings: Settings) -> None:
        self._allowed = settings.allowed_networks
        self._trust = {
            "cert_reqs": "CERT_REQUIRED",
            "ca_certs": str(settings.ca_bundle or DEFAULT_CA_BUNDLE_PATH),
        }
        super().__init__(
            pool_connections=KEPT_ORIGINS, pool_maxsize=settings.origin_in_flight, max_retries=0
        )

    def pool_of(self, url: str) -> HTTPConnectionPool:
        """Return the connections to the URL's origin."""
        parts = urlsplit(url)
        pools: PoolManager = self.poolmanager
        return pools.connection_from_host(parts.hostname, parts.port, parts.scheme)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pool manager with guarded connections, whose certificates are verified."""
        super().init_poolmanager(*args, **(kwargs | self._trust))
        self.poolmanager.pool_classes_by_scheme = {
            "http": _guarded_pool(HTTPConnectionPool, _GuardedHTTPConnection, self._allowed),
            "https": _guarded_pool(HTTPSConnectionPool, _GuardedHTTPSConnection, self._allowed),
        }


def _guarded_pool(
    pool: type[Any], connection: type[Any], allowed: tuple[Network, ...]
) -> type[Any]:
    guarded = type(connection.__name__, (connection,), {"allowed": allowed})
    return type(pool.__name__, (pool,), {"ConnectionCls": guarded})
