"""`make bench ARGS=rows`."""

import pytest

from tests.bench.running import run_bench


@pytest.mark.postgresql
def test_an_empty_and_a_filled_database_are_compared() -> None:
    """Deliveries are claimed and recorded in both, on SQLite and on PostgreSQL."""
    [table] = run_bench("rows", "--rows", "200", "--runs", "1")
    assert table.column("database") == ["SQLite", "PostgreSQL"]
    for name in ("none", "filled"):
        assert all(number > 0 for number in table.numbers(name)), name
