"""HTTP client for untrusted receivers: sends a request, returns the response or an error.

The address is checked when the socket opens. Redirects are not followed. Connecting, reading and
the whole attempt have timeouts; the response is limited in size. TLS certificates are verified.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from callevents.config.settings import Settings
from callevents.db.models import utc_now
from callevents.delivery.http.deadline import INTERRUPTED, DeadlineMonitor, RunningAttempt
from callevents.delivery.http.error_messages import (
    describe_error,
    describe_status,
    is_address_refused,
)
from callevents.delivery.http.pool import Pools
from callevents.delivery.request.build import Request
from callevents.delivery.request.masking import find_secrets, is_location, mask_address
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
        self._timeouts = (settings.connect_timeout_seconds, settings.read_timeout_seconds)
        self._total_seconds = settings.total_timeout_seconds
        self._pools = Pools(settings)
        self._deadlines = DeadlineMonitor()

    def send(self, request: Request, now: datetime | None = None) -> Response:
        """Send the request, started `now`, and return the result; raises nothing."""
        started_at, began = now or utc_now(), time.perf_counter()
        if request.problem:
            return Response(started_at, 0, request.problem)
        deadline = time.monotonic() + self._total_seconds
        attempt = self._deadlines.add(RunningAttempt(deadline, self._target(request.url)))
        try:
            found = self._send(request, request.headers_at(started_at), attempt)
        except Exception as error:  # noqa: BLE001  # any error that a receiver causes is a result
            found = {
                "error": self._describe(error, attempt),
                "is_unreachable": attempt.reason != INTERRUPTED and not is_address_refused(error),
            }
        finally:
            self._deadlines.remove(attempt)
        return Response(started_at, round((time.perf_counter() - began) * 1000), **found)

    def interrupt(self) -> None:
        """Abort all running attempts; they fail with the error INTERRUPTED."""
        self._deadlines.interrupt()

    def close(self) -> None:
        """Close all connections and stop the deadline monitor."""
        self._pools.close()
        self._deadlines.close()

    def _send(
        self, request: Request, headers: Mapping[str, str], attempt: RunningAttempt
    ) -> dict[str, Any]:
        # Not with requests and urllib3: they parse the URL again, handle cookies and guess the
        # encoding, none of which is needed, and took more time than everything else.
        received = self._pools.exchange(
            request.method, request.url, headers, request.body.encode(), attempt
        )
        if attempt.reason:
            # An aborted response without a length looks complete.
            raise ConnectionAbortedError(attempt.reason)
        location = received.location
        hidden = find_secrets(location) if location else ()

        def mask(text: str) -> str:
            return mask_all(request.mask(text), hidden)

        error = describe_status(received.status_code, mask_address(location))
        return {
            "status_code": received.status_code,
            "headers": [[name, mask(value)] for name, value in _safe_headers(received.headers)],
            "body": mask(received.text),
            "truncated": received.truncated,
            "error": mask(error),
        }

    def _target(self, url: str) -> str:
        """Return the request target: path and query, or the whole URL for a forwarding proxy."""
        if self._pools.is_forwarded(url):
            return url
        address, _, query = url.partition("#")[0].partition("?")
        return (urlsplit(address).path or "/") + (f"?{query}" if query else "")

    def _describe(self, error: Exception, attempt: RunningAttempt) -> str:
        if attempt.reason:
            return attempt.reason
        return describe_error(error, *self._timeouts)


def _safe_headers(headers: Iterable[tuple[str, str]]) -> Headers:
    safe = [[_sanitize_header(name), _sanitize_header(value)] for name, value in headers]
    return [[name, mask_address(value) if is_location(name) else value] for name, value in safe]


def _sanitize_header(text: str) -> str:
    """Return a header's name or value with unprintable characters replaced, and shortened."""
    if text.isascii() and text.isprintable():
        return text[:2000]
    text = text.encode("latin-1", "replace").decode("utf-8", "replace")
    return "".join(c if c.isprintable() else "�" for c in text)[:2000]
