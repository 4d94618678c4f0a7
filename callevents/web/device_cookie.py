"""The device cookie: proves that a user has signed in with this browser before.

Delays that others cause do not apply to it. It is no session, and it alone permits nothing.
"""

import secrets

from flask import Response, current_app, request
from itsdangerous import BadSignature, TimestampSigner

from callevents.users.users import normalize_username
from callevents.web.cookies import cookie_name

COOKIE = "callevents_device"
LIFETIME_SECONDS = 365 * 24 * 3600


def find_device_id(username: str) -> str | None:
    """Return the ID of this browser if that user has signed in with it before, else None."""
    try:
        signed = request.cookies.get(cookie_name(COOKIE), "")
        return _signer(username).unsign(signed, max_age=LIFETIME_SECONDS).decode()
    except BadSignature:
        return None


def set_device_cookie(response: Response, username: str) -> None:
    """Give this browser a new ID for the user who has signed in."""
    response.set_cookie(
        cookie_name(COOKIE),
        _signer(username).sign(secrets.token_urlsafe(16)).decode(),
        max_age=LIFETIME_SECONDS,
        secure=request.is_secure,
        httponly=True,
        samesite="Lax",
    )


def _signer(username: str) -> TimestampSigner:
    """Return the signer for one user: the name is not in the cookie, which strangers may see."""
    salt = f"{COOKIE}:{normalize_username(username)}"
    return TimestampSigner(current_app.secret_key or "", salt=salt, key_derivation="hmac")
