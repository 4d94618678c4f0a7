"""HTTP client for untrusted receivers: sends a request, returns the response or an error.

libcurl speaks HTTP and TLS. The address is checked when the socket opens. Redirects are not
followed. Connecting, silence and the whole attempt have timeouts; the response is limited in size.
"""

import queue
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from callevents.config.settings import Settings
from callevents.db.models import utc_now
from callevents.delivery.http.attempt import Attempt, Channel, Received
from callevents.delivery.http.error_messages import (
    INTERRUPTED,
    TransferError,
    clean,
    describe_status,
)
from callevents.delivery.http.event_loop import EventLoop
from callevents.delivery.http.handle import Handle
from callevents.delivery.http.pool import HandlePool
from callevents.delivery.http.response_head import ResponseHead
from callevents.delivery.http.transfer import Transfer
from callevents.delivery.json_pointer import read_values
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
    #: The values of the answer that the request asked to keep, by name; not masked.
    answers: Mapping[str, str] = field(default_factory=dict, repr=False)
    #: True if no later attempt can succeed.
    is_hopeless: bool = False

    @property
    def is_success(self) -> bool:
        """True if the receiver returned 2xx."""
        return not self.error

    @property
    def has_response(self) -> bool:
        """True if the receiver returned an HTTP response, with any status."""
        return self.status_code is not None


class HttpClient:
    """Sends requests in a thread of its own, and keeps connections alive. Thread-safe."""

    def __init__(self, settings: Settings) -> None:
        self._loop = EventLoop(self._look)
        self._channel = Channel(settings, self._loop, HandlePool(lambda: Handle(settings)))
        self._attempts: set[Attempt] = set()
        self._is_interrupted = False

    def call(self, function: Callable[[], None]) -> None:
        """Call the function soon in the client's thread, unless the client is closed."""
        self._loop.call(function)

    def send(self, request: Request) -> Response:
        """Send the request and return the result; raises nothing."""
        answers: queue.SimpleQueue[Response] = queue.SimpleQueue()
        self.start(request, utc_now(), answers.put)
        return answers.get()

    def start(self, request: Request, now: datetime, done: Callable[[Response], None]) -> None:
        """Send the request, started `now`; call `done` with the result in the client's thread."""
        if not self._loop.call(partial(self._begin, request, now, done)):
            done(_respond(request, now, 0, TransferError(INTERRUPTED, is_unreachable=False)))

    def interrupt(self) -> None:
        """Abort all running attempts, and those that begin later, with the error INTERRUPTED."""
        self._loop.call(self._abort_all)

    def close(self) -> None:
        """Abort all attempts, close all connections and stop."""
        self._loop.close(self._end)

    def _begin(self, request: Request, now: datetime, done: Callable[[Response], None]) -> None:
        if request.problem:
            done(Response(now, 0, request.problem, is_hopeless=request.is_hopeless))
            return
        finish = partial(self._finish, request, now, time.perf_counter(), done)
        attempt = Attempt(self._channel, request, now, finish)
        self._attempts.add(attempt)
        if self._is_interrupted:
            attempt.abort(TransferError(INTERRUPTED, is_unreachable=False))
        else:
            attempt.begin()

    def _finish(
        self,
        request: Request,
        now: datetime,
        began: float,
        done: Callable[[Response], None],
        attempt: Attempt,
        result: Received | TransferError,
    ) -> None:
        self._attempts.discard(attempt)
        done(_respond(request, now, round((time.perf_counter() - began) * 1000), result))

    def _look(self) -> bool:
        """End attempts that take too long; return False if there are none."""
        now = time.monotonic()
        for attempt in tuple(self._attempts):
            attempt.look(now)
        return bool(self._attempts)

    def _end(self) -> None:
        self._abort_all()
        self._channel.pool.close()

    def _abort_all(self) -> None:
        self._is_interrupted = True
        for attempt in tuple(self._attempts):
            attempt.abort(TransferError(INTERRUPTED, is_unreachable=False))


def _respond(
    request: Request, now: datetime, milliseconds: int, result: Received | TransferError
) -> Response:
    """Return the result of an attempt, with secrets masked."""
    if isinstance(result, TransferError):
        unreachable = result.is_unreachable
        return Response(now, milliseconds, str(result), is_unreachable=unreachable)
    try:
        return _read(request, now, milliseconds, *result)
    except Exception as error:  # noqa: BLE001  # any error that a receiver causes is a result
        text = clean(f"The request failed: {error}")
        return Response(now, milliseconds, text, is_unreachable=True)


def _read(
    request: Request, now: datetime, milliseconds: int, head: ResponseHead, transfer: Transfer
) -> Response:
    location = head.location
    secrets = [*request.secrets, *(find_secrets(location) if location else ())]

    def mask(text: str) -> str:
        return mask_all(text, secrets)

    error = describe_status(head.status_code, mask_address(location) if location else "")
    keeps = request.answers and not error and not transfer.is_truncated
    return Response(
        now,
        milliseconds,
        mask(error),
        head.status_code,
        [[name, mask(value)] for name, value in _safe_headers(head.headers)],
        mask(transfer.text),
        transfer.is_truncated,
        answers=read_values(transfer.text, request.answers) if keeps else {},
    )


def _safe_headers(headers: Iterable[tuple[str, str]]) -> Headers:
    safe = [[_sanitize_header(name), _sanitize_header(value)] for name, value in headers]
    return [[name, mask_address(value) if is_location(name) else value] for name, value in safe]


def _sanitize_header(text: str) -> str:
    """Return a header's name or value with unprintable characters replaced, and shortened."""
    if text.isascii() and text.isprintable():
        return text[:2000]
    text = text.encode("latin-1", "replace").decode("utf-8", "replace")
    return "".join(c if c.isprintable() else "�" for c in text)[:2000]
