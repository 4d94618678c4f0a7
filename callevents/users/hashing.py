"""Argon2 hashes of passwords, at most two computations at a time in one process.

Each takes 64 MiB and a processor for a moment. Without a limit, sign-ins at the same time would
take the memory and the threads of everything else.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import BoundedSemaphore, Lock

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from callevents.errors import BusyError
from callevents.users.passwords import MAX_PASSWORD_LENGTH

_hasher = PasswordHasher()


class _Lane:
    """Lets one computation run and a few wait; raises BusyError for more."""

    def __init__(self, max_waiting: int) -> None:
        self._places = BoundedSemaphore(1 + max_waiting)
        self._running = Lock()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for the turn and hold it."""
        if not self._places.acquire(blocking=False):
            raise BusyError
        try:
            with self._running:
                yield
        finally:
            self._places.release()


#: Two lanes, so that a flood of strangers does not keep out the devices that users signed in with
#: before. Together they leave two of the eight threads that a web process has for pages by default.
_KNOWN_DEVICES = _Lane(max_waiting=2)
_STRANGERS = _Lane(max_waiting=2)


def hash_password(password: str, *, is_known: bool = False) -> str:
    """Return the hash of a new password; raises BusyError."""
    with _lane(is_known).turn():
        return _hasher.hash(password)


def matches(stored_hash: str | None, password: str, *, is_known: bool = False) -> bool:
    """Return True if the password has this hash; raises BusyError.

    Without a hash, as for an unknown user, it is False after the same time. Users of single
    sign-on have an empty one.
    """
    if len(password) > MAX_PASSWORD_LENGTH:
        return False
    with _lane(is_known).turn():
        # Computed even if it is not used, so that the first call takes equally long as well.
        dummy_hash = _dummy_hash()
        try:
            _hasher.verify(stored_hash or dummy_hash, password)
        except (VerificationError, InvalidHashError, UnicodeError):
            return False
    return bool(stored_hash)


def is_outdated(stored_hash: str) -> bool:
    """Return True if the hash has other parameters than a new one."""
    return _hasher.check_needs_rehash(stored_hash)


def _lane(is_known: bool) -> _Lane:
    return _KNOWN_DEVICES if is_known else _STRANGERS


@cache
def _dummy_hash() -> str:
    return _hasher.hash("nobody has this password")
