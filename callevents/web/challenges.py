"""The challenge that a browser answers with a passkey, kept in its cookie for a few minutes."""

import time
from base64 import b64decode, b64encode

from flask import session as cookie

from callevents.users.challenges import LIFETIME

#: Session key: what the challenge is for, its time, and the challenge.
KEY = "challenge"


def put(purpose: str, challenge: bytes) -> None:
    """Remember the challenge in place of a former one."""
    cookie[KEY] = [purpose, int(time.time()), b64encode(challenge).decode()]


def take(purpose: str) -> bytes | None:
    """Return the challenge for this purpose and forget it; None if there is none or it is old."""
    found, put_at, challenge = cookie.pop(KEY, None) or ("", 0, "")
    is_fresh = 0 <= time.time() - put_at < LIFETIME.total_seconds()
    return b64decode(challenge) if found == purpose and is_fresh else None
