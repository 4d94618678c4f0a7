"""Codes of an authenticator app (TOTP, RFC 6238): six digits, new ones every 30 seconds."""

import pyotp
from pyotp.exceptions import OTPVerificationError
from sqlalchemy import delete, update

from callevents.db.models import AppKey, User, utc_now
from callevents.errors import InvalidError
from callevents.extensions import cipher, db
from callevents.users.second_factor.history import record_change

ISSUER = "Call Events"
#: A phone's clock may be wrong by this number of steps, and typing takes time.
TOLERANCE_STEPS = 1
WRONG_CODE = "This is not the current code. Enter the 6 digits that the app shows now."


def make_secret() -> str:
    """Return a new random key, in base32."""
    return pyotp.random_base32()


def provisioning_uri(secret: str, username: str) -> str:
    """Return the URI that apps read from a QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=username, issuer_name=ISSUER)


def find_key(user: User) -> AppKey | None:
    """Return the key of the user's app, None without one."""
    return db.session.get(AppKey, user.id)


def set_up(user: User, secret: str, code: str) -> None:
    """Store the key if the code is its current one, else raise InvalidError about `code`."""
    step = _find_step(secret, code)
    if step is None:
        raise InvalidError.of("code", WRONG_CODE)
    remove(user)
    db.session.add(AppKey(user_id=user.id, secret=cipher.encrypt(secret), last_step=step))
    record_change(user, "app set up")
    db.session.flush()


def accept(user: User, code: str) -> bool:
    """Return True if the code is a current one of the user's app that was not used before."""
    key = find_key(user)
    step = _find_step(cipher.bound.decrypt(key.secret), code) if key else None
    if step is None:
        return False
    # Of two requests with the same code, one changes the row.
    is_later = update(AppKey).where(AppKey.user_id == user.id, AppKey.last_step < step)
    changed = is_later.values(last_step=step).returning(AppKey.user_id)
    return db.session.scalar(changed) is not None


def remove(user: User) -> None:
    """Remove the key of the user's app, if there is one."""
    db.session.execute(delete(AppKey).where(AppKey.user_id == user.id))


def _find_step(secret: str, code: str) -> int | None:
    """Return the time step that has this code, None if it is not a current one."""
    totp = pyotp.TOTP(secret)
    try:
        return totp.verify_and_get_timecode(code, for_time=utc_now(), valid_window=TOLERANCE_STEPS)
    except OTPVerificationError:
        return None
