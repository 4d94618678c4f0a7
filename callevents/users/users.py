"""Users: add one, find one, list them, change the password."""

import re
from collections.abc import Iterable, Sequence

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from callevents import audit
from callevents.audit.targets import of_user
from callevents.db.models import MAX_EMAIL_LENGTH, Grant, User, UserIdentity
from callevents.enums import Role
from callevents.errors import InvalidError, NotFoundError
from callevents.extensions import db
from callevents.users import sessions
from callevents.users.grants import NewGrant, describe_grants, set_grants
from callevents.users.hashing import hash_password
from callevents.users.passwords import check_password
from callevents.validation import check_text

MAX_USERNAME_LENGTH = 64
#: No username contains these.
FORBIDDEN = frozenset("/\\\N{REPLACEMENT CHARACTER}")
#: The addresses that are possible without quotes (RFC 5322, dot-atom).
EMAIL_PATTERN = (
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*"
)


def has_users() -> bool:
    """Return True if there is a user."""
    return db.session.scalar(select(User.id).limit(1)) is not None


def list_users() -> Sequence[User]:
    """Return all users by name, with their grants."""
    grants = selectinload(User.grants)
    scopes = (grants.joinedload(Grant.pbx), grants.joinedload(Grant.extension))
    return db.session.scalars(select(User).options(*scopes).order_by(User.username)).all()


def add_user(username: str, password: str, *roles: Role | NewGrant, email: str = "") -> User:
    """Add a user; a role alone is for all PBXs.

    Raises InvalidError about `username`, `password`, `roles` or `email`.
    """
    username = check_username(username)
    grants = [one if isinstance(one, NewGrant) else NewGrant(one) for one in roles]
    return add_user_with_hash(username, make_hash(password, username), grants, email=email)


def add_user_with_hash(
    username: str, password_hash: str, roles: Iterable[NewGrant], *, email: str = ""
) -> User:
    """Add a user whose password has this hash, made by `make_hash` before a transaction.

    Raises InvalidError about `username`, `roles` or `email`.
    """
    username = check_username(username)
    user = User(username=username, password_hash=password_hash, email=check_email(email))
    db.session.add(user)
    set_grants(user, roles)
    after = {"roles": describe_grants(user), "email": user.email}
    audit.record(audit.Action.USER_ADDED, of_user(user), after=after)
    return user


def make_hash(password: str, username: str) -> str:
    """Return the hash of a new password of the user; raises InvalidError about `password`."""
    check_password(password, normalize_username(username))
    return hash_password(password)


def find_user(username: str, *, lock: bool = False) -> User | None:
    """Return the user with that normalized name; `lock` reads the row again and locks it."""
    if not username.isprintable():
        return None  # No user has such a name, and PostgreSQL rejects NUL.
    found = select(User).where(User.username == username)
    if lock:
        # Rows that refer to the user can be added, as `lock_admins` says.
        locked = found.with_for_update(key_share=True)
        found = locked.execution_options(populate_existing=True)
    user: User | None = db.session.scalar(found)
    return user


def get_user(username: str, *, lock: bool = False) -> User:
    """Return the user, as `find_user` does; raises NotFoundError."""
    user = find_user(normalize_username(username), lock=lock)
    if user is None:
        raise NotFoundError(f"There is no user {username!r}.")
    return user


def has_identity(user: User) -> bool:
    """Return True for users whom a provider of single sign-on signs in."""
    found = select(UserIdentity.id).where(UserIdentity.user_id == user.id).limit(1)
    return db.session.scalar(found) is not None


def change_password(user: User, password_hash: str) -> None:
    """Store the hash of the new password and end all sessions of the user."""
    before = {"password": audit.Hidden(user.password_hash)}
    user.password_hash = password_hash
    after = {"password": audit.Hidden(password_hash)}
    audit.record(audit.Action.PASSWORD_CHANGED, of_user(user), before=before, after=after)
    sessions.end_sessions(user)


def check_email(email: str) -> str:
    """Return the e-mail address, stripped; empty: none. Raises InvalidError about `email`."""
    email = email.strip()
    check_text(email, field="email", max_length=MAX_EMAIL_LENGTH)
    if email and not re.fullmatch(EMAIL_PATTERN, email):
        raise InvalidError.of("email", "Enter an e-mail address such as olga@example.com.")
    return email


def normalize_username(username: str) -> str:
    """Return the username as it is stored: two spellings are one user."""
    return username.strip().lower()


def check_username(username: str) -> str:
    """Return the name of a new user, normalized; raises InvalidError about `username`."""
    username = normalize_username(username)
    check_form(username)
    if find_user(username):
        raise InvalidError.of("username", f"A user named {username!r} already exists.")
    return username


def check_form(username: str) -> None:
    """Raise InvalidError about `username` if no user can have this normalized name."""
    if not username:
        raise InvalidError.of("username", "Enter a username.")
    check_text(username, field="username", max_length=MAX_USERNAME_LENGTH)
    # The name is a part of URLs. Those with U+FFFD are refused: it stands for invalid UTF-8.
    if not FORBIDDEN.isdisjoint(username) or not username.strip("."):
        raise InvalidError.of("username", "Must not contain a slash or consist of dots.")
