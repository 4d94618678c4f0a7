"""The HTTP server of one process: accepts connections, and stops when told to."""

import asyncio
import socket
from collections.abc import Callable, Sequence

from callevents.processes.web_server.connection import Application, Connection
from callevents.processes.web_server.connection_limits import Connections, Limits

TRIM_SECONDS = 1
LOG_SECONDS = 60


class HttpServer:
    """Serves an application on listening sockets, in the running event loop."""

    def __init__(self, application: Application, limits: Limits) -> None:
        self._application = application
        self._limits = limits
        self._connections = Connections(limits)
        self._servers: list[asyncio.Server] = []
        self._timers: dict[Callable[[], None], asyncio.TimerHandle] = {}

    async def start(self, sockets: Sequence[socket.socket], backlog: int) -> None:
        """Accept connections from now on."""
        loop = asyncio.get_running_loop()
        for listener in sockets:
            server = await loop.create_server(self._connect, sock=listener, backlog=backlog)
            self._servers.append(server)
        self._repeat(self._connections.trim, TRIM_SECONDS)
        self._repeat(self._connections.log, LOG_SECONDS)

    async def stop(self, seconds: float) -> None:
        """Accept nothing more, and close the connections after the responses in progress.

        Those that take longer than `seconds` are closed too.
        """
        for timer in self._timers.values():
            timer.cancel()
        for server in self._servers:
            server.close()
        until = asyncio.get_running_loop().time() + seconds
        while len(self._connections) and asyncio.get_running_loop().time() < until:
            # Those that were accepted at the last moment, too.
            for connection in self._connections.list():
                connection.stop()
            await asyncio.sleep(0.02)
        for connection in self._connections.list():
            connection.abort()

    def _connect(self) -> Connection:
        return Connection(self._application, self._limits, self._connections)

    def _repeat(self, work: Callable[[], None], seconds: float) -> None:
        work()
        loop = asyncio.get_running_loop()
        self._timers[work] = loop.call_later(seconds, self._repeat, work, seconds)
