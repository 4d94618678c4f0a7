"""The backoff of connections to a PBX."""

from dataclasses import replace

from callevents.processes.listener.backoff import Backoff
from callevents.processes.listener.timings import DEFAULT_TIMINGS
from callevents.vendors.tracking.session import PortClosedError, RefusedError, SessionError

LOST = SessionError("The PBX closed the connection.")


def check(backoff: Backoff, error: SessionError | None, *delays: float) -> None:
    """Check the next delays after this error, with their jitter."""
    for expected in delays:
        assert expected * 0.8 <= backoff.next_delay(error) <= expected * 1.2


def test_delays_double_up_to_the_maximum() -> None:
    """Delays double, with jitter; after a refused login even the first one is long."""
    backoff = Backoff(60, DEFAULT_TIMINGS)
    check(backoff, LOST, 1, 2, 4, 8, 16, 32, 60, 60)
    backoff.reset()
    assert backoff.next_delay(RefusedError("no")) >= DEFAULT_TIMINGS.refused_delay_seconds * 0.8


def test_a_closed_port_is_tried_more_often() -> None:
    """A PBX that restarts is found within 15 seconds; a lower maximum applies too."""
    check(Backoff(60, DEFAULT_TIMINGS), PortClosedError("closed"), 1, 2, 4, 8, 15, 15)
    check(Backoff(5, DEFAULT_TIMINGS), PortClosedError("closed"), 1, 2, 4, 5, 5)


def test_the_first_reconnection_is_immediate() -> None:
    """After a working connection, once; a PBX that cuts each connection gets delays again."""
    backoff = Backoff(60, DEFAULT_TIMINGS)
    backoff.reset()
    assert backoff.next_delay(LOST) == 0
    check(backoff, LOST, 1, 2)
    backoff.reset()
    check(backoff, LOST, 1, 2)
    patient = Backoff(60, replace(DEFAULT_TIMINGS, immediate_interval_seconds=0))
    for _ in range(2):
        patient.reset()
        assert patient.next_delay(LOST) == 0
