"""A running product with faults to inject. one_machine.py and apart.py start it."""

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import psutil

from tests.faults.handover import Fault, HandOver
from tests.faults.outbox import Outbox
from tests.support.commands import Commands
from tests.support.programs import Program

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
    hand_over: HandOver

    def __init__(self, folder: Path, launcher: Sequence[str] = ()) -> None: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def mend(self) -> None: ...
    def close(self) -> None: ...
    def count_traces(self) -> int: ...
    @property
    def output(self) -> str: ...


class Breakable:
    """Base of both systems."""

    outbox: Outbox
    _earlier: Sequence[Program]

    def _signal(self, kind: str, number: int) -> set[str]:
        """Send the signal to the process of that kind that has run longest, and to its children.

        A killed one is dead when this returns.
        """
        if found := self.find(kind):
            oldest = min(found, key=lambda process: process.create_time())
            os.killpg(oldest.pid, number)
            if number == signal.SIGKILL:
                psutil.wait_procs([oldest], timeout=READY_SECONDS)
        return set()

    def find(self, kind: str) -> Sequence[psutil.Process]:
        """Return the running processes of that kind."""
        raise NotImplementedError

    def _kill_worker(self) -> set[str]:
        self._signal("worker", signal.SIGKILL)
        return self.outbox.find_claimed()

    def _freeze_worker(self) -> set[str]:
        """Suspend a worker for longer than its lease, as when a machine sleeps, and resume it.

        Others may have made its deliveries meanwhile, and it may still be about to.
        """
        found = self.find("worker")
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
