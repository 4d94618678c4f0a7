"""Prints verdicts as a table."""

from collections.abc import Iterable, Sequence

from tests.hostile.verdict import Verdict, percentile_ms

COLUMNS = (
    ("group", 26),
    ("attacks", 7),
    ("cases", 5),
    ("held", 5),
    ("events", 6),
    ("p99 ms", 6),
    ("quiet", 5),
    ("memory MB", 9),
    ("s", 4),
)


def table(verdicts: Iterable[Verdict], *, head: bool = True) -> str:
    """Return the table as Markdown; what did not hold follows its row."""
    lines = []
    if head:
        lines = [_line([name for name, _ in COLUMNS]), _rule()]
    for verdict in verdicts:
        lines.append(_line(_cells(verdict)))
        lines += [f"  FAILED: {failure}" for failure in verdict.failures]
        lines += [f"  BAD: {complaint}" for complaint in verdict.complaints]
    return "\n".join(lines)


def _cells(verdict: Verdict) -> list[str]:
    return [
        verdict.group,
        str(verdict.attacks),
        str(verdict.cases),
        str(verdict.held),
        str(verdict.events),
        f"{percentile_ms(verdict.seconds, 99):.0f}",
        f"{percentile_ms(verdict.quiet_seconds, 99):.0f}",
        f"{verdict.growth_mb:+.0f}",
        f"{verdict.duration:.0f}",
    ]


def _rule() -> str:
    return _line(
        [f"{'-' * (width - 1)}{':' if n else '-'}" for n, (_, width) in enumerate(COLUMNS)]
    )


def _line(cells: Sequence[str]) -> str:
    padded = [
        cell.ljust(width) if number == 0 else cell.rjust(width)
        for number, (cell, (_, width)) in enumerate(zip(cells, COLUMNS, strict=True))
    ]
    return f"| {' | '.join(padded)} |"
