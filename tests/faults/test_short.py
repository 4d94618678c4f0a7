"""The short form of `make faults`: two loops for each system, with a fault of each kind."""

from pathlib import Path

import pytest

from tests.faults.apart import Apart
from tests.faults.loop import Load, Scenario, run
from tests.faults.one_machine import OneMachine
from tests.faults.receivers import BAD
from tests.faults.systems import System
from tests.faults.table import table

LOAD = Load(seconds=4, rate=40, seed=1)
KILLS: dict[type[System], tuple[str, ...]] = {
    OneMachine: ("kill a worker", "kill Valkey", "kill the web server"),
    Apart: (
        "kill a worker",
        "kill Valkey, data lost",
        "kill a web server",
        "stop PostgreSQL at once",
    ),
}
#: Each fault of the hand-over, on one of the systems. A clock that is behind is tested with Drain.
HAND_OVER: dict[type[System], tuple[str, ...]] = {
    OneMachine: (
        "flush Valkey at a hand-over",
        "forge and replay hand-overs",
        "switch off before the pick-up",
    ),
    Apart: (
        "kill a worker at a hand-over",
        "freeze a worker at a hand-over",
        "hand over more than the bound",
        "a worker's clock is ahead",
    ),
}


@pytest.mark.parametrize("kind", [OneMachine, Apart])
def test_nothing_is_lost_or_out_of_order(kind: type[System], tmp_path: Path) -> None:
    """With a hanging receiver and killed processes, all acknowledged events arrive.

    In the order of each call, and again only if it was in flight at a kill.
    """
    [hanging] = (bad for bad in BAD if bad.name == "hanging")
    system = kind(tmp_path)
    try:
        system.start()
        check(system, Scenario("kills", KILLS[kind], (hanging,)))
        check(system, Scenario("hand-over", HAND_OVER[kind]))
    finally:
        system.close()


def check(system: System, scenario: Scenario) -> None:
    """Run a loop in which each fault is made; check that all guarantees were kept."""
    verdict = run(system, scenario, LOAD)
    assert verdict.is_good, table([verdict])
    assert set(verdict.faults) == set(scenario.faults)
