"""`make fuzz`: feeds malformed messages to everything that reads them, and prints the results."""

import argparse
import multiprocessing
import os
import sys
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed

import click

from tests.fuzz.running import Outcome, run
from tests.fuzz.targets import TARGETS


def main() -> int:
    """Feed the targets; return 1 if anything should not have been."""
    options = read_options()
    began = time.monotonic()
    names = [name for name in TARGETS if options.only in name]
    bad = 0
    for name, outcome, error in run_all(names, options):
        click.echo(outcome or f"{name} with seed {options.seed} failed:")
        if error:
            bad += 1
            click.echo("".join(traceback.format_exception(error)))
    click.echo(f"\n{len(names)} targets in {time.monotonic() - began:.0f} s, {bad} bad.")
    return 1 if bad or not names else 0


def run_all(
    names: list[str], options: argparse.Namespace
) -> Iterator[tuple[str, Outcome | None, BaseException | None]]:
    """Yield each target's result or failure. Each runs in a separate process."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.processes, context, max_tasks_per_child=1) as pool:
        running = {pool.submit(run, name, options.messages, options.seed): name for name in names}
        for done in as_completed(running):
            error = done.exception()
            yield running[done], None if error else done.result(), error


def read_options() -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser("make fuzz ARGS=...", description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000, help="for each target")
    parser.add_argument("--seed", type=int, default=1, help="the same one makes the same messages")
    parser.add_argument("--only", default="", help="only targets whose name has this")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="at a time")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
