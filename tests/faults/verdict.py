"""Compares acknowledged events with the requests that the receiver got."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import quantiles

from tests.faults.calls import EVENTS, Event, Reported
from tests.faults.receivers import Note


@dataclass
class Verdict:
    """What became of the events of a loop.

    An event is *lost* if it was acknowledged and never arrived, *doubled* if it arrived as two
    deliveries. A *duplicate* is a delivery that arrived before; it is *unexcused* if the delivery
    was in flight at fewer faults than it was made again. Events of a call are *out of order* if the
    first arrival of one is earlier than the first arrival of one before it.
    """

    name: str
    #: False if the loop could not be run to its end.
    is_over: bool = True
    faults: Counter[str] = field(default_factory=Counter)
    acknowledged: int = 0
    retries: int = 0
    delivered: int = 0
    lost: int = 0
    doubled: int = 0
    duplicates: int = 0
    #: At how many faults each delivery was in flight, by its id.
    in_flight: Counter[str] = field(default_factory=Counter)
    unexcused: int = 0
    out_of_order: int = 0
    #: Seconds from acknowledgement to arrival; `alone` before the bad receivers came.
    latencies: list[float] = field(default_factory=list)
    alone: list[float] = field(default_factory=list)
    rest_seconds: float = 0.0
    complaints: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """True if all guarantees were kept."""
        bad = (self.lost, self.doubled, self.unexcused, self.out_of_order, len(self.complaints))
        return self.delivered > 0 and not any(bad)


def percentile(latencies: list[float], number: int) -> float:
    """Return the percentile in milliseconds."""
    return quantiles(latencies, n=100, method="inclusive")[number - 1] * 1000


def find_latencies(reported: Reported, notes: Iterable[Note]) -> list[float]:
    """Return the seconds from acknowledgement to arrival of all these events that arrived."""
    firsts = _first_arrivals(notes)
    return [
        # The answer and the request may overtake each other on their ways.
        max(0.0, firsts[event][1].at - acknowledged)
        for event, acknowledged in reported.acknowledged.items()
        if event in firsts
    ]


def judge(verdict: Verdict, reported: Reported, notes: list[Note]) -> None:
    """Complete the verdict."""
    acknowledged = reported.acknowledged
    firsts = _first_arrivals(notes)
    verdict.acknowledged, verdict.retries = len(acknowledged), reported.retries
    verdict.delivered = len(firsts)
    verdict.lost = len(acknowledged.keys() - firsts.keys())
    verdict.doubled = _count_doubled(notes)
    arrivals = Counter(note.delivery for note in notes)
    verdict.duplicates = len(notes) - len(arrivals)
    verdict.unexcused = sum(
        max(0, count - 1 - verdict.in_flight[delivery]) for delivery, count in arrivals.items()
    )
    verdict.out_of_order = _count_out_of_order(firsts)
    verdict.complaints += [f"{what} ({n} x)" for what, n in reported.unexpected.items()]


def _first_arrivals(notes: Iterable[Note]) -> dict[Event, tuple[int, Note]]:
    """Return when each event arrived first: its place among all arrivals, and the note of it."""
    firsts: dict[Event, tuple[int, Note]] = {}
    for place, note in enumerate(notes):
        firsts.setdefault((note.call, note.event), (place, note))
    return firsts


def _count_doubled(notes: Iterable[Note]) -> int:
    deliveries: dict[Event, set[str]] = defaultdict(set)
    for note in notes:
        deliveries[note.call, note.event].add(note.delivery)
    return sum(len(ids) - 1 for ids in deliveries.values())


def _count_out_of_order(firsts: dict[Event, tuple[int, Note]]) -> int:
    count = 0
    for call in {call for call, _ in firsts}:
        places = [firsts[call, event][0] for event in EVENTS if (call, event) in firsts]
        count += sum(later < earlier for earlier, later in pairwise(places))
    return count
