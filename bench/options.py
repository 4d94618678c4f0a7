"""Options of the bench command."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """Duration in seconds, number of runs, and amounts of load, data and processes."""

    seconds: float
    runs: int
    connections: int
    systems: tuple[str, ...]
    rows: int
    deliveries: int
    processes: tuple[int, ...]
