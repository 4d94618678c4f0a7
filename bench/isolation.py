"""Latency of a healthy receiver, alone and beside a hanging receiver."""

import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import click

from bench.driver import Load
from bench.options import Options
from bench.systems import choose_ours
from bench.systems.ours import OnSqlite
from bench.table import milliseconds, print_table

HEALTHY_RATE = 100
#: With timeouts of ten seconds, 200 threads would be needed to wait for these responses.
HANGING_RATE = 20
GOAL = 1.5


def run(options: Options) -> None:
    """Measure alone and beside alternately, several times, and print the medians."""
    rows = []
    for system in choose_ours(options.systems):
        alone: list[dict[str, Any]] = []
        beside: list[dict[str, Any]] = []
        for _ in range(options.runs):
            alone.append(_measure(system, options, 0))
            beside.append(_measure(system, options, HANGING_RATE))
        ratio = _p99(beside) / _p99(alone)
        missing = str(sum(found["missing"] for found in alone + beside))
        rows.append([system.title, *_cells(alone), *_cells(beside), f"{ratio:.2f}", missing])
    click.echo(
        f"From 202 to arrival at {HEALTHY_RATE} events/s, alone and with {HANGING_RATE} more "
        f"a second for a receiver that never answers (goal: p99 at most {GOAL} x alone)"
    )
    names = (
        "alone p50 ms",
        "p99 ms",
        "beside p50 ms",
        "p99 ms",
        "p99 beside / alone",
        "not arrived",
    )
    print_table(("system", *names), rows)


def _measure(kind: type[OnSqlite], options: Options, hanging_rate: float) -> dict[str, Any]:
    with (
        tempfile.TemporaryDirectory(prefix="callevents-bench-") as folder,
        Load() as load,
        kind(Path(folder), load.receiver_url, load.hanging_url) as system,
    ):
        load.connect(system.port, system.target, options.connections)
        load.pace(3, HEALTHY_RATE)
        return load.pace(options.seconds, HEALTHY_RATE, hanging_rate)


def _p99(found: list[dict[str, Any]]) -> float:
    return float(median(one["arrival_ms"][1] for one in found))


def _cells(found: list[dict[str, Any]]) -> list[str]:
    return [milliseconds([one["arrival_ms"][index] for one in found]) for index in (0, 1)]
