"""Ingest alone: events that are stored and need no request."""

import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import click

from bench.driver import Load
from bench.options import Options
from bench.systems import choose_ours
from bench.systems.ours import OnSqlite
from bench.table import middle, milliseconds, print_table
from bench.throughput import WARM_UP_SECONDS
from bench.watch import Watch


class Run(NamedTuple):
    """One measurement: what was found, and the CPU seconds per 1,000 events."""

    found: dict[str, Any]
    cost: float


def run(options: Options) -> None:
    """Measure the databases alternately, several times, and print the medians."""
    runs: dict[type[OnSqlite], list[Run]] = {kind: [] for kind in choose_ours(options.systems)}
    for _ in range(options.runs):
        for system, done in runs.items():
            done.append(_measure(system, options))
    click.echo(f"Events without a request, {options.connections} connections")
    head = ("system", "events/s", "p50 ms", "p99 ms", "CPU s per 1,000", "refused")
    print_table(head, [_row(system, done) for system, done in runs.items()])


def _measure(kind: type[OnSqlite], options: Options) -> Run:
    with (
        tempfile.TemporaryDirectory(prefix="callevents-bench-") as folder,
        Load() as load,
        kind(Path(folder), load.receiver_url) as system,
    ):
        load.connect(system.port, system.target, options.connections)
        load.ingest(WARM_UP_SECONDS)
        with Watch(lambda: [*load.others(), *system.more_processes()]) as watch:
            found = load.ingest(options.seconds)
    return Run(found, watch.per_thousand(found["accepted"]))


def _row(system: type[OnSqlite], runs: list[Run]) -> list[str]:
    return [
        system.title,
        middle([run.found["rate"] for run in runs]),
        *(milliseconds([run.found["ingest_ms"][index] for run in runs]) for index in (0, 1)),
        middle([run.cost for run in runs], 2),
        f"{sum(run.found['refused'] for run in runs)}",
    ]
