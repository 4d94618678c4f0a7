"""`make bench ARGS=throughput`."""

from tests.bench.running import run_bench


def test_systems_are_measured_and_compared() -> None:
    """All that two systems accept arrives, at a cost, and their ratio is printed."""
    table, ratios = run_bench(
        "throughput", "--systems", "sqlite,rq-simple", "--seconds", "1", "--runs", "1"
    )
    assert table.column("system") == ["Call Events, SQLite", "Flask + RQ, SimpleWorker"]
    for name in ("events/s", "ingest p50 ms", "CPU s per 1,000", "peak MiB"):
        assert all(number > 0 for number in table.numbers(name)), name
    assert table.column("not arrived") == ["0", "0"]
    [[ours, other, rate, _goal, cost]] = ratios.rows
    assert [ours, other] == table.column("system")
    assert float(rate) > 0
    assert float(cost) > 0
