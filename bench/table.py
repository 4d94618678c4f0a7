"""Prints tables as Markdown, ready to paste into the documentation."""

from collections.abc import Sequence
from statistics import median

import click


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print the rows with aligned columns: the first to the left, numbers to the right."""
    widths = [max(len(line[column]) for line in (head, *rows)) for column in range(len(head))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    for line in (head, rule, *rows):
        cells = [line[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]
        click.echo("| " + " | ".join(cells) + " |")
    click.echo()


def middle(values: Sequence[float], digits: int = 0) -> str:
    """Return the median as text, with `digits` decimals."""
    return f"{median(values):,.{digits}f}"


def milliseconds(values: Sequence[float]) -> str:
    """Return the median of milliseconds as text, with one decimal below 20."""
    return middle(values, 0 if median(values) >= 20 else 1)
