"""`make faults`: injects faults in loops, and prints what became of the events."""

import argparse
import contextlib
import logging
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from tests.faults.apart import Apart
from tests.faults.loop import Load, Scenario, run
from tests.faults.names import NameServer, find_launcher
from tests.faults.one_machine import OneMachine
from tests.faults.receivers import BAD, REBINDING, Bad
from tests.faults.systems import System
from tests.faults.table import table
from tests.faults.verdict import Verdict

SYSTEMS: dict[str, type[System]] = {"sqlite": OneMachine, "postgresql": Apart}


def find_scenarios(system: System, bad_ones: Sequence[Bad]) -> Iterator[Scenario]:
    """Yield the scenarios: no fault, bad receivers, each fault, and all together."""
    yield Scenario("nothing happens")
    for bad in bad_ones:
        yield Scenario(f"beside one {bad.name}", bad=(bad,))
    for fault in system.faults:
        yield Scenario(fault, faults=(fault,))
    yield Scenario("everything at once", faults=tuple(system.faults), bad=bad_ones)


def main() -> int:
    """Run the loops; return 1 if a guarantee was broken."""
    options = read_options()
    logging.getLogger().setLevel(logging.WARNING)
    # A hook is suspended in this process, as a worker would.
    logging.getLogger("callevents.delivery").setLevel(logging.ERROR)
    began = time.monotonic()
    verdicts: list[Verdict] = []
    for kind in options.database or SYSTEMS:
        with tempfile.TemporaryDirectory(prefix="callevents-faults-") as folder:
            verdicts += run_system(kind, Path(folder), options)
    click.echo("\n" + table(verdicts))
    bad = [verdict.name for verdict in verdicts if not verdict.is_good]
    click.echo(f"\n{len(verdicts)} loops in {time.monotonic() - began:.0f} s, {len(bad)} bad.")
    return 1 if bad else 0


def read_options() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser("make faults ARGS=...", description=__doc__)
    parser.add_argument("--seconds", type=float, default=6, help="load of each loop")
    parser.add_argument("--rate", type=float, default=60, help="events a second")
    parser.add_argument("--seed", type=int, default=1, help="of the first round")
    parser.add_argument("--loops", type=int, default=1, help="rounds, each with the next seed")
    parser.add_argument("--database", action="append", choices=SYSTEMS, help="only this one")
    parser.add_argument("--logs", type=Path, help="a folder for what the processes write")
    parser.add_argument("--only", default="", help="only loops whose name has this")
    return parser.parse_args()


def run_system(kind: str, folder: Path, options: argparse.Namespace) -> Iterator[Verdict]:
    """Start the system and run its loops, with changing DNS names if that is possible here."""
    with contextlib.ExitStack() as stack:
        bad: Sequence[Bad] = BAD
        if launcher := find_launcher(folder):
            stack.enter_context(contextlib.closing(NameServer()))
            bad = (*BAD, REBINDING)
        else:
            click.echo("Left out: a name that changes its address. It needs root on Linux.")
        system = SYSTEMS[kind](folder, launcher)
        stack.callback(write_log, system, options.logs)
        stack.callback(system.close)
        system.start()
        for seed in range(options.seed, options.seed + options.loops):
            load = Load(options.seconds, options.rate, seed)
            for scenario in find_scenarios(system, bad):
                if options.only in scenario.name:
                    verdict = try_run(system, scenario, load)
                    click.echo(table([verdict], head=False))
                    yield verdict
                    if not verdict.is_over:
                        return
        system.stop()


def try_run(system: System, scenario: Scenario, load: Load) -> Verdict:
    """Run the loop; if the system does not recover, the verdict says so."""
    try:
        return run(system, scenario, load)
    except AssertionError as error:
        complaint = str(error).partition("\n")[0]
        name = f"{system.name}: {scenario.name}"
        return Verdict(name, is_over=False, complaints=[complaint])


def write_log(system: System, folder: Path | None) -> None:
    """Save the output of the system's processes if requested."""
    if folder:
        folder.mkdir(exist_ok=True)
        (folder / f"{system.name}.log").write_text(system.output)


if __name__ == "__main__":
    sys.exit(main())
