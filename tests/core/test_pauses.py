"""The pauses before a PBX is tried again."""

from callevents.processes.listener.backoff import REFUSED_DELAY_SECONDS, Backoff


def test_pauses_grow_up_to_the_longest() -> None:
    """Doubled each time, changed at random; after a refusal long from the beginning."""
    pauses = Backoff(60)
    for expected in (1, 2, 4, 8, 16, 32, 60, 60):
        assert expected * 0.8 <= pauses.next_delay() <= expected * 1.2
    pauses.reset()
    assert pauses.next_delay() <= 1.2
    assert pauses.next_delay(is_refused=True) >= REFUSED_DELAY_SECONDS * 0.8
