"""Authenticates messages between our processes, which pass through Redis, with a key of ours."""

import contextlib
import hashlib
import hmac
import time
from collections.abc import Callable, Sequence

TAG_BYTES = 16
#: Keys are read again for an unknown tag, but not more often: anyone may write forged messages.
RELOAD_SECONDS = 1.0
#: A process that only writes reads them again after this time: a key may be dropped.
REFRESH_SECONDS = 60.0


class MessageAuth:
    """Puts a tag before messages, and checks it. The keys derive from the encryption keys."""

    def __init__(self, read_keys: Callable[[], Sequence[str]], purpose: str) -> None:
        self._read_keys = read_keys
        self._purpose = purpose.encode()
        self._keys = self._derive()
        self._read_at = time.monotonic()

    def seal(self, message: bytes) -> bytes:
        """Return the message with its tag."""
        self._reload_after(REFRESH_SECONDS)
        return _tag(self._keys[0], message) + message

    def open(self, sealed: bytes) -> bytes | None:
        """Return the message without its tag, None if the tag is not ours."""
        tag, message = sealed[:TAG_BYTES], sealed[TAG_BYTES:]
        if self._is_ours(tag, message):
            return message
        # Another process may have added a key.
        if self._reload_after(RELOAD_SECONDS) and self._is_ours(tag, message):
            return message
        return None

    def _reload_after(self, seconds: float) -> bool:
        """Read the keys again if they were not within that time; return True if they were now."""
        if time.monotonic() - self._read_at <= seconds:
            return False
        self._read_at = time.monotonic()
        with contextlib.suppress(OSError, ValueError):
            self._keys = self._derive()
        return True

    def _is_ours(self, tag: bytes, message: bytes) -> bool:
        return any(hmac.compare_digest(tag, _tag(key, message)) for key in self._keys)

    def _derive(self) -> list[bytes]:
        return [
            hmac.digest(key.encode(), self._purpose, hashlib.sha256) for key in self._read_keys()
        ]


def _tag(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, hashlib.sha256)[:TAG_BYTES]
