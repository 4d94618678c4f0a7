"""Runs a bench and reads its tables."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.support.programs import ROOT

#: Generous, because the machine may be busy with other tests.
DEADLINE_SECONDS = 400


@dataclass
class Table:
    """A printed table."""

    head: list[str]
    rows: list[list[str]] = field(default_factory=list)

    def column(self, name: str) -> list[str]:
        """Return the cells of all columns of this name."""
        return [
            cell
            for row in self.rows
            for title, cell in zip(self.head, row, strict=True)
            if title == name
        ]

    def numbers(self, name: str) -> list[float]:
        """Return the numbers in all columns whose name contains this."""
        return [
            float(cell.split()[0].replace(",", ""))
            for title in dict.fromkeys(self.head)
            if name in title
            for cell in self.column(title)
        ]


def run_bench(*arguments: str) -> list[Table]:
    """Run `python -m bench` with these arguments; return the tables that it prints."""
    command = [sys.executable, "-W", "ignore:XDG_RUNTIME_DIR", "-m", "bench", *arguments]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr
    return list(_read(done.stdout))


def _read(text: str) -> Iterator[Table]:
    table: Table | None = None
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|"):
            table = None
        elif table is None:
            table = Table(cells)
            yield table
        elif not line.startswith("| -"):
            table.rows.append(cells)
