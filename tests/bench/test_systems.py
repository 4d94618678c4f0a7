"""The measured systems, and the processes whose CPU time and memory count."""

from collections import Counter
from pathlib import Path

import pytest

from bench.driver import Load
from bench.systems.ours import OnPostgres


@pytest.mark.postgresql
def test_all_processes_are_measured(tmp_path: Path) -> None:
    """PostgreSQL and Valkey count, and each of the workers and web processes."""
    with Load() as load:
        before = load.others()
        settings = {"workers": "2", "web_processes": "3"}
        with OnPostgres(tmp_path, load.receiver_url, **settings) as system:
            found = [process for process in load.others() if process not in before]
            names = Counter(process.name().partition(" ")[0] for process in found)
            assert names["worker"] == 2
            assert names["web"] == 4, "three, and the one that started them"
            assert names["valkey-server"] == 1
            databases = [process.name() for process in system.more_processes()]
            assert databases.count("postgres") > 5
    assert [process for process in found if process.is_running()] == []
