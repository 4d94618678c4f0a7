"""Users: add one, find one, change the password."""

from sqlalchemy import select

from callevents import audit
from callevents.audit.targets import of_user
from callevents.db.models import User
from callevents.enums import Role
from callevents.errors import InvalidError
from callevents.extensions import db
from callevents.users import sessions
from callevents.users.grants import NewGrant, set_grants
from callevents.users.hashing import hash_password
from callevents.users.passwords import check_password
from callevents.validation import check_text

MAX_USERNAME_LENGTH = 64


def has_users() -> bool:
    """Return True if there is a user."""
    return db.session.scalar(select(User.id).limit(1)) is not None


def add_user(username: str, password: str, role: Role) -> User:
    """Add a user with a role for all PBXs; raises InvalidError about `username` or `password`."""
    username = _check_username(username)
    check_password(password, username)
    user = User(username=username, password_hash=hash_password(password))
    db.session.add(user)
    set_grants(user, [NewGrant(role)])
    audit.record(audit.Action.USER_ADDED, of_user(user), after={"role": role})
    return user


def find_user(username: str) -> User | None:
    """Return the user with that normalized name."""
    if not username.isprintable():
        return None  # No user has such a name, and PostgreSQL rejects NUL.
    found: User | None = db.session.scalar(select(User).where(User.username == username))
    return found


def change_password(user: User, password_hash: str) -> None:
    """Store the hash of the new password and end all sessions of the user."""
    before = {"password": audit.Hidden(user.password_hash)}
    user.password_hash = password_hash
    after = {"password": audit.Hidden(password_hash)}
    audit.record(audit.Action.PASSWORD_CHANGED, of_user(user), before=before, after=after)
    sessions.end_sessions(user)


def normalize_username(username: str) -> str:
    """Return the username as it is stored: two spellings are one user."""
    return username.strip().lower()


def _check_username(username: str) -> str:
    username = normalize_username(username)
    if not username:
        raise InvalidError.of("username", "Enter a username.")
    check_text(username, field="username", max_length=MAX_USERNAME_LENGTH)
    if find_user(username):
        raise InvalidError.of("username", f"A user named {username!r} already exists.")
    return username
