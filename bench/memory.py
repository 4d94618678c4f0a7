"""Memory of the worker and the web process during deliveries."""

import tempfile
from pathlib import Path

import click
import psutil

from bench.driver import Load
from bench.options import Options
from bench.systems.ours import OnSqlite
from bench.table import print_table
from bench.throughput import BOUND

SAMPLES = 20
PART_SECONDS = 5.0


def run(options: Options) -> None:
    """Deliver events, and print the resident memory of the processes over time."""
    with (
        tempfile.TemporaryDirectory(prefix="callevents-bench-") as folder,
        Load() as load,
        OnSqlite(Path(folder), load.receiver_url) as system,
    ):
        load.connect(system.port, system.target, options.connections)
        rows = _deliver(load, options.deliveries)
    click.echo(f"Resident memory over {options.deliveries:,} deliveries (goal: flat)")
    print_table(("deliveries", "worker MiB", "web MiB"), rows)


def _deliver(load: Load, wanted: int) -> list[list[str]]:
    rows: list[list[str]] = []
    done = 0
    while done < wanted:
        done += load.flood(PART_SECONDS, BOUND)["accepted"]
        if not rows or done >= len(rows) * wanted / SAMPLES:
            rows.append([f"{done:,}", *(f"{_rss_mib(load, name):.1f}" for name in _PROCESSES)])
    return rows


_PROCESSES = ("worker", "web")


def _rss_mib(load: Load, name: str) -> float:
    """Return the resident memory of the processes of that name; shared pages count in each."""
    found = [p for p in load.others() if p.name().partition(" ")[0] == name]
    return sum(psutil.Process(p.pid).memory_info().rss for p in found) / 2**20
