"""`make bench ARGS=profile`."""

from tests.bench.running import run_bench


def test_a_profile_names_processes_and_functions() -> None:
    """Web server and worker take time, and their functions are named with their modules."""
    processes, *functions = run_bench("profile", "--seconds", "2", "--systems", "sqlite")
    spent = dict(zip(processes.column("process"), processes.numbers("user"), strict=True))
    assert spent["web"] > 0
    assert spent["worker 1"] > 0
    named = [name for table in functions for name in table.column("function")]
    assert any("callevents/processes/web_server" in name for name in named)
    assert any("callevents/delivery" in name for name in named)
