"""The keys and the first admin's password, given or made once and kept in the data folder."""

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
    """What only this installation may know."""

    secret_key: str = Field(
        "",
        description="Signs sessions and forms; at least 32 characters, the same on every machine. "
        "Empty: made once and kept in the data folder.",
    )
    encryption_keys: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Keys that secrets of requests are encrypted with in the database, with commas "
        "between them: the first encrypts, all decrypt; the same on every machine. "
        "Empty: made once and kept in the data folder.",
    )
    admin_username: str = Field(
        "admin", min_length=1, max_length=64, description="Name of the first admin."
    )
    admin_password: str = Field(
        "",
        description="Password of the first admin, at least 8 characters. Empty: made and printed "
        "once. Has no effect when a user exists already.",
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
        return _keys(value) if isinstance(value, str) else value

    @field_validator("admin_password")
    @classmethod
    def _check_admin_password(cls, value: str) -> str:
        if value and len(value) < 8:
            raise ValueError("must have at least 8 characters")
        return value

    def read_secret_key(self) -> str:
        """Return the secret key: the setting, else the data folder's, made if missing."""
        if self.secret_key:
            return self.secret_key
        path = self.make_data_dir() / "secret_key"
        if not path.exists():
            write_new_secret(path, secrets.token_urlsafe(48))
        return path.read_text().strip()

    @property
    def encryption_keys_file(self) -> Path:
        """Where the keys are kept that no setting gives."""
        return self.data_dir / "encryption_keys"

    def read_encryption_keys(self) -> Sequence[str]:
        """Return the setting's keys, else the data folder's, made if missing.

        Raises SettingsError if the file has something else.
        """
        if self.encryption_keys:
            return self.encryption_keys
        path = self.encryption_keys_file
        if not path.exists():
            self.make_data_dir()
            write_new_secret(path, make_key())
        try:
            return _keys(path.read_text().replace("\n", ","))
        except ValueError as error:
            raise SettingsError(f"The file {path} is wrong: {error}.") from None

    def add_encryption_key(self) -> None:
        """Put a new key before those in the data folder; raises SettingsError.

        Where the setting gives the keys, it has to be put there.
        """
        if self.encryption_keys:
            raise SettingsError(f"The keys are in the setting {PREFIX}ENCRYPTION_KEYS.")
        write_keys(self.encryption_keys_file, [make_key(), *self.read_encryption_keys()])

    def drop_old_encryption_keys(self) -> None:
        """Keep the first key in the data folder, and the one before: others may still use that."""
        write_keys(self.encryption_keys_file, self.read_encryption_keys()[:2])


def _keys(text: str) -> tuple[str, ...]:
    keys = tuple(part.strip() for part in text.split(",") if part.strip())
    if not keys or not all(map(is_key, keys)):
        raise ValueError("must be keys that `flask secrets make-key` has made")
    return keys


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
