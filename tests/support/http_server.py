"""The web server's event loop in a thread."""

import asyncio
import socket
import threading

import uvloop

from callevents.processes.web_server.connection import Application
from callevents.processes.web_server.connection_limits import Limits
from callevents.processes.web_server.http_server import HttpServer
from callevents.processes.web_server.server import BACKLOG
from tests.support.waiting import wait_until


class ServerThread:
    """Serves an application on a free port of the loopback address."""

    def __init__(self, application: Application, limits: Limits) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._server = HttpServer(application, limits)
        self._stopping = asyncio.Event()
        self._loop = uvloop.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        wait_until(self._started.is_set, "the server's start")

    @property
    def connections(self) -> int:
        """The number of connections."""
        return len(self._server._connections)

    def close(self) -> None:
        """Stop the server."""
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        await self._server.start([self._listener], BACKLOG)
        self._started.set()
        await self._stopping.wait()
        await self._server.stop(seconds=5)
