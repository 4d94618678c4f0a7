"""Users: add, sign in with a growing delay after failures, change the password."""

from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from hashlib import sha256
from math import ceil

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import delete, func, select

from callevents.db.models import SignInFailure, User, utc_now
from callevents.db.session import insert_into
from callevents.enums import Role
from callevents.errors import InvalidError, SignInError, TooManyAttemptsError
from callevents.extensions import db
from callevents.validation import check_text

MIN_PASSWORD_LENGTH = 8
MAX_PASSWORD_LENGTH = 200
MAX_USERNAME_LENGTH = 64
#: The next failure delays sign-in by one second, and each one after it doubles the delay.
FAILURES_WITHOUT_DELAY = 4
MAX_DELAY_SECONDS = 300
#: Older failures no longer count.
FAILURE_LIFETIME = timedelta(hours=1)

_hasher = PasswordHasher()


@cache
def _dummy_hash() -> str:
    """Return a hash to verify for unknown users, so that the response takes equally long."""
    return _hasher.hash("nobody has this password")


def has_users() -> bool:
    """Return True if there is a user."""
    return db.session.scalar(select(User.id).limit(1)) is not None


def add_user(username: str, password: str, role: Role) -> User:
    """Add a user; raises InvalidError about `username` or `password`."""
    username = _check_username(username)
    if db.session.scalar(select(User.id).where(User.username == username)):
        raise InvalidError.of("username", f"A user named {username!r} already exists.")
    check_password(password)
    user = User(username=username, password_hash=_hasher.hash(password), role=role)
    db.session.add(user)
    db.session.flush()
    return user


def find_user(session_id: str) -> User | None:
    """Return the user of a session ID, or None if the session has ended."""
    user_id, _, version = session_id.partition(".")
    if not user_id.isdecimal() or not version.isdecimal():
        return None
    user: User | None = db.session.get(User, int(user_id))
    return user if user is not None and user.session_version == int(version) else None


@dataclass(frozen=True)
class SignInAttempt:
    """The result of verifying a password, for `sign_in`."""

    username: str
    is_correct: bool
    #: The keys that failures are counted by: account and client address.
    keys: tuple[str, str]
    #: A hash with current parameters, if the stored hash has older ones.
    new_hash: str = ""


def verify_password(username: str, password: str, address: str) -> SignInAttempt:
    """Verify the password; raises TooManyAttemptsError while sign-in is blocked.

    Only reads the database: hashing is slow on purpose and must not hold a write lock.
    """
    username = username.strip().lower()[:MAX_USERNAME_LENGTH]
    keys = (_key("account", username), _key("address", address))
    _check_not_blocked(keys)
    user = _find_by_name(username)
    is_correct = _matches_password(user, password)
    is_old = is_correct and user and _hasher.check_needs_rehash(user.password_hash)
    return SignInAttempt(username, is_correct, keys, _hasher.hash(password) if is_old else "")


def sign_in(attempt: SignInAttempt) -> User:
    """Return the user if the password is correct, else count a failure and raise SignInError.

    The caller commits even then, so that the failure counts. Raises TooManyAttemptsError if other
    failures have blocked sign-in since the password was verified.
    """
    _check_not_blocked(attempt.keys)
    user = _find_by_name(attempt.username)
    if not attempt.is_correct or user is None:
        for key in sorted(attempt.keys):
            _count_failure(key)
        raise SignInError("Wrong username or password.")
    db.session.execute(delete(SignInFailure).where(SignInFailure.key == attempt.keys[0]))
    user.password_hash = attempt.new_hash or user.password_hash
    return user


def hash_new_password(user: User, current: str, new: str) -> str:
    """Return the hash of the new password if the current one is correct; raises InvalidError.

    Only reads the database, because hashing is slow on purpose.
    """
    if not _matches_password(user, current):
        raise InvalidError.of("current", "Current password is incorrect.")
    check_password(new, field="new")
    return _hasher.hash(new)


def change_password(user: User, password_hash: str) -> None:
    """Store the hash of the new password and end the other sessions of the user."""
    user.password_hash = password_hash
    user.session_version += 1


def check_password(password: str, *, field: str = "password") -> None:
    """Raise InvalidError about `field` if the password is too short or too long."""
    if not MIN_PASSWORD_LENGTH <= len(password) <= MAX_PASSWORD_LENGTH:
        raise InvalidError.of(
            field,
            f"Must be {MIN_PASSWORD_LENGTH} to {MAX_PASSWORD_LENGTH} characters.",
        )


def _find_by_name(username: str) -> User | None:
    if not username.isprintable():
        return None  # No user has such a name, and PostgreSQL rejects NUL.
    found: User | None = db.session.scalar(select(User).where(User.username == username))
    return found


def _check_username(username: str) -> str:
    username = username.strip().lower()
    if not username:
        raise InvalidError.of("username", "Enter a username.")
    return check_text(username, field="username", max_length=MAX_USERNAME_LENGTH)


def _matches_password(user: User | None, password: str) -> bool:
    if len(password) > MAX_PASSWORD_LENGTH:
        return False
    try:
        _hasher.verify(user.password_hash if user else _dummy_hash(), password)
    except (VerificationError, InvalidHashError, UnicodeError):
        return False
    return user is not None


def _key(kind: str, value: str) -> str:
    return sha256(f"{kind}:{value}".encode("utf-8", "surrogatepass")).hexdigest()


def _check_not_blocked(keys: tuple[str, str]) -> None:
    blocked_until = db.session.scalar(
        select(func.max(SignInFailure.blocked_until)).where(SignInFailure.key.in_(keys))
    )
    if blocked_until is not None and blocked_until > (now := utc_now()):
        raise TooManyAttemptsError(ceil((blocked_until - now).total_seconds()))


def _count_failure(key: str) -> None:
    now = utc_now()
    db.session.execute(
        delete(SignInFailure).where(SignInFailure.failed_at < now - FAILURE_LIFETIME)
    )
    first = {"key": key, "count": 0, "failed_at": now, "blocked_until": now}
    db.session.execute(insert_into(SignInFailure).values(first).on_conflict_do_nothing())
    # The row exists now, and its lock makes concurrent failures wait until we commit.
    failure = db.session.get_one(SignInFailure, key, with_for_update=True, populate_existing=True)
    failure.count += 1
    failure.failed_at = now
    failure.blocked_until = now + timedelta(seconds=_delay_seconds(failure.count))


def _delay_seconds(count: int) -> int:
    """Return the delay in seconds before the next attempt, after `count` failures."""
    if count <= FAILURES_WITHOUT_DELAY:
        return 0
    return min(1 << min(count - FAILURES_WITHOUT_DELAY - 1, 20), MAX_DELAY_SECONDS)
