"""Compares Call Events with each other system of the same run."""

from collections.abc import Iterator
from statistics import median

import click

from bench.systems import OURS, SYSTEMS
from bench.table import print_table

#: The least events/s, relative to the other system's.
GOALS = {
    ("sqlite", "node-red"): 1.3,
    ("postgres", "node-red"): 0.8,
    ("sqlite", "bullmq"): 0.7,
    ("sqlite", "celery"): 8.0,
    ("postgres", "procrastinate"): 8.0,
}
#: A value for each run, by the system's name.
Values = dict[str, list[float]]


def print_ratios(rates: Values, costs: Values) -> None:
    """Print events per second and CPU seconds per event, relative to the other systems.

    They are medians of the ratios within each run: the speed of the machine changes between runs.
    """
    rows = [
        [
            SYSTEMS[ours].title,
            SYSTEMS[other].title,
            f"{_ratio(rates[ours], rates[other]):.2f}",
            f"{goal:g}" if (goal := GOALS.get((ours, other))) else "",
            f"{_ratio(costs[ours], costs[other]):.2f}",
        ]
        for ours, other in _pairs(rates)
    ]
    if rows:
        click.echo("Relative to each other system, within a run (goal: at least)")
        print_table(("system", "relative to", "events/s", "goal", "CPU per event"), rows)


def _pairs(rates: Values) -> Iterator[tuple[str, str]]:
    for ours in filter(rates.__contains__, OURS):
        for other in rates:
            if other not in OURS:
                yield ours, other


def _ratio(ours: list[float], others: list[float]) -> float:
    return median(one / max(other, 0.01) for one, other in zip(ours, others, strict=True))
