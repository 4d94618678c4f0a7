"""Settings of keys, the first admin and sessions, and the key files in the data folder."""

import contextlib
import os
import secrets
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from callevents.config.base import PREFIX, SettingsError
from callevents.config.storage import StorageSettings
from callevents.security.encryption import is_key, make_key


class SecretSettings(StorageSettings):
    """Secrets of this installation."""

    secret_key: str = Field(
        "",
        description="Signs sessions and forms. At least 32 characters, the same on every machine. "
        "Empty: generated once and kept in the data folder.",
    )
    encryption_keys: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Keys that encrypt the secrets of requests in the database, separated by "
        "commas. The first encrypts, all decrypt. The same on every machine. Empty: generated "
        "once and kept in the data folder.",
    )
    admin_username: str = Field(
        "admin", min_length=1, max_length=64, description="Name of the first admin."
    )
    admin_password: str = Field(
        "",
        description="Password of the first admin, with the rules of all passwords. Empty: "
        "generated and printed once. No effect if a user exists already.",
    )
    session_idle_seconds: float = Field(
        43_200,
        ge=60,
        description="A user who makes no request for this time has to sign in again. Pages that "
        "refresh make requests.",
    )

    @field_validator("secret_key")
    @classmethod
    def _check_secret_key(cls, value: str) -> str:
        if value and len(value) < 32:
            raise ValueError("must have at least 32 characters")
        return value

    @field_validator("encryption_keys", mode="before")
    @classmethod
    def _split_keys(cls, value: object) -> object:
        return _parse_keys(value) if isinstance(value, str) else value

    def read_secret_key(self) -> str:
        """Return the secret key: the setting, else the data folder's, created if missing."""
        if self.secret_key:
            return self.secret_key
        path = self.make_data_dir() / "secret_key"
        if not path.exists():
            write_new_secret(path, secrets.token_urlsafe(48))
        return path.read_text().strip()

    @property
    def encryption_keys_file(self) -> Path:
        """The file with the keys if the setting is empty."""
        return self.data_dir / "encryption_keys"

    def read_encryption_keys(self) -> Sequence[str]:
        """Return the keys: the setting, else those in the data folder, created if missing.

        Raises SettingsError if the file is invalid.
        """
        if self.encryption_keys:
            return self.encryption_keys
        path = self.encryption_keys_file
        if not path.exists():
            self.make_data_dir()
            write_new_secret(path, make_key())
        try:
            return _parse_keys(path.read_text().replace("\n", ","))
        except ValueError as error:
            raise SettingsError(f"Invalid file {path}: {error}.") from None

    def add_encryption_key(self) -> None:
        """Put a new key before those in the data folder.

        Raises SettingsError if the setting has the keys, which only the operator can change.
        """
        if self.encryption_keys:
            raise SettingsError(
                f"The keys are set in {PREFIX}ENCRYPTION_KEYS. Add the new key there."
            )
        write_keys(self.encryption_keys_file, [make_key(), *self.read_encryption_keys()])

    def drop_old_encryption_keys(self) -> None:
        """Keep the first two keys in the data folder: other processes may still use the second."""
        write_keys(self.encryption_keys_file, self.read_encryption_keys()[:2])


def _parse_keys(text: str) -> tuple[str, ...]:
    keys = tuple(part.strip() for part in text.split(",") if part.strip())
    if not keys or not all(map(is_key, keys)):
        raise ValueError("must be keys made by `flask secrets make-key`")
    return keys


def write_keys(path: Path, keys: Sequence[str]) -> None:
    """Replace the file atomically, so that no process reads a part of it."""
    descriptor, name = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(descriptor, "w") as file:
        file.write("\n".join(keys))
    Path(name).replace(path)


def write_new_secret(path: Path, text: str) -> None:
    """Create the file, readable by its owner only, unless another process was faster."""
    # mkstemp creates private files; the hard link is atomic and never replaces a file.
    descriptor, name = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    with contextlib.suppress(FileExistsError):
        path.hardlink_to(name)
    Path(name).unlink()
