"""The short form of `make faults`: one loop for each system, with a fault of each kind."""

from pathlib import Path

import pytest

from tests.faults.loop import Load, Scenario, run
from tests.faults.receivers import BAD
from tests.faults.systems import Apart, OneMachine, System
from tests.faults.table import table

LOAD = Load(seconds=4, rate=40, seed=1)
KILLS = {
    OneMachine: ("kill a worker", "kill Valkey", "kill the web server"),
    Apart: (
        "kill a worker",
        "kill Valkey, data lost",
        "kill a web server",
        "stop PostgreSQL at once",
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
        verdict = run(system, Scenario("kills", KILLS[kind], (hanging,)), LOAD)
        assert verdict.is_good, table([verdict])
        assert set(verdict.faults) == set(KILLS[kind])
    finally:
        system.close()
