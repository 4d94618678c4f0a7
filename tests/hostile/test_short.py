"""The short form of `make hostile`: fewer variations of each attack, and no times are judged."""

from collections.abc import Iterator

import pytest

from tests.hostile.arena import Arena, open_arena
from tests.hostile.groups import GROUPS
from tests.hostile.running import run_group
from tests.hostile.table import table
from tests.hostile.verdict import Verdict


@pytest.fixture(scope="module")
def arena() -> Iterator[Arena]:
    """The running product beside its load."""
    with open_arena(seed=7, is_short=True) as arena:
        yield arena


@pytest.mark.parametrize("group", GROUPS)
def test_attacks_are_held(arena: Arena, group: str) -> None:
    """No attack succeeds, each event that is reported meanwhile arrives, and nothing is left."""
    verdict = Verdict(group)
    assert not run_group(arena, GROUPS[group], verdict)
    assert verdict.is_good, table([verdict])
