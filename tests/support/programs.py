"""Runs Call Events as its users do, and reads its output and the list of its processes."""

import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

import psutil
import requests

from tests.support.ports import find_free_port
from tests.support.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
#: Generous, because the machine may be busy with other tests.
DEADLINE_SECONDS = 60.0


def clean_environment(**settings: str) -> dict[str, str]:
    """Return this process's environment with these settings of Call Events and no others."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CALLEVENTS_")}
    return environment | {f"CALLEVENTS_{name.upper()}": v for name, v in settings.items()}


class Program:
    """A running program whose output is read while it runs."""

    def __init__(
        self, *command: str, cwd: Path, launcher: Sequence[str] = (), **settings: str
    ) -> None:
        """Start Python with these arguments; `launcher` is a command that ends in becoming it."""
        self.process = subprocess.Popen(
            [*launcher, sys.executable, *command],
            cwd=cwd,
            env=clean_environment(**settings),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # So that a test can send Ctrl-C to the whole group, as a terminal does.
            process_group=0,
        )
        self.stdout: list[str] = []
        self.stderr: list[str] = []
        self._new: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._readers = [
            threading.Thread(target=self._read, args=(pipe, lines), daemon=True)
            for pipe, lines in (
                (self.process.stdout, self.stdout),
                (self.process.stderr, self.stderr),
            )
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, pipe: IO[str], lines: list[str]) -> None:
        for line in pipe:
            lines.append(line.rstrip("\n"))
            self._new.put(lines[-1])
        self._new.put(None)

    @property
    def output(self) -> str:
        """Its whole output."""
        return "\n".join(self.stdout + self.stderr)

    def wait_for_line(self, pattern: str) -> re.Match[str]:
        """Return the match of the first line still to come that matches."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while True:
            try:
                line = self._new.get(timeout=max(deadline - time.monotonic(), 0))
            except queue.Empty:
                raise AssertionError(f"no line {pattern!r} in:\n{self.output}") from None
            if line is None and self.process.poll() is not None:
                raise AssertionError(f"it ended without a line {pattern!r}:\n{self.output}")
            if found := re.search(pattern, line or ""):
                return found

    def wait(self) -> int:
        """Return the exit code."""
        code = self.process.wait(DEADLINE_SECONDS)
        for reader in self._readers:
            reader.join(DEADLINE_SECONDS)
        return code

    def family(self) -> list[psutil.Process]:
        """Return its child processes, including indirect ones."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def end(self) -> None:
        """Kill it with all its children, in any state."""
        if self.process.poll() is None:
            family = self.family()
            self.process.terminate()
            try:
                self.process.wait(DEADLINE_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
            for process in family:
                if process.is_running():
                    process.kill()
        self.wait()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe:
                pipe.close()


class CallEvents(Program):
    """`python app.py` in a separate data folder and on a free port."""

    #: Name and password of the first admin, where a test has waited for them.
    admin: tuple[str, str]

    def __init__(
        self,
        data_dir: Path,
        *,
        cwd: Path | None = None,
        launcher: Sequence[str] = (),
        **settings: str,
    ) -> None:
        # Most tests need no listener, and each process takes a second of work to start.
        settings.setdefault("listeners", "0")
        self.port = int(settings.setdefault("port", str(find_free_port())))
        self.url = f"http://127.0.0.1:{self.port}"
        self.data_dir = data_dir
        command = str(ROOT / "app.py")
        super().__init__(
            command,
            cwd=cwd or data_dir,
            launcher=launcher,
            data_dir=str(data_dir),
            **settings,
        )

    def wait_for_admin(self) -> tuple[str, str]:
        """Wait for the first admin; return name and password."""
        username = self.wait_for_line("^Username: (.+)$")[1]
        return username, self.wait_for_line("^Password: (.+)$")[1]

    def wait_until_ready(self) -> None:
        """Wait for the line that says that it is ready."""
        self.wait_for_line(f"^Call Events is ready at {re.escape(self.url)}$")

    def readyz(self) -> requests.Response:
        """Ask whether it is ready."""
        return requests.get(f"{self.url}/readyz", timeout=DEADLINE_SECONDS)

    def is_ready(self) -> bool:
        """Return True if it responds that it is ready."""
        try:
            return self.readyz().status_code == 200
        except requests.RequestException:
            return False

    def find_child(self, name: str) -> psutil.Process | None:
        """Return its process `web`, `worker` or `valkey-server`, None if there is none."""
        for child in psutil.Process(self.process.pid).children():
            with suppress(psutil.NoSuchProcess):
                if child.name().partition(" ")[0] == name:
                    return child
        return None

    def get_child(self, name: str) -> psutil.Process:
        """Return that process; wait until it exists."""
        wait_until(lambda: self.find_child(name), f"a process {name}")
        found = self.find_child(name)
        assert found is not None
        return found

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send it the signal; return the exit code."""
        self.process.send_signal(number)
        return self.wait()
