"""What a bench can be told on the command line."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """How long, how often, and with how much to measure."""

    seconds: float
    runs: int
    connections: int
    systems: tuple[str, ...]
    rows: int
    deliveries: int
