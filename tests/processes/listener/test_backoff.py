"""The pauses before a PBX is tried again."""

import pytest

from callevents.processes.listener.backoff import REFUSED_SECONDS, Backoff


@pytest.fixture(autouse=True)
def _short_pauses() -> None:
    """Leave the pauses as they are."""


def test_pauses_grow_up_to_the_longest() -> None:
    """Doubled each time, changed at random; after a refusal long from the beginning."""
    pauses = Backoff(60)
    for expected in (1, 2, 4, 8, 16, 32, 60, 60):
        assert expected * 0.8 <= pauses.take() <= expected * 1.2
    pauses.reset()
    assert pauses.take() <= 1.2
    assert pauses.take(is_refused=True) >= REFUSED_SECONDS * 0.8
