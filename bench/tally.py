"""Counts the events of one round of load, and their times."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Tally:
    """Events of one round: times of acknowledgement and arrival in seconds, by name.

    An event's name is its call and its type: "1-17/dial-in".
    """

    acknowledged: dict[str, float] = field(default_factory=dict)
    arrived: dict[str, float] = field(default_factory=dict)
    ingest_seconds: list[float] = field(default_factory=list)
    refused: int = 0
    repeated: int = 0

    @property
    def outstanding(self) -> int:
        """The number of accepted events that have not arrived; some arrive before the response."""
        return max(0, len(self.acknowledged) - len(self.arrived))

    def missing(self) -> int:
        """Return the exact number of accepted events that have not arrived."""
        return len(self.acknowledged.keys() - self.arrived.keys())

    def arrival_seconds(self, event_type: str = "") -> list[float]:
        """Return the times from acknowledgement to arrival; zero if it arrived before."""
        return [
            max(0.0, self.arrived[event] - moment)
            for event, moment in self.acknowledged.items()
            if event in self.arrived and event.endswith(event_type)
        ]

    def results(self) -> dict[str, Any]:
        """Return the counts and the percentiles in milliseconds."""
        types = {event.partition("/")[2] for event in self.acknowledged}
        return {
            "accepted": len(self.acknowledged),
            "refused": self.refused,
            "repeated": self.repeated,
            "missing": self.missing(),
            "ingest_ms": _percentiles(self.ingest_seconds),
            "arrival_ms": _percentiles(self.arrival_seconds()),
            "arrival_ms_by_type": {
                name: _percentiles(self.arrival_seconds(name)) for name in types
            },
        }


def _percentiles(seconds: list[float]) -> list[float]:
    """Return p50 and p99 in milliseconds."""
    ordered = sorted(seconds) or [float("nan")]
    last = len(ordered) - 1
    return [ordered[round(last * share)] * 1000 for share in (0.5, 0.99)]
