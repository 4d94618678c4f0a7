"""Runs the load generator in a process of its own."""

import json
import subprocess
import sys
from types import TracebackType
from typing import IO, Any, cast

import psutil

from tests.support.programs import ROOT

Values = dict[str, Any]


class Load:
    """The load generator's process; each command waits for its result."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.load"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        # Popen's types allow for no pipes.
        self._commands = cast(IO[str], self._process.stdin)
        self._results = cast(IO[str], self._process.stdout)
        ports = self._read()
        self.receiver_url = f"http://127.0.0.1:{ports['receiver']}/"
        self.hanging_url = f"http://127.0.0.1:{ports['hanging']}/"

    def __enter__(self) -> "Load":
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None
    ) -> None:
        self._commands.close()
        self._process.wait()
        self._results.close()

    def connect(self, port: int, target: str, connections: int) -> None:
        """Open connections to a system's ingest."""
        self._do("connect", port=port, target=target, connections=connections)

    def flood(self, seconds: float, bound: int) -> Values:
        """Report as many events as the system can accept and deliver."""
        return self._do("flood", seconds=seconds, bound=bound)

    def ingest(self, seconds: float) -> Values:
        """Report events without a hook as fast as the system accepts them."""
        return self._do("ingest", seconds=seconds)

    def calls(self, seconds: float) -> Values:
        """Report calls with all their events."""
        return self._do("calls", seconds=seconds)

    def pace(self, seconds: float, rate: float, aside_rate: float = 0) -> Values:
        """Report `rate` events per second."""
        return self._do("pace", seconds=seconds, rate=rate, aside_rate=aside_rate)

    def others(self) -> list[psutil.Process]:
        """Return all descendant processes except the load generator."""
        children = psutil.Process().children(recursive=True)
        return [child for child in children if child.pid != self._process.pid]

    def _do(self, command: str, **values: object) -> Values:
        self._commands.write(json.dumps({"do": command, **values}) + "\n")
        self._commands.flush()
        return self._read()

    def _read(self) -> Values:
        line = self._results.readline()
        if not line:
            raise RuntimeError(f"the load generator ended with {self._process.wait()}")
        values: Values = json.loads(line)
        return values
