"""A supervised process: restart, termination and kill."""

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest

from callevents.processes.supervisor.child import MAX_RESTART_SECONDS, Child
from callevents.processes.supervisor.launch import launch
from callevents.processes.supervisor.signals import Signals
from tests.support.waiting import wait_until

SLEEP = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print('up', flush=True); time.sleep(60)",
]
FAIL = [sys.executable, "-c", "raise SystemExit(3)"]


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def make_child(
    command: list[str], tmp_path: Path, clock: Callable[[], float] = time.monotonic
) -> Child:
    """Return a started process that writes to `out`."""
    become = partial(os.execv, command[0], command)
    child = Child("example", become, output=tmp_path / "out", clock=clock)
    child.start()
    return child


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Child]:
    """A process that runs for a minute."""
    child = make_child(SLEEP, tmp_path)
    yield child
    child.kill()


def wait_until_up(tmp_path: Path) -> None:
    """Wait until the process runs its own code."""
    wait_until((tmp_path / "out").read_text, "the process's first words")


def wait_for_end(child: Child) -> None:
    """Wait until the process has ended."""
    wait_until(lambda: child.exit_code is not None, "the process's end")


def test_restart_delays_grow(tmp_path: Path) -> None:
    """The first restart is immediate; repeated failures increase the delay."""
    clock = Clock()
    child = make_child(FAIL, tmp_path, clock)
    pauses = []
    for _ in range(8):
        wait_for_end(child)
        assert child.exit_code == 3
        pause = child.restart_if_ended()
        pauses.append(0.0 if pause == float("inf") else pause)
        clock.now += pauses[-1]
        assert child.restart_if_ended() == float("inf"), "it is restarted after the delay"
    wait_for_end(child)
    assert pauses == [0, 1, 2, 4, 8, 16, MAX_RESTART_SECONDS, MAX_RESTART_SECONDS]


def test_healthy_process_restarts_at_once(tmp_path: Path) -> None:
    """A process that ran for a minute is restarted at once."""
    clock = Clock()
    child = make_child(FAIL, tmp_path, clock)
    for _ in range(2):
        wait_for_end(child)
        clock.now += 60
        assert child.restart_if_ended() == float("inf")
    wait_for_end(child)


def test_running_process_is_not_restarted(child: Child) -> None:
    """Checking a running process changes nothing."""
    pid = child.pid
    assert child.restart_if_ended() == float("inf")
    assert child.pid == pid


def test_terminate(child: Child) -> None:
    """A terminated process stops."""
    child.terminate()
    wait_for_end(child)
    assert child.exit_code == -signal.SIGTERM
    assert child.pid is None
    child.terminate()


def test_kill_includes_its_children(tmp_path: Path) -> None:
    """Killing a process kills its children too, and may be repeated."""
    parent = f"import subprocess; subprocess.run({SLEEP!r})"
    child = make_child([sys.executable, "-c", parent], tmp_path)
    wait_until_up(tmp_path)
    (grandchild,) = psutil.Process(child.pid).children()
    child.kill()
    child.kill()
    wait_until(lambda: not grandchild.is_running(), "the end of the grandchild")


def test_never_started() -> None:
    """A process that was never started can be terminated and killed."""
    child = Child("example", partial(os.execv, SLEEP[0], SLEEP))
    child.terminate()
    child.kill()
    assert child.pid is None
    assert child.exit_code is None


def test_launch_without_supervisor(tmp_path: Path) -> None:
    """If the supervisor has ended meanwhile, the child exits."""
    out = tmp_path / "out"
    out.touch()
    process = multiprocessing.get_context("fork").Process(
        target=launch,
        args=(partial(os.execv, SLEEP[0], SLEEP),),
        kwargs={"name": "example", "supervisor": os.getppid(), "output": out},
    )
    process.start()
    process.join()
    assert process.exitcode == 1
    assert out.read_text() == ""


def test_new_process_receives_signals(tmp_path: Path) -> None:
    """A signal to a process that is being started ends it, and not the supervisor."""
    with Signals() as signals:
        child = Child("example", partial(os.execv, SLEEP[0], SLEEP), output=tmp_path / "out")
        child.start()
        child.terminate()
        wait_for_end(child)
        assert child.exit_code == -signal.SIGTERM
        assert not signals.stop


def test_process_has_its_name(tmp_path: Path) -> None:
    """The process has its name for top and ps."""
    named = Child("worker 7", lambda: time.sleep(60), output=tmp_path / "out")
    named.start()
    wait_until(lambda: psutil.Process(named.pid).name() == "worker 7", "its name")
    named.kill()


def test_second_signal_stops_at_once() -> None:
    """Two signals at the same moment count as one; a later one stops at once."""
    with Signals() as signals:
        assert not signals.stop
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        signals.wait(5)
        assert (signals.stop, signals.stop_at_once) == (True, False)
        signals._stop_time -= 2
        os.kill(os.getpid(), signal.SIGINT)
        signals.wait(5)
        assert signals.stop_at_once


def test_ignored_sighup_stays_ignored() -> None:
    """Under nohup SIGHUP is ignored; afterwards the handlers are restored."""
    old = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Signals() as signals:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not signals.wait(0)
            assert not signals.stop
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, old)
