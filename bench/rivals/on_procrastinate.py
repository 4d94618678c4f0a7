"""An ASGI application and Procrastinate, one job for each request."""

import os
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl

import aiohttp
import procrastinate

Message = dict[str, Any]

tasks = procrastinate.App(
    connector=procrastinate.PsycopgConnector(
        conninfo=os.environ["BENCH_POSTGRES"], max_size=int(os.environ["BENCH_CONNECTIONS"])
    )
)
#: The worker's connections to the receiver, opened with the first request.
_sessions: list[aiohttp.ClientSession] = []


async def app(
    scope: Message,
    receive: Callable[[], Awaitable[Message]],
    send: Callable[[Message], Awaitable[None]],
) -> None:
    """Accept an event: /ingest?..., or return 200 for /ready."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
        return
    status = 200
    if scope["path"] == "/ingest":
        await deliver.defer_async(fields=dict(parse_qsl(scope["query_string"].decode())))
        status = 202
    await send({"type": "http.response.start", "status": status, "headers": [_LENGTH]})
    await send({"type": "http.response.body", "body": b"ok"})


_LENGTH = (b"content-length", b"2")


async def _live(
    receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """Keep the connections to PostgreSQL open from start to end."""
    await receive()
    async with tasks.open_async():
        await send({"type": "lifespan.startup.complete"})
        await receive()
    await send({"type": "lifespan.shutdown.complete"})


@tasks.task
async def deliver(fields: dict[str, str]) -> None:
    """Make the request: the task."""
    if not _sessions:
        _sessions.append(aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)))
    url = os.environ["BENCH_RECEIVER"]
    async with _sessions[0].get(url, params=fields) as response:
        await response.read()
        response.raise_for_status()
