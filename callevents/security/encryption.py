"""Encryption of stored secrets: Fernet, with keys that can be rotated while processes run."""

import contextlib
from collections.abc import Callable, Sequence
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from callevents.errors import CallEventsError

#: Decrypted secrets in memory: workers need the same few for every request.
CACHE_SIZE = 1024


class UnreadableError(CallEventsError):
    """No key decrypts a secret."""

    def __init__(self) -> None:
        super().__init__(
            "The secrets of this request cannot be decrypted: the key is missing in "
            "CALLEVENTS_ENCRYPTION_KEYS, or in the file encryption_keys in the data folder. Put "
            "the key back, or enter the secrets again."
        )


class Cipher:
    """Encrypts with the first key and decrypts with any. Safe to use from many threads."""

    def __init__(self, read_keys: Callable[[], Sequence[str]]) -> None:
        self._read_keys = read_keys
        self._keys = _make_fernet(read_keys())
        self._cached_decrypt = lru_cache(maxsize=CACHE_SIZE)(self._decrypt)

    def encrypt(self, text: str) -> str:
        """Return the text encrypted."""
        return self._keys.encrypt(text.encode()).decode()

    def decrypt(self, token: str) -> str:
        """Return the decrypted text; raises UnreadableError."""
        return self._cached_decrypt(token)

    def decrypt_once(self, token: str) -> str:
        """Return the decrypted text and do not keep it in memory; raises UnreadableError."""
        return self._decrypt(token)

    def reencrypt(self, token: str) -> str:
        """Return the same text encrypted with the first key; raises UnreadableError."""
        return self.encrypt(self._decrypt(token))

    def reload(self) -> None:
        """Read the keys again; keep the current ones if that fails."""
        with contextlib.suppress(OSError, ValueError):
            self._keys = _make_fernet(self._read_keys())
            # Forget what a removed key decrypted.
            self._cached_decrypt.cache_clear()

    def _decrypt(self, token: str) -> str:
        try:
            return self._keys.decrypt(token.encode()).decode()
        except InvalidToken:
            # Another process may have added a key.
            self.reload()
        try:
            return self._keys.decrypt(token.encode()).decode()
        except InvalidToken:
            raise UnreadableError from None


def make_key() -> str:
    """Return a new random key."""
    return Fernet.generate_key().decode()


def is_key(text: str) -> bool:
    """Return True if the text is a valid key."""
    try:
        Fernet(text)
    except ValueError:
        return False
    return True


def _make_fernet(keys: Sequence[str]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])
