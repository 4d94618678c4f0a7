"""The device cookie: proves that a user has signed in with this browser before.

Delays that others cause do not apply to it. It is no session, and it alone permits nothing.
"""

import secrets

from flask import Response, current_app, request
from itsdangerous import BadSignature, TimestampSigner

from callevents.db.models import User
from callevents.users.users import find_user, normalize_username
from callevents.web.cookies import cookie_name

COOKIE = "callevents_device"
LIFETIME_SECONDS = 365 * 24 * 3600


def find_device_id(username: str) -> str | None:
    """Return the ID of this browser if that user has signed in with it before, else None."""
    signed = request.cookies.get(cookie_name(COOKIE))
    user = find_user(normalize_username(username)) if signed else None
    if not signed or user is None:
        return None
    try:
        return _signer(user).unsign(signed, max_age=LIFETIME_SECONDS).decode()
    except BadSignature:
        return None


def set_device_cookie(response: Response, user: User, device_id: str | None) -> None:
    """Give this browser an ID for the user who has signed in: the one it had before, or a new one.

    A new one each time would give new guesses each time.
    """
    response.set_cookie(
        cookie_name(COOKIE),
        _signer(user).sign(device_id or secrets.token_urlsafe(16)).decode(),
        max_age=LIFETIME_SECONDS,
        secure=request.is_secure,
        httponly=True,
        samesite="Lax",
    )


def _signer(user: User) -> TimestampSigner:
    """Return the signer for one user and password: neither is in the cookie, only in its HMAC."""
    salt = f"{COOKIE}:{user.username}:{user.password_hash}"
    return TimestampSigner(current_app.secret_key or "", salt=salt, key_derivation="hmac")
