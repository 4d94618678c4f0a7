"""The product as on one machine: everything is started by one command."""

import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from tests.faults.handover import WORKERS, Fault, HandOver
from tests.faults.outbox import Outbox
from tests.faults.systems import READY_SECONDS, SETTINGS, Breakable
from tests.support.commands import Commands
from tests.support.ports import find_free_port
from tests.support.programs import CallEvents


class OneMachine(Breakable):
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
        self.hand_over = HandOver(self)
        self.faults |= self.hand_over.faults

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        self._program = CallEvents(
            self._folder, cwd=self._folder, launcher=self._launcher, **self._settings
        )
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

    def find(self, kind: str) -> list[psutil.Process]:
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
