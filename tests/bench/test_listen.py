"""`make bench ARGS=listen`."""

from bench.listen import SAMPLES
from tests.bench.running import run_bench


def test_a_listener_stores_what_a_busy_pbx_sends() -> None:
    """Each sample has its times, and events are stored."""
    [table] = run_bench("listen", "--seconds", "3")
    assert len(table.rows) == SAMPLES
    assert all(number > 0 for number in table.numbers("events"))
