"""The short form of `make fuzz`: a thousand messages and more into each reader."""

import pytest

from tests.fuzz.running import run
from tests.fuzz.targets import TARGETS

MESSAGES = 1500


@pytest.mark.parametrize("name", TARGETS)
def test_whatever_comes_in(name: str) -> None:
    """No exception, events, all of which can be stored, and bounded memory: `run` fails else."""
    run(name, MESSAGES, seed=7)
