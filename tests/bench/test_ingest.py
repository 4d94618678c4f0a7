"""`make bench ARGS=ingest`."""

from tests.bench.running import run_bench


def test_events_without_a_request_are_accepted() -> None:
    """They are accepted, at a cost, and nothing waits for an arrival."""
    [table] = run_bench("ingest", "--systems", "sqlite", "--seconds", "1", "--runs", "1")
    assert table.column("system") == ["Call Events, SQLite"]
    for name in ("events/s", "p50 ms", "p99 ms", "CPU s per 1,000"):
        assert all(number > 0 for number in table.numbers(name)), name
    assert table.column("refused") == ["0"]
