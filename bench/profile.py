"""Where the CPU time goes at full load: by process, and by function of web server and worker."""

import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import click
import psutil

from bench.driver import Load
from bench.options import Options
from bench.systems import choose_ours
from bench.systems.ours import OnSqlite
from bench.table import print_table
from bench.throughput import BOUND, WARM_UP_SECONDS

#: Samples a second. With more of them, the profiler takes too much of the machine itself.
RATE = 250
SHOWN = 20
PY_SPY = str(Path(sys.executable).with_name("py-spy"))

#: Processes, by what stacks in them contain.
NAMES = {
    "web server": ("processes/web_server", "GroupCommit"),
    "worker": ("processes/worker", "delivery/"),
}

Times = dict[str, tuple[float, float]]


@dataclass(frozen=True)
class Sample:
    """A stack that held the GIL, outermost function first, and how often it was found."""

    process: str
    stack: tuple[str, ...]
    count: int


def run(options: Options) -> None:
    """Profile each database once; print the processes, and the functions that take most time.

    A first run measures the processes, a second one samples stacks, since sampling costs time too.
    Functions are counted while they hold the GIL: waiting, and what databases and libcurl do
    outside of it, is not.
    """
    for kind in choose_ours(options.systems):
        with _loaded(kind, options.connections) as (load, system):
            before = _times(load, system)
            events = load.flood(options.seconds, BOUND)["accepted"]
            spent = _times(load, system)
            click.echo(f"{kind.title}: CPU s per 1,000 events")
            print_table(("process", "user", "system"), _process_rows(before, spent, events))
            samples = list(_sample(load, system, options.seconds))
        for process in sorted({sample.process for sample in samples}):
            own = [sample for sample in samples if sample.process == process]
            count = sum(sample.count for sample in own)
            click.echo(f"{kind.title}, {process}: {count} samples that held the GIL")
            print_table(("function", "own time", "with callees"), _rows(own))


@contextmanager
def _loaded(kind: type[OnSqlite], connections: int) -> Iterator[tuple[Load, OnSqlite]]:
    """Start the system and warm it up."""
    with (
        tempfile.TemporaryDirectory(prefix="callevents-bench-") as folder,
        Load() as load,
        kind(Path(folder), load.receiver_url) as system,
    ):
        load.connect(system.port, system.target, connections)
        load.flood(WARM_UP_SECONDS, connections)
        yield load, system


def _times(load: Load, system: OnSqlite) -> Times:
    """Return user and system time in seconds by name of process, with that of ended children."""
    found: dict[tuple[str, int], float] = defaultdict(float)
    for process in [*load.others(), *system.more_processes()]:
        with suppress(psutil.NoSuchProcess):
            name, times = process.name(), process.cpu_times()
            found[name, 0] += times.user + times.children_user
            found[name, 1] += times.system + times.children_system
    return {name: (found[name, 0], found[name, 1]) for name, _ in found}


def _process_rows(before: Times, after: Times, events: int) -> list[list[str]]:
    return [
        [
            name,
            *(
                f"{(spent - before.get(name, (0, 0))[i]) * 1000 / events:.3f}"
                for i, spent in enumerate(times)
            ),
        ]
        for name, times in sorted(after.items())
    ]


def _sample(load: Load, system: OnSqlite, seconds: float) -> Iterator[Sample]:
    with tempfile.NamedTemporaryFile() as written:
        what = ["record", "--subprocesses", "--gil", "--format", "raw", "--function"]
        limits = ["--rate", str(RATE), "--duration", str(int(seconds)), "--output", written.name]
        profiler = subprocess.Popen(
            [PY_SPY, *what, *limits, "--pid", str(system.main_pid)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        load.flood(seconds + 2, BOUND)
        said, _ = profiler.communicate()
        if profiler.returncode:
            raise click.ClickException(f"py-spy failed: {said.decode()}")
        for line in Path(written.name).read_text().splitlines():
            # process 7:"flask web";main (a.py);f (b.py) 3
            stack, _, count = line.rpartition(" ")
            process, *functions = stack.split(";")
            if functions:
                yield Sample(_name(" ".join((process, *functions))), tuple(functions), int(count))


def _name(stack: str) -> str:
    """Return the process that the stack was found in."""
    found = (name for name, signs in NAMES.items() if any(sign in stack for sign in signs))
    return next(found, "others")


def _rows(samples: Iterable[Sample]) -> list[list[str]]:
    alone: Counter[str] = Counter()
    inside: Counter[str] = Counter()
    for sample in samples:
        alone[sample.stack[-1]] += sample.count
        for function in set(sample.stack):
            inside[function] += sample.count
    total = alone.total()
    return [
        [function, f"{count / total:.1%}", f"{inside[function] / total:.1%}"]
        for function, count in alone.most_common(SHOWN)
    ]
