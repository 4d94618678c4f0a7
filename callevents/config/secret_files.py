"""Files of secrets in the data folder, readable by their owner only."""

import contextlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path


def write_keys(path: Path, keys: Sequence[str]) -> None:
    """Replace the file as a whole, so that nobody reads a part of it."""
    descriptor, name = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(descriptor, "w") as file:
        file.write("\n".join(keys))
    Path(name).replace(path)


def write_new_secret(path: Path, text: str) -> None:
    """Write a new secret, readable by its owner only, unless another process has been faster."""
    # mkstemp makes private files; the link appears at once and whole, and never replaces one.
    descriptor, name = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    with contextlib.suppress(FileExistsError):
        path.hardlink_to(name)
    Path(name).unlink()
