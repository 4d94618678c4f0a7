"""Gunicorn's worker process with our HTTP server in it."""

import asyncio
import os
import signal

import uvloop
from gunicorn.workers.base import Worker as GunicornWorker

from callevents.processes.memory import prepare_memory
from callevents.processes.web_server.http_server import HttpServer
from callevents.processes.web_server.server import BACKLOG, GRACEFUL_SECONDS

#: How often the process sends gunicorn its heartbeat, and checks that gunicorn is alive.
NOTIFY_SECONDS = 1


class Worker(GunicornWorker):  # type: ignore[misc]  # gunicorn has no types
    """A process that serves HTTP until a signal stops it."""

    def run(self) -> None:
        """Run the event loop."""
        prepare_memory()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            loop.add_signal_handler(number, stopping.set)
        application = self.wsgi
        server = HttpServer(application, application.limits)
        await server.start(self.sockets, BACKLOG)
        # A signal that arrived earlier has set `alive`.
        while self.alive and not stopping.is_set():
            self._notify()
            await _wait(stopping, NOTIFY_SECONDS)
        await server.stop(GRACEFUL_SECONDS)
        application.close()

    def _notify(self) -> None:
        """Send gunicorn the heartbeat; stop if gunicorn's main process was killed."""
        self.notify()
        if os.getppid() != self.ppid:
            self.log.warning("the main process of the web server is gone; stopping")
            self.alive = False


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return
