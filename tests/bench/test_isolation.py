"""`make bench ARGS=isolation`."""

from tests.bench.running import run_bench


def test_events_arrive_beside_a_receiver_that_hangs() -> None:
    """The times alone and beside it are there, with their ratio, and every event arrives."""
    [table] = run_bench("isolation", "--systems", "sqlite", "--seconds", "1", "--runs", "1")
    assert table.column("system") == ["Call Events, SQLite"]
    # Zero if the request arrives before the response to its report.
    for name in ("alone p50 ms", "beside p50 ms"):
        assert all(number >= 0 for number in table.numbers(name)), name
    assert all(number > 0 for number in table.numbers("p99 beside / alone"))
    assert table.column("not arrived") == ["0"]
