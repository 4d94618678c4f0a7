"""Latency of the events of a call, which follow each other at once."""

import tempfile
from pathlib import Path
from typing import Any

import click

from bench.driver import Load
from bench.events import EVENTS
from bench.options import Options
from bench.systems import choose_ours
from bench.systems.ours import OnSqlite
from bench.table import milliseconds, print_table

WORKERS = (1, 2)
WARM_UP_SECONDS = 3.0
GOAL = 50


def run(options: Options) -> None:
    """Measure with one worker and with two alternately, several times, and print the medians."""
    kinds = [(system, workers) for system in choose_ours(options.systems) for workers in WORKERS]
    found: dict[tuple[type[OnSqlite], int], list[dict[str, Any]]] = {kind: [] for kind in kinds}
    for _ in range(options.runs):
        for system, workers in kinds:
            found[system, workers].append(_measure(system, workers, options))
    click.echo(
        "From 202 to arrival of the events of a call, 30 ms apart, at 100 events/s "
        f"(goal: p99 at most {GOAL} ms on PostgreSQL with two workers)"
    )
    head = [f"{event} {name} ms" for event in EVENTS for name in ("p50", "p99")]
    rows = [_row(system, workers, runs) for (system, workers), runs in found.items()]
    print_table(("system", "workers", *head, "not arrived"), rows)


def _measure(kind: type[OnSqlite], workers: int, options: Options) -> dict[str, Any]:
    with (
        tempfile.TemporaryDirectory(prefix="callevents-bench-") as folder,
        Load() as load,
        kind(Path(folder), load.receiver_url, workers=str(workers)) as system,
    ):
        load.connect(system.port, system.target, options.connections)
        load.calls(WARM_UP_SECONDS)
        return load.calls(options.seconds)


def _row(system: type[OnSqlite], workers: int, runs: list[dict[str, Any]]) -> list[str]:
    times = [
        milliseconds([run["arrival_ms_by_type"][event][index] for run in runs])
        for event in EVENTS
        for index in (0, 1)
    ]
    return [system.title, str(workers), *times, f"{sum(run['missing'] for run in runs)}"]
