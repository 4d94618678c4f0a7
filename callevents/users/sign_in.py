"""Sign-in: verify the password, then count the result."""

from collections.abc import Sequence
from dataclasses import dataclass

from callevents import audit
from callevents.audit.actions import ObjectKind
from callevents.audit.sign_in_failures import SignInFailures, shorten_name
from callevents.audit.targets import Target, of_user
from callevents.db.models import User
from callevents.errors import SignInError
from callevents.extensions import app_state
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
    #: The hash that the password was compared with.
    stored_hash: str = ""
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
    # Disabled users seem unknown; so do those of single sign-on, and nobody learns who the
    # break-glass user is.
    stored_hash = user.password_hash if user and is_allowed(user) else ""
    if not matches(stored_hash, password, is_known=client.is_known):
        return Attempt(username, is_correct=False, keys=keys)
    is_old = is_outdated(stored_hash)
    new_hash = hash_password(password, is_known=client.is_known) if is_old else ""
    return Attempt(username, is_correct=True, keys=keys, stored_hash=stored_hash, new_hash=new_hash)


def finish(attempt: Attempt) -> User:
    """Return the user if the password is correct, else count a failure and raise SignInError.

    The caller commits even then, so that the failure counts. Raises TooManyAttemptsError if other
    failures have blocked sign-in since the password was verified.
    """
    delays.check_not_blocked(attempt.keys)
    user = _find_verified_user(attempt)
    if user is None:
        delays.count_failure(attempt.keys)
        _record_failure(attempt.username, find_user(attempt.username))
        raise SignInError("Wrong username or password.")
    delays.forgive(attempt.keys)
    user.password_hash = attempt.new_hash or user.password_hash
    return user


def _record_failure(typed: str, user: User | None) -> None:
    left_out = app_state().get(SignInFailures).take()
    if left_out is None:
        return
    target = of_user(user) if user else Target(ObjectKind.USER, "", shorten_name(typed))
    also = {"failures_left_out": left_out} if left_out else {}
    audit.record(audit.Action.SIGN_IN_FAILED, target, after=also)


def _find_verified_user(attempt: Attempt) -> User | None:
    """Return the user, locked, unless the password was wrong, or is no longer the user's."""
    user = find_user(attempt.username, lock=True) if attempt.is_correct else None
    if user is None or user.disabled_at or user.password_hash != attempt.stored_hash:
        return None
    return user
