"""The load generator and the receiver, in one process: one clock, one event loop.

Run as `python -m bench.load`. It reads one JSON command per line and prints one JSON result each.
"""

import asyncio
import json
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from math import inf
from operator import itemgetter
from time import perf_counter
from typing import Any, NamedTuple

import uvloop

from bench.events import ASIDE, EVENTS, EXTENSIONS, UNHOOKED
from bench.tally import Tally
from bench.wire import Connection, HangingReceiver, Receiver

#: Stop waiting for arrivals when none has come for this time, or after this time in total.
PATIENCE_SECONDS = 15.0
DRAIN_SECONDS = 60.0
#: The time between two events of a call.
GAP_SECONDS = 0.03

Values = dict[str, Any]


class Event(NamedTuple):
    """An event to report."""

    call: str
    type: str
    extension: str

    @property
    def name(self) -> str:
        """The name for the tally."""
        return f"{self.call}/{self.type}"


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
        """Open the connections to the system's ingest; `target` is a template of an Event."""
        self._address, self._target, self._count = ("127.0.0.1", port), target, connections
        for _ in range(connections):
            self._idle.append(await self._open())
        return {}

    async def flood(self, seconds: float, bound: int) -> Values:
        """Report as fast as responses come, with at most `bound` events outstanding."""
        window = await self._flood(seconds, bound, EVENTS[0])
        found = {"rate": len(self.tally.arrived) / window, "backlog": self.tally.outstanding}
        return found | await self._finish()

    async def ingest(self, seconds: float) -> Values:
        """Report events without a hook as fast as responses come."""
        window = await self._flood(seconds, inf, UNHOOKED)
        found = {"rate": len(self.tally.acknowledged) / window}
        return found | await self._finish(has_arrivals=False)

    async def pace(self, seconds: float, rate: float, aside_rate: float = 0) -> Values:
        """Report `rate` events per second, and `aside_rate` others that are not measured."""
        self._begin()
        await asyncio.gather(
            self._keep_pace(self._evenly(seconds, rate, self._new)),
            self._keep_pace(self._evenly(seconds, aside_rate, self._new_aside)),
        )
        return await self._finish()

    async def calls(self, seconds: float) -> Values:
        """Report calls with all EVENTS, GAP_SECONDS apart: 100 events per second."""
        self._begin()
        schedule = []
        for number in range(int(seconds / GAP_SECONDS)):
            first = self._new()
            # Not all at the same moment: events of different calls are apart too.
            gaps = number + number % len(EVENTS) / len(EVENTS)
            for step, event_type in enumerate(EVENTS):
                event = first._replace(type=event_type)
                schedule.append(((gaps + step) * GAP_SECONDS, event))
        await self._keep_pace(sorted(schedule, key=itemgetter(0)))
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
        self._next, self._on_arrival = self._idle.append, lambda: None
        return self.tally

    async def _flood(self, seconds: float, bound: float, event_type: str) -> float:
        """Report as fast as responses come; return the seconds that it took."""
        tally = self._begin()
        began = perf_counter()
        ends = began + seconds

        def is_allowed() -> bool:
            return tally.outstanding < bound and perf_counter() < ends

        def go_on(connection: Connection) -> None:
            if is_allowed():
                self._report(connection, self._new(event_type))
            else:
                self._idle.append(connection)

        def resume() -> None:
            if self._idle and is_allowed():
                self._report(self._idle.popleft(), self._new(event_type))

        self._next, self._on_arrival = go_on, resume
        for _ in range(len(self._idle)):
            go_on(self._idle.popleft())
        await asyncio.sleep(ends - perf_counter())
        return perf_counter() - began

    def _new(self, event_type: str = EVENTS[0]) -> Event:
        self._number += 1
        extension = EXTENSIONS[self._number % len(EXTENSIONS)]
        return Event(f"{self._round}-{self._number}", event_type, extension)

    def _new_aside(self) -> Event:
        """Return an event of no round, so that it is not counted."""
        self._number += 1
        return Event(f"{ASIDE}-{self._number}", EVENTS[0], ASIDE)

    @staticmethod
    def _evenly(
        seconds: float, rate: float, new: Callable[[], Event]
    ) -> Iterator[tuple[float, Event]]:
        for number in range(int(seconds * rate)):
            yield number / rate, new()

    async def _keep_pace(self, schedule: Iterable[tuple[float, Event]]) -> None:
        """Report each event when its time in seconds has come."""
        began = perf_counter()
        for moment, event in schedule:
            if (wait := began + moment - perf_counter()) > 0:
                await asyncio.sleep(wait)
            while not self._idle:
                await asyncio.sleep(0.001)
            self._report(self._idle.popleft(), event)

    async def _finish(self, *, has_arrivals: bool = True) -> Values:
        """Wait until all accepted events have arrived, then return the results."""
        tally, began = self.tally, perf_counter()
        last, seen = began, -1
        while len(self._idle) < self._count or (has_arrivals and tally.missing()):
            if len(tally.arrived) != seen:
                seen, last = len(tally.arrived), perf_counter()
            now = perf_counter()
            if now - last > PATIENCE_SECONDS or now - began > DRAIN_SECONDS:
                break
            await asyncio.sleep(0.05)
        return {"drain_seconds": perf_counter() - began, **tally.results()}

    def _report(self, connection: Connection, event: Event) -> None:
        self._names[connection] = event.name
        text = self._target.format(event=event.type, extension=event.extension, call=event.call)
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
