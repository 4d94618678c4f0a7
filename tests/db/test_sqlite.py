"""SQLite's files: only their owner can read them."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from tests.conftest import RunPython
from tests.support.programs import ROOT


def modes(folder: Path) -> dict[str, int]:
    """Return the mode of each file in the folder."""
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


@pytest.fixture
def _open_umask() -> Iterator[None]:
    """A umask that takes no rights away."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("_open_umask")
def test_new_files_are_private(tmp_path: Path) -> None:
    """The database and the two files beside it are its owner's only."""
    engine = create_engine(f"sqlite:///{tmp_path / 'calls'}")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE one (id INTEGER)"))
        assert modes(tmp_path) == {"calls": 0o600, "calls-wal": 0o600, "calls-shm": 0o600}
    engine.dispose()


@pytest.mark.usefixtures("_open_umask")
def test_existing_file_keeps_its_mode(tmp_path: Path) -> None:
    """An operator who lets a group read the file is not overruled."""
    (tmp_path / "calls").touch(0o640)
    engine = create_engine(f"sqlite:///{tmp_path / 'calls'}")
    with engine.connect():
        assert modes(tmp_path)["calls"] == 0o640
    engine.dispose()


@pytest.mark.usefixtures("_open_umask")
def test_upgrade_command(tmp_path: Path, run_python: RunPython) -> None:
    """`flask db upgrade` creates a private file."""
    path = tmp_path / "new" / "calls.sqlite3"
    path.parent.mkdir()
    command = run_python(
        *("-m", "flask", "--app", str(ROOT / "app.py"), "db", "upgrade"),
        data_dir=str(tmp_path / "data"),
        database_url=f"sqlite:///{path}",
    )
    assert command.wait() == 0, command.output
    assert set(modes(path.parent).values()) == {0o600}
