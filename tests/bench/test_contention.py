"""`make bench ARGS=contention`."""

import pytest

from tests.bench.running import run_bench


@pytest.mark.postgresql
def test_workers_and_web_processes_are_measured() -> None:
    """Full load and a moderate rate have their cost, and the first row is the base of the ratio."""
    [table] = run_bench("contention", "--processes", "2", "--seconds", "1", "--runs", "1")
    assert table.column("workers") == table.column("web processes") == ["2"]
    assert len(table.numbers("CPU s per 1,000")) == 2
    assert all(number > 0 for number in table.numbers("CPU s per 1,000"))
    assert table.column("x") == ["1.00", "1.00"]
    assert table.column("not arrived") == ["0"]
