"""Use cases on users: add, sign in with a growing delay after failures, change the password."""

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
#: This many failures bring no delay; the next brings one second, and each after it doubles that.
FREE_FAILURES = 4
LONGEST_DELAY_SECONDS = 300
#: Failures older than this are forgotten.
FORGET_AFTER = timedelta(hours=1)

_hasher = PasswordHasher()


@cache
def _unknown_hash() -> str:
    """Return what is checked for unknown users, so that they are answered as late as known ones."""
    return _hasher.hash("nobody has this password")


def has_users() -> bool:
    """Return whether there is any user."""
    return db.session.scalar(select(User.id).limit(1)) is not None


def add_user(username: str, password: str, role: Role) -> User:
    """Add a user; raises InvalidError about `username` or `password`."""
    username = _check_username(username)
    if db.session.scalar(select(User.id).where(User.username == username)):
        raise InvalidError.of("username", f"There is a user named {username!r} already.")
    check_password(password)
    user = User(username=username, password_hash=_hasher.hash(password), role=role)
    db.session.add(user)
    db.session.flush()
    return user


def find_user(session_id: str) -> User | None:
    """Return the user that a session keeps, None if it has been ended since."""
    user_id, _, version = session_id.partition(".")
    if not user_id.isdecimal() or not version.isdecimal():
        return None
    user: User | None = db.session.get(User, int(user_id))
    return user if user is not None and user.session_version == int(version) else None


@dataclass(frozen=True)
class SignInAttempt:
    """Whose password was given, and whether it was right."""

    username: str
    is_right: bool
    #: What failures are counted under: the account and the address.
    keys: tuple[str, str]
    #: The password's hash with newer parameters, where the stored one has older ones.
    new_hash: str = ""


def try_password(username: str, password: str, address: str) -> SignInAttempt:
    """Compare the password; raises TooManyAttemptsError while sign-in is refused.

    Only reads: comparing takes long on purpose, and nobody else shall have to wait to write.
    """
    username = username.strip().lower()[:MAX_USERNAME_LENGTH]
    keys = (_key("account", username), _key("address", address))
    _refuse_blocked(keys)
    user = _find_by_name(username)
    is_right = _is_password(user, password)
    is_old = is_right and user and _hasher.check_needs_rehash(user.password_hash)
    return SignInAttempt(username, is_right, keys, _hasher.hash(password) if is_old else "")


def sign_in(attempt: SignInAttempt) -> User:
    """Return the user if the password was right; raises SignInError.

    The caller commits also when that is raised, so that the failure counts. What others have
    failed at meanwhile counts before what this one has found: raises TooManyAttemptsError then.
    """
    _refuse_blocked(attempt.keys)
    user = _find_by_name(attempt.username)
    if not attempt.is_right or user is None:
        for key in sorted(attempt.keys):
            _count_failure(key)
        raise SignInError("The username or the password is wrong.")
    db.session.execute(delete(SignInFailure).where(SignInFailure.key == attempt.keys[0]))
    user.password_hash = attempt.new_hash or user.password_hash
    return user


def hash_new_password(user: User, current: str, new: str) -> str:
    """Return the new password's hash if the present one is right; raises InvalidError.

    Only reads, because it takes long on purpose.
    """
    if not _is_password(user, current):
        raise InvalidError.of("current", "This is not your present password.")
    check_password(new, field="new")
    return _hasher.hash(new)


def change_password(user: User, password_hash: str) -> None:
    """Give the user the password of that hash, and end the user's other sessions."""
    user.password_hash = password_hash
    user.session_version += 1


def check_password(password: str, *, field: str = "password") -> None:
    """Raise InvalidError about `field` unless the password has a usable length."""
    if not MIN_PASSWORD_LENGTH <= len(password) <= MAX_PASSWORD_LENGTH:
        raise InvalidError.of(
            field,
            f"A password has {MIN_PASSWORD_LENGTH} to {MAX_PASSWORD_LENGTH} characters.",
        )


def _find_by_name(username: str) -> User | None:
    if not username.isprintable():
        return None  # Nobody is called that, and some databases refuse to look.
    found: User | None = db.session.scalar(select(User).where(User.username == username))
    return found


def _check_username(username: str) -> str:
    username = username.strip().lower()
    if not username:
        raise InvalidError.of("username", "Enter a username.")
    return check_text(username, field="username", longest=MAX_USERNAME_LENGTH)


def _is_password(user: User | None, password: str) -> bool:
    if len(password) > MAX_PASSWORD_LENGTH:
        return False
    try:
        _hasher.verify(user.password_hash if user else _unknown_hash(), password)
    except (VerificationError, InvalidHashError, UnicodeError):
        return False
    return user is not None


def _key(kind: str, value: str) -> str:
    return sha256(f"{kind}:{value}".encode("utf-8", "surrogatepass")).hexdigest()


def _refuse_blocked(keys: tuple[str, str]) -> None:
    blocked_until = db.session.scalar(
        select(func.max(SignInFailure.blocked_until)).where(SignInFailure.key.in_(keys))
    )
    if blocked_until is not None and blocked_until > (now := utc_now()):
        raise TooManyAttemptsError(ceil((blocked_until - now).total_seconds()))


def _count_failure(key: str) -> None:
    now = utc_now()
    db.session.execute(delete(SignInFailure).where(SignInFailure.failed_at < now - FORGET_AFTER))
    first = {"key": key, "count": 0, "failed_at": now, "blocked_until": now}
    db.session.execute(insert_into(SignInFailure).values(first).on_conflict_do_nothing())
    # It is there now, whoever has been first; and nobody else counts until we commit.
    failure = db.session.get_one(SignInFailure, key, with_for_update=True, populate_existing=True)
    failure.count += 1
    failure.failed_at = now
    failure.blocked_until = now + timedelta(seconds=_delay_seconds(failure.count))


def _delay_seconds(count: int) -> int:
    """Return how long the next attempt must wait after that many failures."""
    if count <= FREE_FAILURES:
        return 0
    return min(1 << min(count - FREE_FAILURES - 1, 20), LONGEST_DELAY_SECONDS)
