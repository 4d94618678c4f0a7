"""HTTP client for untrusted receivers: sends a request, returns the response or an error.

libcurl speaks HTTP and TLS. The address is checked when the socket opens. Redirects are not
followed. Connecting, silence and the whole attempt have timeouts; the response is limited in size.
"""

import re
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from callevents.config.settings import Settings
from callevents.db.models import utc_now
from callevents.delivery.http.address_check import AddressRefusedError, check_address
from callevents.delivery.http.error_messages import (
    INTERRUPTED,
    TOO_LONG,
    TransferError,
    clean,
    describe_status,
)
from callevents.delivery.http.handle import Handle
from callevents.delivery.http.pool import HandlePool
from callevents.delivery.http.resolve import resolve
from callevents.delivery.request.build import Request
from callevents.delivery.request.masking import find_secrets, is_location, mask_address
from callevents.delivery.request.url import origin_of
from callevents.security.masking import mask_all

Headers = list[list[str]]


@dataclass(frozen=True)
class Response:
    """The result of one attempt. `error` is empty on success, else a sentence."""

    started_at: datetime
    duration_ms: int
    error: str = ""
    status_code: int | None = None
    headers: Headers = field(default_factory=list)
    body: str = ""
    truncated: bool = False
    #: No connection, or no complete response in time; False for addresses that we refuse.
    is_unreachable: bool = False

    @property
    def is_success(self) -> bool:
        """True if the receiver returned 2xx."""
        return not self.error

    @property
    def has_response(self) -> bool:
        """True if the receiver returned an HTTP response, with any status."""
        return self.status_code is not None


class HttpClient:
    """Sends requests and keeps connections alive. Thread-safe."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._interrupted = threading.Event()
        self._pool = HandlePool(lambda: Handle(settings, self._interrupted.is_set))

    def send(self, request: Request, now: datetime | None = None) -> Response:
        """Send the request, started `now`, and return the result; raises nothing."""
        started_at, began = now or utc_now(), time.perf_counter()
        if request.problem:
            return Response(started_at, 0, request.problem)
        try:
            found = self._send(request, request.headers_at(started_at))
        except TransferError as error:
            found = {"error": str(error), "is_unreachable": error.is_unreachable}
        except Exception as error:  # noqa: BLE001  # any error that a receiver causes is a result
            found = {"error": clean(f"The request failed: {error}"), "is_unreachable": True}
        return Response(started_at, round((time.perf_counter() - began) * 1000), **found)

    def interrupt(self) -> None:
        """Abort all running attempts within a second; they fail with the error INTERRUPTED.

        While libcurl resolves a name it does not look: then the time to connect is the limit.
        """
        self._interrupted.set()

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()

    def _send(self, request: Request, headers: Mapping[str, str]) -> dict[str, Any]:
        give_up_at = time.monotonic() + self._settings.total_timeout_seconds
        origin, target = _split(request.url)
        if self._settings.proxy_url:
            self._check_host(origin)
            if origin.startswith("http:"):
                target = request.url.partition("#")[0]
        if self._interrupted.is_set():
            raise TransferError(INTERRUPTED, is_unreachable=False)
        if (seconds := give_up_at - time.monotonic()) <= 0:
            raise TransferError(TOO_LONG)
        with self._pool.borrow(origin) as handle:
            transfer = handle.exchange(
                request.method, origin, target, headers, request.body.encode(), seconds
            )
            head = transfer.head
        location = head.location
        hidden = find_secrets(location) if location else ()

        def mask(text: str) -> str:
            return mask_all(request.mask(text), hidden)

        error = describe_status(head.status_code, mask_address(location))
        return {
            "status_code": head.status_code,
            "headers": [[name, mask(value)] for name, value in _safe_headers(head.headers)],
            "body": mask(transfer.text),
            "truncated": transfer.is_truncated,
            "error": mask(error),
        }

    def _check_host(self, origin: str) -> None:
        """Raise TransferError if the host is a blocked address or resolves to one here.

        Names that only the proxy can resolve in time are left to the proxy.
        """
        parts, settings = urlsplit(origin), self._settings
        seconds = min(settings.connect_timeout_seconds, settings.total_timeout_seconds)
        found = resolve(parts.hostname, parts.port, seconds, self._interrupted.is_set)
        for host, port in found:
            try:
                check_address(host, port, settings.allowed_networks)
            except AddressRefusedError as error:
                raise TransferError(str(error), is_unreachable=False) from None


_URL = re.compile(r"([^:/?#]+://[^/?#]*)([^?#]*)(\?[^#]+)?")

_origin_of = lru_cache(maxsize=4096)(origin_of)


def _split(url: str) -> tuple[str, str]:
    """Return the URL's origin, and the request target: path and query."""
    found = _URL.match(url)
    if found is None:
        raise ValueError("the URL is not valid")
    return _origin_of(found[1]), (found[2] or "/") + (found[3] or "")


def _safe_headers(headers: Iterable[tuple[str, str]]) -> Headers:
    safe = [[_sanitize_header(name), _sanitize_header(value)] for name, value in headers]
    return [[name, mask_address(value) if is_location(name) else value] for name, value in safe]


def _sanitize_header(text: str) -> str:
    """Return a header's name or value with unprintable characters replaced, and shortened."""
    if text.isascii() and text.isprintable():
        return text[:2000]
    text = text.encode("latin-1", "replace").decode("utf-8", "replace")
    return "".join(c if c.isprintable() else "�" for c in text)[:2000]
