"""Judges a group of attacks: each variation, the load meanwhile, and the processes after it."""

from dataclasses import dataclass, field
from statistics import quantiles

#: Growth of the web server's memory that remains after a group.
MAX_GROWTH_MB = 30.0
#: More descriptors than before: connections of the load that are open at the moment.
MAX_DESCRIPTORS = 8
#: The 99th percentile of reports during attacks, compared with the one before them.
MAX_RATIO = 2.0
#: The attackers share the product's processors here: up to this, reports are quick anyway.
FLOOR_MS = 500.0
LONGEST_MS = 1000.0
#: Of fewer reports, the 99th percentile is only the slowest one.
ENOUGH = 100


@dataclass
class Verdict:
    """What a group of attacks did."""

    group: str
    attacks: int = 0
    #: Variations of the attacks, and those that held.
    cases: int = 0
    held: int = 0
    #: The first ones that did not hold.
    failures: list[str] = field(default_factory=list)
    #: Reports accepted and delivered meanwhile, and the seconds that each took.
    events: int = 0
    seconds: list[float] = field(default_factory=list)
    quiet_seconds: list[float] = field(default_factory=list)
    growth_mb: float = 0.0
    complaints: list[str] = field(default_factory=list)
    duration: float = 0.0

    @property
    def is_good(self) -> bool:
        """True if everything held."""
        return self.cases > 0 and self.held == self.cases and not self.complaints


def percentile_ms(seconds: list[float], number: int) -> float:
    """Return the percentile in milliseconds, 0 for too few values."""
    if len(seconds) < 2:
        return 0.0
    return quantiles(seconds, n=100, method="inclusive")[number - 1] * 1000


def judge_times(verdict: Verdict) -> None:
    """Complain if plain reports took longer than they may."""
    now, before = percentile_ms(verdict.seconds, 99), percentile_ms(verdict.quiet_seconds, 99)
    if len(verdict.seconds) >= ENOUGH and now > max(FLOOR_MS, MAX_RATIO * before):
        verdict.complaints.append(f"p99 of reports {now:.0f} ms, quiet {before:.0f} ms")
    if verdict.seconds and max(verdict.seconds) * 1000 > LONGEST_MS:
        verdict.complaints.append(f"the slowest report took {max(verdict.seconds):.1f} s")


def judge_processes(verdict: Verdict, *, descriptors: int, traces: int, restarted: bool) -> None:
    """Complain about what is left in the processes; `descriptors` and `traces` are new ones."""
    if verdict.growth_mb > MAX_GROWTH_MB:
        verdict.complaints.append(f"{verdict.growth_mb:.0f} MB more memory than before")
    if descriptors > MAX_DESCRIPTORS:
        verdict.complaints.append(f"{descriptors} more descriptors than before")
    if traces:
        verdict.complaints.append(f"{traces} traces in the log")
    if restarted:
        verdict.complaints.append("a process ended")
