"""Makes one attempt: sends a request to an untrusted receiver and says what came of it.

The address is checked when the socket opens; redirects are not followed; connecting, silence and
the whole are limited in time, the answer in size; TLS certificates are verified.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from callevents.config.settings import Settings
from callevents.db.models import utc_now
from callevents.delivery.http.deadline import INTERRUPTED, Watch, Watched
from callevents.delivery.http.error_messages import describe_error, describe_status, is_refusal
from callevents.delivery.http.pool import Pools
from callevents.delivery.request.build import Request
from callevents.delivery.request.masking import find_secrets, is_location, mask_address
from callevents.security.masking import mask_all

Headers = list[list[str]]


@dataclass(frozen=True)
class Response:
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


class HttpClient:
    """Sends requests and keeps connections alive. Safe to use from many threads."""

    def __init__(self, settings: Settings) -> None:
        self._timeouts = (settings.connect_timeout_seconds, settings.read_timeout_seconds)
        self._total_seconds = settings.total_timeout_seconds
        self._pools = Pools(settings)
        self._watch = Watch()

    def send(self, request: Request, now: datetime | None = None) -> Response:
        """Make the request, which starts `now`, and return what came of it; raises nothing."""
        started_at, began = now or utc_now(), time.perf_counter()
        if request.problem:
            return Response(started_at, 0, request.problem)
        deadline = time.monotonic() + self._total_seconds
        watched = self._watch.add(Watched(deadline, self._target(request.url)))
        try:
            found = self._send(request, request.headers_at(started_at), watched)
        except Exception as error:  # noqa: BLE001  # whatever a receiver causes becomes a sentence
            found = {
                "error": self._describe(error, watched),
                "is_silent": watched.reason != INTERRUPTED and not is_refusal(error),
            }
        finally:
            self._watch.remove(watched)
        return Response(started_at, round((time.perf_counter() - began) * 1000), **found)

    def interrupt(self) -> None:
        """End all running attempts at once; they fail with a sentence."""
        self._watch.interrupt()

    def close(self) -> None:
        """Close all connections and stop watching."""
        self._pools.close()
        self._watch.close()

    def _send(
        self, request: Request, headers: Mapping[str, str], watched: Watched
    ) -> dict[str, Any]:
        # What requests and urllib3 add here (parsing the URL again, cookies, queues, guesses about
        # the text) is not wanted, and took more time than all the rest.
        received = self._pools.exchange(
            request.method, request.url, headers, request.body.encode(), watched
        )
        if watched.reason:
            # An answer without a length ends like that too, when it is cut.
            raise ConnectionAbortedError(watched.reason)
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
        """Return what stands in the request's first line: the path and the query.

        To a proxy that makes the request itself, it is the whole URL.
        """
        if self._pools.is_forwarded(url):
            return url
        address, _, query = url.partition("#")[0].partition("?")
        return (urlsplit(address).path or "/") + (f"?{query}" if query else "")

    def _describe(self, error: Exception, watched: Watched) -> str:
        if watched.reason:
            return watched.reason
        return describe_error(error, *self._timeouts)


def _safe_headers(headers: Iterable[tuple[str, str]]) -> Headers:
    safe = [[_printable(name), _printable(value)] for name, value in headers]
    return [[name, mask_address(value) if is_location(name) else value] for name, value in safe]


def _printable(text: str) -> str:
    """Return a header's text without what a database or a page could not take."""
    if text.isascii() and text.isprintable():
        return text[:2000]
    text = text.encode("latin-1", "replace").decode("utf-8", "replace")
    return "".join(c if c.isprintable() else "�" for c in text)[:2000]
