"""All processes together: failed starts, and stops that take too long."""

import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import psutil
import pytest

from callevents import create_app
from callevents.config.settings import Settings
from callevents.errors import StartError
from callevents.processes.supervisor import processes as processes_module
from callevents.processes.supervisor import valkey as valkey_module
from callevents.processes.supervisor.processes import Processes, Timeouts
from callevents.processes.supervisor.signals import Signals
from tests.support.waiting import wait_until

Make = Callable[..., Processes]
QUICK = Timeouts(web_stop_seconds=0, stop_grace_seconds=0.5)


class Clock:
    """A clock that a test sets; it counts how often it is looked at."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.looks = 0

    def __call__(self) -> float:
        self.looks += 1
        return self.now


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """The web server's socket."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@pytest.fixture
def signals() -> Iterator[Signals]:
    """The signals of the test process."""
    with Signals() as signals:
        yield signals


@pytest.fixture
def own(tmp_path: Path, listener: socket.socket) -> Settings:
    """Settings with a Redis that is not there, so that no Valkey is started."""
    port = listener.getsockname()[1]
    return Settings(
        data_dir=tmp_path,
        port=port,
        redis_url="redis://127.0.0.1:1",
        listeners=0,
        shutdown_seconds=0,
    )


@pytest.fixture
def make(
    own: Settings, listener: socket.socket, signals: Signals, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Make]:
    """Starts processes that run the given code instead of web server and worker."""
    made: list[Processes] = []

    def make(
        code: str, *, timeouts: Timeouts = QUICK, clock: Callable[[], float] = time.monotonic
    ) -> Processes:
        for function, name in (("_serve", "web"), ("_run", "worker")):
            command = [sys.executable, "-c", code, name]
            become = partial(execute, command)
            monkeypatch.setattr(processes_module, function, become)
        made.append(Processes(own, create_app, listener, signals, timeouts=timeouts, clock=clock))
        made[-1].start()
        return made[-1]

    before = set(psutil.Process().children())
    yield make
    for processes in made:
        processes.stop()
    assert set(psutil.Process().children()) == before


def execute(command: list[str], *_anything: object) -> NoReturn:
    """Become the command, as web server or worker."""
    os.execv(command[0], command)


def answer_once(listener: socket.socket, answer: bytes) -> None:
    """Send this response to the next request, in the background."""

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()


def test_process_that_ends_at_once(make: Make) -> None:
    """A process that ends before everything is ready fails the start; the error names it."""
    # Only that one ends: were it both, it would be chance which of them is found first.
    processes = make("import sys, time; sys.argv[1] == 'web' and sys.exit(7); time.sleep(600)")
    with pytest.raises(StartError, match=r"'web' ended during the start \(exit code 7\)"):
        processes.wait_until_ready()


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (b"", "the web server does not respond"),
        (b"no HTTP\r\n\r\n", "the web server does not respond"),
        (
            b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\n"
            b'{"status": "unavailable", "database": "ok", "redis": "does not answer"}',
            "database ok, redis does not answer",
        ),
    ],
    ids=["nothing", "nonsense", "unready"],
)
def test_never_ready(make: Make, listener: socket.socket, answer: bytes, state: str) -> None:
    """A start that takes too long fails; the error names what is missing."""
    answer_once(listener, answer)
    processes = make("import time; time.sleep(60)", timeouts=replace(QUICK, ready_seconds=0))
    with pytest.raises(StartError, match=f"was not ready within 0 s: {state}"):
        processes.wait_until_ready()


def test_web_server_without_response(make: Make) -> None:
    """A web server that accepts the request and never responds is not ready."""
    timeouts = replace(QUICK, ready_seconds=0, response_seconds=0.1)
    processes = make("import time; time.sleep(60)", timeouts=timeouts)
    with pytest.raises(StartError, match="the web server does not respond"):
        processes.wait_until_ready()


def make_stubborn(make: Make, folder: Path, **options: Any) -> Processes:
    """Return a web server and a worker that run and ignore SIGTERM."""
    processes = make(
        "import os, pathlib, signal, time\n"
        f"def note(what): pathlib.Path({str(folder)!r}, f'{{what}}-{{os.getpid()}}').touch()\n"
        "signal.signal(signal.SIGTERM, lambda *_: note('asked'))\n"
        "note('up')\n"
        "time.sleep(60)\n",
        **options,
    )
    wait_until(lambda: len(list(folder.glob("up-*"))) == 2, "both processes")
    return processes


def test_processes_that_do_not_stop(make: Make, tmp_path: Path) -> None:
    """What does not stop when it is asked is ended when its time is over, and not before."""
    clock = Clock()
    processes = make_stubborn(make, tmp_path, clock=clock)
    stopping = threading.Thread(target=processes.stop)
    stopping.start()
    wait_until(lambda: len(list(tmp_path.glob("asked-*"))) == 2, "both to be asked")
    clock.now += QUICK.stop_grace_seconds - 0.01
    looks = clock.looks
    wait_until(lambda: clock.looks > looks + 1, "looks at the clock just before the end")
    pids = [int(path.name.removeprefix("up-")) for path in tmp_path.glob("up-*")]
    assert all(psutil.pid_exists(pid) for pid in pids)
    clock.now += 0.02
    stopping.join()
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_second_signal(make: Make, signals: Signals, tmp_path: Path) -> None:
    """The second signal kills everything at once."""
    processes = make_stubborn(make, tmp_path, timeouts=replace(QUICK, stop_grace_seconds=3600))
    signals.stop_at_once = True
    processes.stop()


def test_valkey_that_does_not_start(
    tmp_path: Path, listener: socket.socket, signals: Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error contains Valkey's output."""
    monkeypatch.setattr(
        valkey_module, "_command", lambda _: [sys.executable, "-c", "raise SystemExit('no room')"]
    )
    processes = Processes(Settings(data_dir=tmp_path), create_app, listener, signals)
    with pytest.raises(StartError, match=r"(?s)The embedded Valkey did not start.*no room"):
        processes.start()


def test_foreign_folder_for_the_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that other users may write to is not used for the socket."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    settings = Settings(data_dir=tmp_path / ("d" * 100))
    folder = settings.valkey_socket.parent
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(StartError, match="belongs to another user"):
        valkey_module.make_valkey(settings)


def test_orphan_that_does_not_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An old Valkey that holds the socket and does not stop fails the start."""
    monkeypatch.setattr(valkey_module, "_is_listening", lambda _: True)
    monkeypatch.setattr(valkey_module.redis.Redis, "shutdown", lambda _, nosave: nosave)
    with pytest.raises(StartError, match="does not stop"):
        valkey_module.make_valkey(Settings(data_dir=tmp_path), max_wait_seconds=-1)
