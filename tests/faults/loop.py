"""One loop: load with faults at random moments, then a rest in which all events must arrive."""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

from tests.faults.calls import EVENTS, Pbx, Reported
from tests.faults.receivers import Bad, Healthy, Listening, listening
from tests.faults.systems import System
from tests.faults.verdict import Verdict, find_latencies, judge
from tests.support.waiting import wait_until

#: Between two faults, at least and at most.
PAUSE_SECONDS = (0.3, 1.8)
#: Maximum time until an ended process is restarted.
ABSENCE_SECONDS = 1.0
REST_SECONDS = 120.0
#: The slowest answer of the healthy receiver while faults are made, so that much is in flight.
ANSWER_SECONDS = 0.06


@dataclass(frozen=True)
class Load:
    """Duration, rate and random seed of the load."""

    seconds: float
    rate: float
    seed: int


@dataclass(frozen=True)
class Scenario:
    """The scenario of a loop."""

    name: str
    faults: Sequence[str] = ()
    bad: Sequence[Bad] = ()


def run(system: System, scenario: Scenario, load: Load) -> Verdict:
    """Run the loop on the running system; return what became of its events.

    Bad receivers come in the second half only, so that the first one tells how it was without.
    """
    verdict = Verdict(f"{system.name}: {scenario.name}")
    healthy = Healthy(load.seed, ANSWER_SECONDS if scenario.faults else 0.0)
    try:
        reported = Reported()
        if scenario.bad and not scenario.faults:
            reported = _run_load(system, load, healthy, Scenario("alone"), verdict)
            verdict.alone = find_latencies(reported, healthy.notes)
        last = _run_load(system, load, healthy, scenario, verdict)
        verdict.latencies = find_latencies(last, healthy.notes)
        judge(verdict, reported + last, healthy.notes)
    finally:
        healthy.close()
    return verdict


def _run_load(
    system: System, load: Load, healthy: Healthy, scenario: Scenario, verdict: Verdict
) -> Reported:
    """Report calls of a new extension while faults are made; return when all is at rest."""
    extension = f"{1000 + len(system.commands.run('extensions', 'list', 'faults'))}"
    system.commands.run("extensions", "add", "faults", extension)
    traces = system.count_traces()
    with listening(*scenario.bad) as bad:
        urls = [f"{url}/{extension}" for url in (healthy.url, *(one.url for one in bad))]
        event_ids = _add_hooks(system, extension, urls)
        pbx = Pbx(system.addresses, system.token, extension, rate=load.rate, seed=load.seed)
        pbx.start()
        _make_faults(system, scenario, load, verdict)
        reported = pbx.stop()
        verdict.rest_seconds = _come_to_rest(system, urls[0], verdict)
        for one in bad:
            _check_bad(system, one, verdict)
        for event_id in event_ids:
            system.commands.run("hooks", "disable", event_id, "--cancel")
    if left := system.outbox.count_open(""):
        verdict.complaints.append(f"{left} deliveries of disabled hooks are open")
    verdict.complaints += system.hand_over.complaints
    system.hand_over.complaints = []
    if new := system.count_traces() - traces:
        verdict.complaints.append(f"the log has {new} traces of errors that were not foreseen")
    return reported


def _add_hooks(system: System, extension: str, urls: Sequence[str]) -> list[str]:
    """Send each event of the extension to all these addresses; return the Event IDs."""
    set_hook = ("hooks", "set", "faults", extension)
    return [
        system.commands.run(*set_hook, event, "--add", "--method", "POST", "--url", url)["event_id"]
        for event in EVENTS
        for url in urls
    ]


def _make_faults(system: System, scenario: Scenario, load: Load, verdict: Verdict) -> None:
    """Inject faults until the time is over and each was injected; record what was in flight."""
    dice = random.Random(load.seed)
    until = time.monotonic() + load.seconds
    while time.monotonic() < until or len(verdict.faults) < len(scenario.faults):
        if not scenario.faults:
            break
        time.sleep(dice.uniform(*PAUSE_SECONDS))
        # Each in its turn first, then at random.
        left = [name for name in scenario.faults if not verdict.faults[name]]
        name = left[0] if left else dice.choice(scenario.faults)
        verdict.in_flight.update(system.faults[name]())
        verdict.faults[name] += 1
        time.sleep(dice.uniform(0, ABSENCE_SECONDS))
        system.mend()
    time.sleep(max(0.0, until - time.monotonic()))


def _come_to_rest(system: System, url: str, verdict: Verdict) -> float:
    """Wait until no delivery to that address is open; return the seconds it took."""
    began = time.monotonic()
    try:
        wait_until(lambda: not system.outbox.count_open(url), "rest", REST_SECONDS)
    except AssertionError:
        verdict.complaints.append(f"{system.outbox.count_open(url)} deliveries still wait")
    states = system.outbox.count_states(url)
    if states.keys() - {"delivered"}:
        verdict.complaints.append(f"not everything was delivered: {states}")
    return time.monotonic() - began


def _check_bad(system: System, one: Listening, verdict: Verdict) -> None:
    """Check that deliveries to a bad receiver ended as documented."""
    states = system.outbox.count_states(one.url)
    errors = system.outbox.find_errors(one.url)
    delivered = {"delivered"} if one.bad.delivers else set()
    failed = {"failed"} if one.bad.error else set()
    if not states or states.keys() - delivered - failed - {"pending"}:
        verdict.complaints.append(f"deliveries to the one {one.bad.name} are {states}")
    if not any(one.bad.error in error for error in errors) or one.bad.delivers != ("" in errors):
        verdict.complaints.append(f"the log of the one {one.bad.name} says {errors}")
    if one.trapped:
        verdict.complaints.append(f"{one.trapped} connections to an address that is not allowed")
