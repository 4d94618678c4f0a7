"""Call Events as real processes, which end with the test."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.programs import CallEvents

Start = Callable[..., CallEvents]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts Call Events, by default in the test's folder."""
    started: list[CallEvents] = []

    def start(data_dir: Path = tmp_path, **options: object) -> CallEvents:
        started.append(CallEvents(data_dir, **options))  # type: ignore[arg-type]  # settings are text
        return started[-1]

    yield start
    for program in reversed(started):
        program.end()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CallEvents]:
    """Call Events, ready, shared by tests that leave it running."""
    program = CallEvents(tmp_path_factory.mktemp("data"))
    program.admin = program.wait_for_admin()
    program.wait_until_ready()
    yield program
    program.end()
