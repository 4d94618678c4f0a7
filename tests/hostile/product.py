"""The running product, and measurements of its processes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import NullPool, create_engine

from tests.hostile.wire import Client
from tests.support.commands import Commands
from tests.support.programs import CallEvents

ADMIN = ("admin", "violet-harbour-4711")
VIEWER = ("viewer", "granite-orchard-0815")
#: Receivers listen there; every other address inside is refused.
ALLOWED = "127.0.0.1/32"
SETTINGS = {
    "allowed_networks": ALLOWED,
    "admin_password": ADMIN[1],
    "log_format": "json",
    "connect_timeout_seconds": "1",
    "read_timeout_seconds": "2",
    "total_timeout_seconds": "3",
    # Each delivery is attempted once: a second attempt would hide what became of the first.
    "retry_schedule_seconds": "3600",
    "shutdown_seconds": "1",
}
HEALTH_SECONDS = 10.0


class Product:
    """`python app.py` with two PBXs: attacks report to `target`, the load to `office`."""

    def __init__(self, folder: Path, **settings: str) -> None:
        settings = {**SETTINGS, **settings}
        self._program = CallEvents(folder, **settings)  # type: ignore[arg-type]  # settings are text
        self.port = self._program.port
        self.url = self._program.url
        try:
            self._program.wait_until_ready()
            self.commands = Commands(folder, **settings)
            self.token = self.commands.run("pbx", "add", "Target")["token"]
            self.office_token = self.commands.run("pbx", "add", "Office")["token"]
            add_viewer = ("users", "add", VIEWER[0], "--role", "viewer", "--password", VIEWER[1])
            self.commands.run(*add_viewer)
        except BaseException:
            self._program.end()
            raise
        self._engine = create_engine(self.commands.settings.sqlalchemy_url, poolclass=NullPool)
        self._pids = self._find_pids()

    def close(self) -> None:
        """Stop it."""
        self.commands.close()
        self._program.end()

    def query(self, statement: Any) -> Sequence[Any]:
        """Return the rows of a query to its database."""
        with self._engine.connect() as connection:
            return connection.execute(statement).all()

    def is_healthy(self) -> bool:
        """Return True if /healthz answers on a new connection."""
        try:
            with Client(self.port, timeout=HEALTH_SECONDS) as client:
                return client.ask(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").status == 200
        except OSError:
            return False

    def memory_mb(self) -> float:
        """Return the resident memory of the web server's processes."""
        return sum(float(one.memory_info().rss) for one in self._web()) / 1e6

    def largest_mb(self) -> float:
        """Return the resident memory of the largest of them."""
        return max(float(one.memory_info().rss) for one in self._web()) / 1e6

    def count_descriptors(self) -> int:
        """Return the number of the web server's open descriptors, without files.

        A pool of database connections may open files when more threads work at once.
        """
        return sum(one.num_fds() - len(one.open_files()) for one in self._web())

    def count_traces(self) -> int:
        """Return the number of unexpected errors in the log."""
        return self._program.output.count("Traceback (most recent call last)")

    @property
    def output(self) -> str:
        """What its processes have written."""
        return self._program.output

    def has_restarted(self) -> bool:
        """Return True if one of its processes is not the one that it was."""
        return self._pids != self._find_pids()

    def _web(self) -> list[psutil.Process]:
        web = self._program.get_child("web")
        return [web, *web.children(recursive=True)]

    def _find_pids(self) -> set[int]:
        worker = self._program.get_child("worker")
        return {worker.pid, *(one.pid for one in self._web())}
