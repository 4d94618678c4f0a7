"""One instance per data folder."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper

from callevents.config import PREFIX
from callevents.config.settings import Settings
from callevents.errors import StartError


@contextmanager
def locked(settings: Settings, url: str) -> Iterator[None]:
    """Hold the data folder's lock, which says who holds it; raises StartError if another does."""
    path = settings.make_data_dir() / "run.lock"
    # Opened for appending, so that a refused start leaves the holder's words in place.
    with path.open("a+") as file:
        try:
            # Not flock: the processes that we fork would hold that lock too, as long as they live.
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            raise StartError(_sentence(file)) from None
        file.truncate(0)
        file.write(f"{os.getpid()} {url}\n")
        file.flush()
        yield


def _sentence(file: TextIOWrapper) -> str:
    file.seek(0)
    process, _, url = file.read().strip().partition(" ")
    return (
        f"Call Events is running already at {url} (process {process}). Stop that one first, "
        f"or set {PREFIX}DATA_DIR to another folder."
    )
