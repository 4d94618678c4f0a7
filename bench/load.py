"""The load generator and the receiver, in one process: one clock, one event loop.

Run as `python -m bench.load`. It reads one JSON command per line and prints one JSON result each.
"""

import asyncio
import json
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import uvloop

from bench.wire import Connection, HangingReceiver, Receiver

#: Stop waiting for arrivals when none has come for this time, or after this time in total.
PATIENCE_SECONDS = 15.0
DRAIN_SECONDS = 60.0
EXTENSIONS = [str(number) for number in range(101, 121)]
#: The extension whose events go to the receiver that hangs.
ASIDE = "999"

Values = dict[str, Any]


@dataclass
class Tally:
    """Events of the current round: times of acknowledgement and arrival in seconds, by id."""

    acknowledged: dict[str, float] = field(default_factory=dict)
    arrived: dict[str, float] = field(default_factory=dict)
    ingest_seconds: list[float] = field(default_factory=list)
    refused: int = 0
    repeated: int = 0

    @property
    def outstanding(self) -> int:
        """The number of accepted events that have not arrived; some arrive before the response."""
        return max(0, len(self.acknowledged) - len(self.arrived))

    def missing(self) -> int:
        """Return the exact number of accepted events that have not arrived."""
        return len(self.acknowledged.keys() - self.arrived.keys())

    def arrival_seconds(self) -> list[float]:
        """Return the times from acknowledgement to arrival; zero if it arrived before."""
        return [
            max(0.0, self.arrived[event] - moment)
            for event, moment in self.acknowledged.items()
            if event in self.arrived
        ]


def percentiles(seconds: list[float]) -> list[float]:
    """Return p50 and p99 in milliseconds."""
    ordered = sorted(seconds) or [float("nan")]
    last = len(ordered) - 1
    return [ordered[round(last * share)] * 1000 for share in (0.5, 0.99)]


class Load:
    """Reports events to the system under test, and counts the requests that it delivers."""

    def __init__(self) -> None:
        self.tally = Tally()
        #: Late events of an earlier command do not count for the current one.
        self._round = 0
        self._number = 0
        self._address = ("127.0.0.1", 0)
        self._target = ""
        self._names: dict[Connection, str] = {}
        self._idle: deque[Connection] = deque()
        self._count = 0
        #: Called with a connection after its response, and after an arrival.
        self._next: Callable[[Connection], None] = self._idle.append
        self._on_arrival: Callable[[], None] = lambda: None

    async def connect(self, port: int, target: str, connections: int) -> Values:
        """Open the connections to the system's ingest; `target` has {extension} and {id}."""
        self._address, self._target, self._count = ("127.0.0.1", port), target, connections
        for _ in range(connections):
            self._idle.append(await self._open())
        return {}

    async def flood(self, seconds: float, bound: int) -> Values:
        """Report as fast as responses come, with at most `bound` events outstanding."""
        tally = self._begin()
        began = perf_counter()
        ends = began + seconds

        def is_allowed() -> bool:
            return tally.outstanding < bound and perf_counter() < ends

        def go_on(connection: Connection) -> None:
            if is_allowed():
                self._report(connection, EXTENSIONS)
            else:
                self._idle.append(connection)

        def resume() -> None:
            if self._idle and is_allowed():
                self._report(self._idle.popleft(), EXTENSIONS)

        self._next, self._on_arrival = go_on, resume
        for _ in range(len(self._idle)):
            go_on(self._idle.popleft())
        await asyncio.sleep(ends - perf_counter())
        window = perf_counter() - began
        found = {"rate": len(tally.arrived) / window, "backlog": tally.outstanding}
        return found | await self._finish()

    async def pace(self, seconds: float, rate: float, aside_rate: float = 0) -> Values:
        """Report `rate` events per second, and `aside_rate` others that are not measured."""
        self._begin()
        self._next, self._on_arrival = self._idle.append, lambda: None
        jobs = [self._keep_pace(seconds, rate, EXTENSIONS)]
        if aside_rate:
            jobs.append(self._keep_pace(seconds, aside_rate, [ASIDE]))
        await asyncio.gather(*jobs)
        return await self._finish()

    def arrived(self, name: str, moment: float) -> None:
        """Count an arrival at the receiver."""
        if not name.startswith(f"{self._round}-"):
            return
        if name in self.tally.arrived:
            self.tally.repeated += 1
        else:
            self.tally.arrived[name] = moment
            self._on_arrival()

    def _begin(self) -> Tally:
        self._round += 1
        self.tally = Tally()
        return self.tally

    async def _keep_pace(self, seconds: float, rate: float, extensions: list[str]) -> None:
        began = perf_counter()
        for number in range(int(seconds * rate)):
            if (wait := began + number / rate - perf_counter()) > 0:
                await asyncio.sleep(wait)
            while not self._idle:
                await asyncio.sleep(0.001)
            self._report(self._idle.popleft(), extensions)

    async def _finish(self) -> Values:
        """Wait until all accepted events have arrived, then return the results."""
        tally, began = self.tally, perf_counter()
        last, seen = began, -1
        while len(self._idle) < self._count or tally.missing():
            if len(tally.arrived) != seen:
                seen, last = len(tally.arrived), perf_counter()
            now = perf_counter()
            if now - last > PATIENCE_SECONDS or now - began > DRAIN_SECONDS:
                break
            await asyncio.sleep(0.05)
        return {
            "accepted": len(tally.acknowledged),
            "refused": tally.refused,
            "repeated": tally.repeated,
            "missing": tally.missing(),
            "drain_seconds": perf_counter() - began,
            "ingest_ms": percentiles(tally.ingest_seconds),
            "arrival_ms": percentiles(tally.arrival_seconds()),
        }

    def _report(self, connection: Connection, extensions: list[str]) -> None:
        self._number += 1
        extension = extensions[self._number % len(extensions)]
        # Events reported aside have a name of no round, so that they are not counted.
        name = f"{ASIDE if extension == ASIDE else self._round}-{self._number}"
        self._names[connection] = name
        text = self._target.format(extension=extension, id=name)
        connection.send(f"GET {text} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())

    def _answered(self, connection: Connection, status: int, seconds: float) -> None:
        name = self._names.pop(connection)
        if name.startswith(f"{self._round}-"):
            if 200 <= status < 300:
                self.tally.acknowledged[name] = perf_counter()
                self.tally.ingest_seconds.append(seconds)
            else:
                self.tally.refused += 1
        if connection.is_open:
            self._next(connection)
        else:
            self._replacing = asyncio.create_task(self._replace())

    async def _replace(self) -> None:
        """Replace a connection that the system has closed."""
        self._next(await self._open())

    async def _open(self) -> Connection:
        loop = asyncio.get_running_loop()
        while True:
            try:
                made = await loop.create_connection(
                    lambda: Connection(self._answered), *self._address
                )
            except OSError:
                await asyncio.sleep(0.1)
            else:
                return made[1]


async def main() -> None:
    """Execute the commands from standard input."""
    load, loop = Load(), asyncio.get_running_loop()
    receiver = await loop.create_server(lambda: Receiver(load.arrived), "127.0.0.1", 0)
    hanging = await loop.create_server(HangingReceiver, "127.0.0.1", 0)
    ports = [server.sockets[0].getsockname()[1] for server in (receiver, hanging)]
    _print({"receiver": ports[0], "hanging": ports[1]})
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        command = json.loads(line)
        _print(await getattr(load, command.pop("do"))(**command))


def _print(values: Values) -> None:
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(main())
