"""`make bench ARGS=memory`."""

from tests.bench.running import run_bench


def test_memory_is_printed_while_events_are_delivered() -> None:
    """The processes of worker and web server are found, and their memory."""
    [table] = run_bench("memory", "--deliveries", "100")
    assert all(number > 0 for number in table.numbers("MiB"))
    assert table.numbers("deliveries")[-1] >= 100
