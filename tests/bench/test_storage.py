"""`make bench ARGS=storage`."""

import pytest

from tests.bench.running import run_bench


@pytest.mark.postgresql
def test_cost_and_size_of_an_event() -> None:
    """For each size of response a table has the processor time, and another the bytes on disk."""
    tables = run_bench("storage", "--runs", "1")
    costs, sizes = tables[::2], tables[1::2]
    assert len(costs) == len(sizes) == 2
    for table in costs:
        assert table.column("database") == ["SQLite", "PostgreSQL"]
        assert all(number > 0 for number in table.numbers("together"))
    for table in sizes:
        parts = table.column("")
        assert {"all", "attempt", "delivery", "ix_delivery_due"} <= set(parts)
        for name in ("SQLite", "PostgreSQL"):
            total, *tables_and_indexes = table.numbers(name)
            assert total == pytest.approx(sum(tables_and_indexes[:3]), abs=5)
