"""Encrypts secrets for the database: Fernet, with keys that can be changed while all runs."""

import contextlib
from collections.abc import Callable, Sequence
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from callevents.errors import CallEventsError

#: So many decrypted secrets are remembered: workers need the same few for every request.
REMEMBERED = 1024


class UnreadableError(CallEventsError):
    """A secret cannot be decrypted with the keys that there are."""

    def __init__(self) -> None:
        super().__init__(
            "The secrets of this request cannot be decrypted: the key they were encrypted with is "
            "not among those in the setting CALLEVENTS_ENCRYPTION_KEYS, or in the file "
            "encryption_keys in the data folder. Put it back, or enter the secrets again."
        )


class Cipher:
    """Encrypts with the first key and decrypts with any. Safe to use from many threads."""

    def __init__(self, read_keys: Callable[[], Sequence[str]]) -> None:
        self._read_keys = read_keys
        self._keys = _join(read_keys())
        self._remembered = lru_cache(maxsize=REMEMBERED)(self._decrypt)

    def encrypt(self, text: str) -> str:
        """Return the text encrypted."""
        return self._keys.encrypt(text.encode()).decode()

    def decrypt(self, token: str) -> str:
        """Return the text that was encrypted; raises UnreadableError."""
        return self._remembered(token)

    def renew(self, token: str) -> str:
        """Return the same text encrypted with the first key; raises UnreadableError."""
        return self.encrypt(self._decrypt(token))

    def reload(self) -> None:
        """Read the keys again; keep those that there are if that fails."""
        with contextlib.suppress(OSError, ValueError):
            self._keys = _join(self._read_keys())
            # What a key has decrypted that was taken away is forgotten.
            self._remembered.cache_clear()

    def _decrypt(self, token: str) -> str:
        try:
            return self._keys.decrypt(token.encode()).decode()
        except InvalidToken:
            # Another process may have made a new key meanwhile.
            self.reload()
        try:
            return self._keys.decrypt(token.encode()).decode()
        except InvalidToken:
            raise UnreadableError from None


def make_key() -> str:
    """Return a new key."""
    return Fernet.generate_key().decode()


def is_key(text: str) -> bool:
    """Return whether the text is a key."""
    try:
        Fernet(text)
    except ValueError:
        return False
    return True


def _join(keys: Sequence[str]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])
