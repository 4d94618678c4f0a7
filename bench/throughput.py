"""End-to-end events per second and their cost: Call Events and other systems side by side."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from bench.driver import Load
from bench.options import Options
from bench.ratios import print_ratios
from bench.systems import SYSTEMS
from bench.systems.base import System
from bench.table import middle, milliseconds, print_table
from bench.watch import Watch

#: Maximum of events accepted and not arrived. So a system that accepts events faster than it
#: delivers them is measured by what it delivers.
BOUND = 500
WARM_UP_SECONDS = 3.0
PACE = 100
MAX_PACE_SECONDS = 15.0

HEAD = (
    *("system", "keeps", "events/s", "ingest p50 ms", "p99 ms", "202 to arrival p50 ms", "p99 ms"),
    *("CPU s per 1,000", "peak MiB", "backlog", "not arrived"),
)


@dataclass(frozen=True)
class Run:
    """One measurement of one system."""

    flood: dict[str, Any]
    pace: dict[str, Any]
    cpu_seconds_per_thousand: float
    peak_mib: float


def run(options: Options) -> None:
    """Measure the systems alternately, several times, and print the medians."""
    names = options.systems or tuple(SYSTEMS)
    runs: dict[str, list[Run]] = {name: [] for name in names}
    for number in range(options.runs):
        for name in names:
            runs[name].append(_measure(SYSTEMS[name], options))
            _print_run(number, SYSTEMS[name], runs[name][-1])
    print_table(HEAD, [_row(SYSTEMS[name], found) for name, found in runs.items()])
    print_ratios(
        {name: _rates(found) for name, found in runs.items()},
        {name: [run.cpu_seconds_per_thousand for run in found] for name, found in runs.items()},
    )


def _measure(kind: type[System], options: Options) -> Run:
    with (
        tempfile.TemporaryDirectory(prefix="callevents-bench-") as folder,
        Load() as load,
        kind(Path(folder), load.receiver_url) as system,
    ):
        load.connect(system.port, system.target, options.connections)
        load.flood(WARM_UP_SECONDS, options.connections)
        with Watch(lambda: [*load.others(), *system.more_processes()]) as watch:
            flood = load.flood(options.seconds, BOUND)
        # Last: a system slower than the pace has a backlog afterwards.
        paced = load.pace(min(options.seconds, MAX_PACE_SECONDS), PACE)
    return Run(flood, paced, watch.per_thousand(flood["accepted"]), watch.peak_mib)


def _print_run(number: int, system: type[System], run: Run) -> None:
    lost = run.flood["missing"] + run.pace["missing"]
    click.echo(
        f"run {number + 1}: {system.title}: {run.flood['rate']:,.0f} events/s, "
        f"{run.flood['refused'] + run.pace['refused']} refused, {lost} not arrived, "
        f"drained in {run.flood['drain_seconds']:.1f} s",
        err=True,
    )


def _rates(runs: list[Run]) -> list[float]:
    return [run.flood["rate"] for run in runs]


def _row(system: type[System], runs: list[Run]) -> list[str]:
    return [
        system.title,
        system.keeps,
        middle(_rates(runs)),
        *(milliseconds([run.flood["ingest_ms"][index] for run in runs]) for index in (0, 1)),
        *(milliseconds([run.pace["arrival_ms"][index] for run in runs]) for index in (0, 1)),
        middle([run.cpu_seconds_per_thousand for run in runs], 2),
        middle([run.peak_mib for run in runs]),
        middle([run.flood["backlog"] for run in runs]),
        f"{sum(run.flood['missing'] + run.pace['missing'] for run in runs)}",
    ]
