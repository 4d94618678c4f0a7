"""Links with which a user sets a password: of an invitation, or of a reset.

The token in the link is random; the row has its SHA-256. A new link replaces the user's old one.
"""

import secrets
from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy import Connection, delete, select

from callevents.db.models import PasswordLink, User, utc_now
from callevents.errors import NotFoundError
from callevents.extensions import db
from callevents.users import users

LIFETIME = timedelta(hours=48)
NOT_VALID = (
    "This link is not valid. It has been used, replaced by a newer one, or is older than 48 hours. "
    "Ask an admin for a new link."
)


def make_link(user: User) -> str:
    """Make the link of the user and return its token, which cannot be read again."""
    withdraw_link(user)
    token = secrets.token_urlsafe(32)
    expires_at = utc_now() + LIFETIME
    db.session.add(PasswordLink(digest=_digest(token), user_id=user.id, expires_at=expires_at))
    db.session.flush()
    return token


def withdraw_link(user: User) -> None:
    """Remove the link of the user, if there is one."""
    db.session.execute(delete(PasswordLink).where(PasswordLink.user_id == user.id))


def find_expiry(user: User) -> datetime | None:
    """Return when the link of the user expires, None if there is no valid link."""
    found: datetime | None = db.session.scalar(
        select(PasswordLink.expires_at).where(
            PasswordLink.user_id == user.id, PasswordLink.expires_at > utc_now()
        )
    )
    return found


def get_user_of(token: str) -> User:
    """Return the user whose link has this token; raises NotFoundError. The link stays valid."""
    user: User | None = db.session.scalar(
        select(User)
        .join(PasswordLink, PasswordLink.user_id == User.id)
        .where(
            PasswordLink.digest == _digest(token),
            PasswordLink.expires_at > utc_now(),
            User.disabled_at.is_(None),
        )
    )
    if user is None:
        raise NotFoundError(NOT_VALID)
    return user


def use_link(token: str, password_hash: str) -> User:
    """Set the password of the link's user and end the user's sessions; raises NotFoundError.

    The link works once: of two uses at the same time, one raises.
    """
    # Everything that changes a user and the link locks the user first.
    user = users.find_user(get_user_of(token).username, lock=True)
    is_link = PasswordLink.digest == _digest(token)
    removed = delete(PasswordLink).where(is_link).returning(PasswordLink.digest)
    if user is None or user.disabled_at or not db.session.scalar(removed):
        raise NotFoundError(NOT_VALID)
    users.change_password(user, password_hash)
    return user


def remove_expired(connection: Connection, now: datetime) -> None:
    """Remove the rows of expired links."""
    connection.execute(delete(PasswordLink).where(PasswordLink.expires_at <= now))


def _digest(token: str) -> str:
    return sha256(token.encode()).hexdigest()
