"""Sign-in: verify the password, then count the result."""

from collections.abc import Sequence
from dataclasses import dataclass

from callevents.db.models import User
from callevents.errors import SignInError
from callevents.users import delays
from callevents.users.delays import Client
from callevents.users.hashing import hash_password, is_outdated, matches
from callevents.users.local_accounts import is_allowed
from callevents.users.users import MAX_USERNAME_LENGTH, find_user, normalize_username


@dataclass(frozen=True)
class Attempt:
    """The result of verifying a password, for `finish`."""

    username: str
    is_correct: bool
    #: The keys that failures are counted by.
    keys: Sequence[str]
    #: A hash with current parameters, if the stored hash has older ones.
    new_hash: str = ""


def verify_password(username: str, password: str, client: Client) -> Attempt:
    """Verify the password; raises TooManyAttemptsError while sign-in is blocked, and BusyError.

    Only reads the database: hashing is slow on purpose and must not hold a write lock.
    """
    username = normalize_username(username)[:MAX_USERNAME_LENGTH]
    keys = delays.find_keys(username, client)
    delays.check_not_blocked(keys)
    user = find_user(username)
    # Other users seem unknown, so that nobody learns who the break-glass user is.
    stored_hash = user.password_hash if user and is_allowed(user) else None
    if not matches(stored_hash, password, is_known=client.is_known):
        return Attempt(username, is_correct=False, keys=keys)
    is_old = stored_hash and is_outdated(stored_hash)
    new_hash = hash_password(password, is_known=client.is_known) if is_old else ""
    return Attempt(username, is_correct=True, keys=keys, new_hash=new_hash)


def finish(attempt: Attempt) -> User:
    """Return the user if the password is correct, else count a failure and raise SignInError.

    The caller commits even then, so that the failure counts. Raises TooManyAttemptsError if other
    failures have blocked sign-in since the password was verified.
    """
    delays.check_not_blocked(attempt.keys)
    user = find_user(attempt.username)
    if not attempt.is_correct or user is None:
        delays.count_failure(attempt.keys)
        raise SignInError("Wrong username or password.")
    delays.forgive(attempt.keys)
    user.password_hash = attempt.new_hash or user.password_hash
    return user
