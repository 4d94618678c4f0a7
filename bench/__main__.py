"""The command `python -m bench`, which `make bench` runs."""

from typing import Any

import click

from bench import (
    contention,
    indexes,
    ingest,
    isolation,
    listen,
    memory,
    profile,
    rows,
    sequence,
    storage,
    throughput,
)
from bench.options import Options
from bench.systems import SYSTEMS
from bench.watch import machine

BENCHES = {
    "throughput": throughput.run,
    "sequence": sequence.run,
    "isolation": isolation.run,
    "contention": contention.run,
    "ingest": ingest.run,
    "rows": rows.run,
    "storage": storage.run,
    "indexes": indexes.run,
    "memory": memory.run,
    "listen": listen.run,
    "profile": profile.run,
}


@click.command()
@click.argument("benches", nargs=-1, type=click.Choice(list(BENCHES)))
@click.option("--seconds", default=30.0, show_default=True, help="Duration of each run.")
@click.option("--runs", default=5, show_default=True, help="Runs per system, alternating.")
@click.option(
    "--connections", default=32, show_default=True, help="Connections of the load generator."
)
@click.option(
    "--systems", help=f"Comma-separated list of systems: {', '.join(SYSTEMS)}.", default=""
)
@click.option(
    "--rows", default=5_000_000, show_default=True, help="Finished deliveries for 'rows'."
)
@click.option("--deliveries", default=100_000, show_default=True, help="Deliveries for 'memory'.")
@click.option(
    "--processes",
    type=click.IntRange(1, 64),
    multiple=True,
    default=(1, 2, 4),
    show_default=True,
    help="Number of workers, and of web processes, for 'contention'; again for more.",
)
def main(benches: tuple[str, ...], systems: str, **options: Any) -> None:
    """Run these BENCHES, or all of them, and print their tables."""
    chosen = tuple(filter(None, systems.split(",")))
    if unknown := set(chosen) - SYSTEMS.keys():
        raise click.BadParameter(f"unknown system {', '.join(sorted(unknown))}")
    click.echo(f"{machine()}; medians of {options['runs']} runs of {options['seconds']:g} s\n")
    for bench in benches or BENCHES:
        BENCHES[bench](Options(systems=chosen, **options))


if __name__ == "__main__":
    main()
