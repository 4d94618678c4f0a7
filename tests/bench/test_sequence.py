"""`make bench ARGS=sequence`."""

from bench.events import EVENTS
from tests.bench.running import run_bench


def test_each_event_of_the_calls_arrives() -> None:
    """With one worker and with two, each type of event has its times."""
    [table] = run_bench("sequence", "--systems", "sqlite", "--seconds", "1", "--runs", "1")
    assert table.column("workers") == ["1", "2"]
    for event in EVENTS:
        times = table.numbers(f"{event} p")
        assert len(times) == 4
        assert all(number >= 0 for number in times), event
    assert table.column("not arrived") == ["0", "0"]
