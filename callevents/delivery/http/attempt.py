"""One request on its way: looks up names, takes a connection, sends, and keeps to its time."""

import math
import re
import time
import types
from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, partial
from typing import Any
from urllib.parse import urlsplit

import pycurl

from callevents.config.settings import Settings
from callevents.delivery.http.address_check import AddressRefusedError, check_address
from callevents.delivery.http.error_messages import TOO_LONG, TransferError
from callevents.delivery.http.event_loop import EventLoop
from callevents.delivery.http.handle import Handle
from callevents.delivery.http.pool import HandlePool
from callevents.delivery.http.resolve import Address, needs_resolver, resolve
from callevents.delivery.http.response_head import ResponseHead
from callevents.delivery.http.transfer import Transfer
from callevents.delivery.request.build import Request
from callevents.delivery.request.url import origin_of

Received = tuple[ResponseHead, Transfer]


@dataclass(frozen=True)
class Channel:
    """What attempts share."""

    settings: Settings
    loop: EventLoop
    pool: HandlePool


class Attempt:
    """An attempt, in the event loop's thread. `finish` is called once, with what came of it.

    Its course is a coroutine, which waits for names and for the transfer.
    """

    def __init__(
        self,
        channel: Channel,
        request: Request,
        now: datetime,
        finish: Callable[["Attempt", Received | TransferError], None],
    ) -> None:
        self._settings, self._loop, self._pool = channel.settings, channel.loop, channel.pool
        self._finish = finish
        self._course = self._run(request, now)
        self._give_up_at = time.monotonic() + channel.settings.total_timeout_seconds
        self._connect_by = 0.0
        #: The name that it waits for, and until when.
        self._lookup: object = None
        self._lookup_by = math.inf
        #: What it waits for otherwise.
        self._exchange: tuple[Handle, Transfer] | None = None

    def begin(self) -> None:
        """Begin."""
        self._resume()

    def look(self, now: float) -> None:
        """End the attempt if the receiver is silent, or go on if a name takes too long."""
        if self._exchange is not None:
            handle, transfer = self._exchange
            limit = self._settings.read_timeout_seconds
            if transfer.silence_seconds(handle.count_bytes(), now) > limit:
                self.abort(TransferError(f"No response within {limit:g} seconds."))
        elif now >= self._lookup_by:
            self._answer(self._lookup, None)

    def abort(self, error: TransferError) -> None:
        """End the attempt with this error."""
        self._go_on(partial(self._course.throw, error))

    def _resume(self, value: object = None) -> None:
        self._go_on(partial(self._course.send, value))

    def _go_on(self, run: Callable[[], object]) -> None:
        """Run the course until it waits. Any error that a receiver causes is a result."""
        result: Received | TransferError
        try:
            run()
        except StopIteration as end:
            result = end.value
        except TransferError as error:
            result = error
        except Exception as error:  # noqa: BLE001  # see above
            result = TransferError(f"The request failed: {error}")
        else:
            return
        self._finish(self, result)

    async def _run(self, request: Request, now: datetime) -> Received:
        """Send the request; raises TransferError if there is no response."""
        headers = request.headers_at(now)
        origin, target = _split(request.url)
        if self._settings.proxy_url:
            await self._check_host(origin)
            if origin.startswith("http:"):
                target = request.url.partition("#")[0]
        with self._pool.borrow(origin, request.client_certificate) as handle:
            await self._find_way(handle, origin)
            if (seconds := self._give_up_at - time.monotonic()) <= 0:
                raise TransferError(TOO_LONG)
            transfer = handle.prepare(
                request.method, origin, target, headers, request.body.encode()
            )
            handle.limit(self._connect_by - time.monotonic(), seconds)
            code, text = await self._transfer(handle, transfer)
            if code and not transfer.is_truncated:
                if code == pycurl.E_OPERATION_TIMEDOUT:
                    raise self._explain_delay(transfer)
                raise transfer.error or handle.explain(code, text)
            return transfer.head, transfer

    async def _check_host(self, origin: str) -> None:
        """Raise TransferError if the host is a blocked address or resolves to one here.

        Names that only the proxy can resolve in time are left to the proxy.
        """
        for host, port in await self._look_up(origin) or ():
            try:
                check_address(host, port, self._settings.allowed_networks)
            except AddressRefusedError as error:
                raise TransferError(str(error), is_unreachable=False) from None

    async def _find_way(self, handle: Handle, origin: str) -> None:
        """Look up where to connect to, unless there is a connection."""
        self._connect_by = time.monotonic() + self._settings.connect_timeout_seconds
        if handle.is_connected:
            return
        peer = self._settings.proxy_url or origin
        host, port = _host_and_port(peer)
        if not needs_resolver(host):
            return
        addresses = await self._look_up(peer)
        if addresses is None:
            raise self._explain_delay()
        if not addresses:
            raise handle.explain_missing()
        handle.use_addresses(host, port, addresses)

    async def _look_up(self, origin: str) -> list[Address] | None:
        """Return the addresses of the origin's host, None if it takes longer than connecting may.

        libcurl would resolve names too, but all of them in 20 threads: 10 names whose servers hang
        would delay all others.
        """
        lookup = self._lookup = object()
        limit = time.monotonic() + self._settings.connect_timeout_seconds
        self._lookup_by = min(limit, self._give_up_at)
        host, port = _host_and_port(origin)
        resolve(host, port, lambda found: self._loop.call(partial(self._answer, lookup, found)))
        try:
            found: list[Address] | None = await _wait()
        finally:
            self._lookup, self._lookup_by = None, math.inf
        return found

    def _answer(self, lookup: object, found: list[Address] | None) -> None:
        if lookup is self._lookup:  # Otherwise it took too long.
            self._resume(found)

    async def _transfer(self, handle: Handle, transfer: Transfer) -> tuple[int, str]:
        """Exchange request and response; return libcurl's error code and text."""
        self._exchange = handle, transfer
        self._loop.add(handle.curl, self._resume)
        try:
            ended: tuple[int, str] = await _wait()
        finally:
            self._exchange = None
            self._loop.remove(handle.curl)
        return ended

    def _explain_delay(self, transfer: Transfer | None = None) -> TransferError:
        """Return the error for an attempt that took too long, to connect or in total."""
        is_connected = transfer is not None and transfer.is_connected
        if is_connected or self._give_up_at <= max(self._connect_by, time.monotonic()):
            return TransferError(TOO_LONG)
        limit = self._settings.connect_timeout_seconds
        return TransferError(f"No connection within {limit:g} seconds.")


@types.coroutine
def _wait() -> Generator[None, Any, Any]:
    """Wait until the attempt is resumed; return what with."""
    return (yield)


_URL = re.compile(r"([^:/?#]+://[^/?#]*)([^?#]*)(\?[^#]+)?")

_origin_of = lru_cache(maxsize=4096)(origin_of)


def _split(url: str) -> tuple[str, str]:
    """Return the URL's origin, and the request target: path and query."""
    found = _URL.match(url)
    if found is None:
        raise ValueError("the URL is not valid")
    return _origin_of(found[1]), (found[2] or "/") + (found[3] or "")


def _host_and_port(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    # libcurl's default for proxies.
    return parts.hostname or "", parts.port or 1080
