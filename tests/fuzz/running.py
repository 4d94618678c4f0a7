"""Feeds one target, and measures time and memory."""

import gc
import time
from dataclasses import dataclass

import psutil

from tests.fuzz.targets import TARGETS, Tally

#: How much memory may grow in the second half. A leak of 60 bytes a message would be as much.
MOST_GROWTH_MIB = 32.0
PARTS = 20


@dataclass(frozen=True)
class Outcome:
    """The result of feeding one target."""

    name: str
    tally: Tally
    seconds: float
    #: The process's at the end, and by how much that is more than halfway.
    memory_mib: float
    growth_mib: float

    def __str__(self) -> str:
        tally = self.tally
        return (
            f"{self.name:20} {tally.messages:9,} messages {tally.events:9,} events "
            f"{tally.refused:8,} refused {tally.skipped:8,} skipped {self.seconds:6.0f} s "
            f"{self.memory_mib:5.0f} MiB, {self.growth_mib:+.1f} since halfway"
        )


def run(name: str, messages: int, seed: int) -> Outcome:
    """Feed the target this number of messages; a failure names the seed."""
    target = TARGETS[name](seed)
    began = time.monotonic()
    halfway = 0.0
    for part in range(PARTS):
        if part == PARTS // 2:
            halfway = resident_mib()
        target.run(messages // PARTS)
    memory = resident_mib()
    growth = memory - halfway
    outcome = Outcome(name, target.tally, time.monotonic() - began, memory, growth)
    assert growth < MOST_GROWTH_MIB, f"The memory grew: {outcome}"
    assert target.tally.events, f"Nothing came of it: {outcome}"
    return outcome


def resident_mib() -> float:
    """Return this process's memory after garbage collection."""
    gc.collect()
    return float(psutil.Process().memory_info().rss) / 2**20
