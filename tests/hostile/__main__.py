"""`make hostile`: attacks the running product, and prints what held."""

import argparse
import contextlib
import logging
import resource
import signal
import sys
import time
from collections.abc import Iterator

import click

from tests.hostile.arena import Arena, open_arena
from tests.hostile.groups import GROUPS
from tests.hostile.running import run_group
from tests.hostile.table import table
from tests.hostile.verdict import Verdict, judge_times


def main() -> int:
    """Run the groups; return 1 if something did not hold."""
    options = read_options()
    logging.getLogger().setLevel(logging.WARNING)
    raise_limits()
    # So that whoever stops it also stops the product.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    began = time.monotonic()
    verdicts: list[Verdict] = []
    for verdict in run_all([name for name in GROUPS if options.only in name], options):
        click.echo(table([verdict], head=not verdicts))
        verdicts.append(verdict)
    cases, held = sum(one.cases for one in verdicts), sum(one.held for one in verdicts)
    bad = sum(not one.is_good for one in verdicts)
    click.echo(
        f"\n{held} of {cases} held in {len(verdicts)} groups and {time.monotonic() - began:.0f} s; "
        f"{bad} groups bad."
    )
    return 1 if bad or not verdicts else 0


def run_all(names: list[str], options: argparse.Namespace) -> Iterator[Verdict]:
    """Run the groups on one product; on a new one after an attack that has broken it."""
    with contextlib.ExitStack() as stack:
        arena: Arena | None = None
        for name in names:
            verdict, left = Verdict(name), GROUPS[name]
            while left:
                arena = arena or stack.enter_context(
                    open_arena(options.seed, is_short=options.short)
                )
                left = run_group(arena, left, verdict)
                if options.log:
                    click.echo(arena.product.output)
                if not verdict.is_good:
                    stack.close()
                    arena = None
            if not options.short:
                judge_times(verdict)
            yield verdict


def raise_limits() -> None:
    """Allow this process and those that it starts as many open files as the system lets them."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def read_options() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser("make hostile ARGS=...", description=__doc__)
    parser.add_argument("--short", action="store_true", help="fewer variations; judge no times")
    parser.add_argument("--seed", type=int, default=1, help="of all random choices")
    parser.add_argument("--only", default="", help="only groups whose name contains this")
    parser.add_argument("--log", action="store_true", help="print what the processes wrote")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
