"""The backoff of connections to a PBX."""

import pytest

from callevents.processes.listener.backoff import REFUSED_DELAY_SECONDS, Backoff


@pytest.fixture(autouse=True)
def _short_pauses() -> None:
    """Keep the real delays, which other tests of this folder shorten."""


def test_delays_double_up_to_the_maximum() -> None:
    """Delays double, with jitter; after a refused login even the first one is long."""
    backoff = Backoff(60)
    for expected in (1, 2, 4, 8, 16, 32, 60, 60):
        assert expected * 0.8 <= backoff.next_delay() <= expected * 1.2
    backoff.reset()
    assert backoff.next_delay() <= 1.2
    assert backoff.next_delay(is_refused=True) >= REFUSED_DELAY_SECONDS * 0.8
