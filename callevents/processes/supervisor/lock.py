"""Lock file: one instance per data folder."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper

from callevents.config import PREFIX
from callevents.config.settings import Settings
from callevents.errors import StartError


@contextmanager
def data_dir_lock(settings: Settings, url: str) -> Iterator[None]:
    """Lock the data folder for this process; raises StartError if another instance holds it."""
    path = settings.make_data_dir() / "run.lock"
    # Opened for appending, so that a refused start does not erase the holder's data.
    with path.open("a+") as file:
        try:
            # Not flock: forked processes would inherit that lock.
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            raise StartError(_already_running(file)) from None
        file.truncate(0)
        file.write(f"{os.getpid()} {url}\n")
        file.flush()
        yield


def _already_running(file: TextIOWrapper) -> str:
    file.seek(0)
    process, _, url = file.read().strip().partition(" ")
    return (
        f"Call Events is already running at {url} (process {process}). Stop it first, "
        f"or set {PREFIX}DATA_DIR to another folder."
    )
