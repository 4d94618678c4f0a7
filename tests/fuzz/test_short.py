"""The short form of `make fuzz`: 1,500 messages for each target."""

import pytest

from tests.fuzz.running import run
from tests.fuzz.targets import TARGETS

MESSAGES = 1500


@pytest.mark.parametrize("name", TARGETS)
def test_any_message_is_handled(name: str) -> None:
    """No unexpected exception, storable events and bounded memory; `run` checks all three."""
    run(name, MESSAGES, seed=7)
