"""The state between the right password and the code: it permits nothing but to enter a code."""

import time
from hashlib import sha256

from flask import session as cookie

from callevents.db.models import User
from callevents.extensions import db
from callevents.web import login

#: Session key: the user, when the password was entered, and which password it was.
KEY = "half"
LIFETIME_SECONDS = 300


def begin(user: User) -> None:
    """Remember in the browser's cookie that the password was right; ends its current session."""
    next_path = cookie.get(login.NEXT_PATH_KEY)
    login.end_session()
    cookie[KEY] = [user.id, int(time.time()), _fingerprint(user)]
    if next_path:
        cookie[login.NEXT_PATH_KEY] = next_path


def find_user() -> User | None:
    """Return the user who entered the password in this browser within LIFETIME_SECONDS."""
    user_id, entered_at, fingerprint = cookie.get(KEY) or (0, 0, "")
    if not 0 <= time.time() - entered_at < LIFETIME_SECONDS:
        return None
    user = db.session.get(User, user_id)
    is_same = user is not None and user.disabled_at is None and _fingerprint(user) == fingerprint
    return user if is_same else None


def end() -> None:
    """Forget that a password was entered."""
    cookie.pop(KEY, None)


def _fingerprint(user: User) -> str:
    """Return a digest that differs after the password was changed."""
    return sha256(f"{user.id}:{user.password_hash}".encode()).hexdigest()[:16]
