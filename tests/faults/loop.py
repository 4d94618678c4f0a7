"""One loop: load, faults at random moments, and then rest, in which everything has to arrive."""

import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tests.faults.calls import EVENTS, Pbx
from tests.faults.receivers import Bad, Healthy, listening
from tests.faults.systems import System
from tests.faults.verdict import Verdict, judge
from tests.waiting import wait_until

#: Between two faults, at least and at most.
PAUSE_SECONDS = (0.3, 1.8)
#: What ended is started again after at most so long.
ABSENCE_SECONDS = 1.0
REST_SECONDS = 120.0
#: The slowest answer of the healthy receiver while faults are made, so that much is in flight.
ANSWER_SECONDS = 0.06


@dataclass(frozen=True)
class Scenario:
    """What is done in a loop."""

    name: str
    faults: Sequence[str] = ()
    bad: Sequence[Bad] = ()


def run(system: System, scenario: Scenario, *, seconds: float, rate: float, seed: int) -> Verdict:
    """Run the loop on the running system; return what became of its events."""
    verdict = Verdict(f"{system.name}: {scenario.name}", seconds)
    healthy = Healthy(seed, ANSWER_SECONDS if scenario.faults else 0.0)
    extension = f"{1000 + len(system.commands.run('extensions', 'list', 'faults'))}"
    system.commands.run("extensions", "add", "faults", extension)
    try:
        with listening(*scenario.bad) as bad:
            urls = [f"{healthy.url}/{extension}", *(f"{u}/{extension}" for u in bad.values())]
            event_ids = _add_hooks(system, extension, urls)
            pbx = Pbx(system.addresses, system.token, extension, rate=rate, seed=seed)
            pbx.start()
            claimed = _make_faults(system, scenario, seconds, seed, verdict.faults)
            reported = pbx.stop()
            verdict.rest_seconds = _come_to_rest(system, urls[0], verdict)
            _check_bad(system, dict(zip(bad, urls[1:], strict=True)), verdict)
            for event_id in event_ids:
                system.commands.run("hooks", "disable", event_id)
    finally:
        healthy.close()
    judge(verdict, reported, healthy.notes, claimed)
    if left := system.outbox.count_open(""):
        verdict.complaints.append(f"{left} deliveries of disabled hooks are open")
    return verdict


def _add_hooks(system: System, extension: str, urls: Sequence[str]) -> list[str]:
    """Send each event of the extension to all these addresses; return the Event IDs."""
    set_hook = ("hooks", "set", "faults", extension)
    return [
        system.commands.run(*set_hook, event, "--add", "--method", "POST", "--url", url)["event_id"]
        for event in EVENTS
        for url in urls
    ]


def _make_faults(
    system: System, scenario: Scenario, seconds: float, seed: int, made: Counter[str]
) -> Counter[str]:
    """Make faults until the time is over; return at how many each delivery was in flight."""
    dice = random.Random(seed)
    until = time.monotonic() + seconds
    claimed: Counter[str] = Counter()
    while scenario.faults and time.monotonic() < until:
        time.sleep(dice.uniform(*PAUSE_SECONDS))
        # Each in its turn, so that a short loop has them all; then at random.
        left = [name for name in scenario.faults if not made[name]]
        name = left[0] if left else dice.choice(scenario.faults)
        claimed.update(system.faults[name]())
        made[name] += 1
        time.sleep(dice.uniform(0, ABSENCE_SECONDS))
        system.mend()
    time.sleep(max(0.0, until - time.monotonic()))
    return claimed


def _come_to_rest(system: System, url: str, verdict: Verdict) -> float:
    """Wait until nothing to that address waits any more; return how long it took."""
    began = time.monotonic()
    try:
        wait_until(lambda: not system.outbox.count_open(url), "rest", REST_SECONDS)
    except AssertionError:
        verdict.complaints.append(f"{system.outbox.count_open(url)} deliveries still wait")
    states = system.outbox.count_states(url)
    if states.keys() - {"delivered"}:
        verdict.complaints.append(f"not everything was delivered: {states}")
    return time.monotonic() - began


def _check_bad(system: System, urls: dict[Bad, str], verdict: Verdict) -> None:
    """Check that what went to bad receivers has become what the policy says."""
    for bad, url in urls.items():
        states = system.outbox.count_states(url)
        errors = system.outbox.find_errors(url)
        foreseen = {"pending", "failed"} if bad.error else {"delivered", "pending"}
        if not states or states.keys() - foreseen:
            verdict.complaints.append(f"deliveries to the one {bad.name} are {states}")
        if not any(bad.error in error for error in errors) or (bad.error and "" in errors):
            verdict.complaints.append(f"the log of the one {bad.name} says {errors}")
