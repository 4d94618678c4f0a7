"""CPU time per event with more workers and web processes, on PostgreSQL."""

import tempfile
from itertools import product
from pathlib import Path
from statistics import median
from typing import NamedTuple

import click

from bench.driver import Load
from bench.options import Options
from bench.systems.ours import OnPostgres
from bench.table import middle, print_table
from bench.throughput import BOUND, MAX_PACE_SECONDS, PACE, WARM_UP_SECONDS
from bench.watch import Watch

GOAL = 1.25
HEAD = (
    *("workers", "web processes", "full load: events/s", "CPU s per 1,000", "x"),
    *(f"{PACE} events/s: CPU s per 1,000", "x", "not arrived"),
)


class Run(NamedTuple):
    """One measurement: at full load, and at a moderate rate."""

    rate: float
    full_cost: float
    paced_cost: float
    missing: int


def run(options: Options) -> None:
    """Measure all combinations alternately, several times, and print the medians."""
    kinds = list(product(options.processes, options.processes))
    runs: dict[tuple[int, int], list[Run]] = {kind: [] for kind in kinds}
    for _ in range(options.runs):
        for kind in kinds:
            runs[kind].append(_measure(*kind, options))
            click.echo(f"workers and web processes: {kind}: {runs[kind][-1]}", err=True)
    click.echo(
        "CPU time with several workers and web processes, PostgreSQL's included, and its ratio "
        f"to the first row (goal: at most {GOAL:g} x)"
    )
    print_table(HEAD, [_row(kind, found, runs[kinds[0]]) for kind, found in runs.items()])


def _measure(workers: int, web_processes: int, options: Options) -> Run:
    settings = {"workers": str(workers), "web_processes": str(web_processes)}
    with (
        tempfile.TemporaryDirectory(prefix="callevents-bench-") as folder,
        Load() as load,
        OnPostgres(Path(folder), load.receiver_url, **settings) as system,
    ):
        load.connect(system.port, system.target, options.connections)
        load.flood(WARM_UP_SECONDS, options.connections)
        with Watch(lambda: [*load.others(), *system.more_processes()]) as full:
            flood = load.flood(options.seconds, BOUND)
        with Watch(lambda: [*load.others(), *system.more_processes()]) as moderate:
            paced = load.pace(min(options.seconds, MAX_PACE_SECONDS), PACE)
    return Run(
        flood["rate"],
        full.per_thousand(flood["accepted"]),
        moderate.per_thousand(paced["accepted"]),
        flood["missing"] + paced["missing"],
    )


def _row(kind: tuple[int, int], found: list[Run], first: list[Run]) -> list[str]:
    full, paced = ([run[index] for run in found] for index in (1, 2))
    full_ratio, paced_ratio = (
        median(ours[index] / base[index] for ours, base in zip(found, first, strict=True))
        for index in (1, 2)
    )
    return [
        *map(str, kind),
        middle([run.rate for run in found]),
        *(middle(full, 2), f"{full_ratio:.2f}"),
        *(middle(paced, 2), f"{paced_ratio:.2f}"),
        f"{sum(run.missing for run in found)}",
    ]
