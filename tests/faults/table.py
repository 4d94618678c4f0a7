"""Prints verdicts as a table."""

from collections.abc import Iterable, Sequence

from tests.faults.verdict import Verdict, percentile

COLUMNS = (
    ("loop", 42),
    ("faults", 6),
    ("acknowledged", 12),
    ("delivered", 9),
    ("lost", 4),
    ("doubled", 7),
    ("duplicates", 10),
    ("in flight", 9),
    ("out of order", 12),
    ("p99 ms", 6),
    ("alone", 6),
    ("ratio", 5),
    ("rest s", 6),
)


def table(verdicts: Iterable[Verdict], *, head: bool = True) -> str:
    """Return the table as Markdown; problems follow their row."""
    lines = [_line([name for name, _ in COLUMNS]), _line(["-" * width for _, width in COLUMNS])]
    lines = lines if head else []
    for verdict in verdicts:
        lines.append(_line(_cells(verdict)))
        lines += [f"  BAD: {complaint}" for complaint in _complaints(verdict)]
    return "\n".join(lines)


def _cells(verdict: Verdict) -> list[str]:
    return [
        verdict.name,
        str(verdict.faults.total()),
        str(verdict.acknowledged),
        str(verdict.delivered),
        str(verdict.lost),
        str(verdict.doubled),
        str(verdict.duplicates),
        str(verdict.in_flight.total()),
        str(verdict.out_of_order),
        *_latencies(verdict),
        f"{verdict.rest_seconds:.1f}",
    ]


def _latencies(verdict: Verdict) -> list[str]:
    """Return the last part's 99th percentile, the one of before, and how they compare."""
    if len(verdict.latencies) < 2:
        return ["", "", ""]
    now = percentile(verdict.latencies, 99)
    if not verdict.alone:
        return [f"{now:.0f}", "", ""]
    before = percentile(verdict.alone, 99)
    return [f"{now:.0f}", f"{before:.0f}", f"{now / before:.1f}"]


def _complaints(verdict: Verdict) -> list[str]:
    complaints = list(verdict.complaints)
    if verdict.unexcused:
        complaints.append(f"{verdict.unexcused} duplicates were not in flight at a fault")
    return complaints


def _line(cells: Sequence[str]) -> str:
    padded = [
        cell.ljust(width) if number == 0 else cell.rjust(width)
        for number, (cell, (_, width)) in enumerate(zip(cells, COLUMNS, strict=True))
    ]
    return f"| {' | '.join(padded)} |"
