"""The backoff of connections to a PBX."""

from callevents.processes.listener.backoff import Backoff
from callevents.processes.listener.timings import DEFAULT_TIMINGS


def test_delays_double_up_to_the_maximum() -> None:
    """Delays double, with jitter; after a refused login even the first one is long."""
    backoff = Backoff(60, DEFAULT_TIMINGS)
    for expected in (1, 2, 4, 8, 16, 32, 60, 60):
        assert expected * 0.8 <= backoff.next_delay() <= expected * 1.2
    backoff.reset()
    assert backoff.next_delay() <= 1.2
    assert backoff.next_delay(is_refused=True) >= DEFAULT_TIMINGS.refused_delay_seconds * 0.8
