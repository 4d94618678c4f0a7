"""Recovery codes: for users who lost what they sign in with. Each works once."""

import secrets
from collections.abc import Sequence
from hashlib import sha256

from sqlalchemy import delete, func, insert, select

from callevents.db.models import RecoveryCode, User
from callevents.extensions import db
from callevents.users.second_factor.history import record_change

NUMBER_OF_CODES = 10
#: Without those that look alike. 16 of them are as many as 2 to the power of 79.
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
LENGTH = 16
GROUP = 4


def renew(user: User) -> Sequence[str]:
    """Replace the user's codes and return the new ones, which cannot be read again."""
    codes = [
        "".join(secrets.choice(ALPHABET) for _ in range(LENGTH)) for _ in range(NUMBER_OF_CODES)
    ]
    remove(user)
    rows = [{"user_id": user.id, "digest": _digest(code)} for code in codes]
    db.session.execute(insert(RecoveryCode), rows)
    record_change(user, "recovery codes renewed")
    return [_in_groups(code) for code in codes]


def accept(user: User, code: str) -> bool:
    """Return True if it is a code of the user, which then no longer works."""
    found = delete(RecoveryCode).where(
        RecoveryCode.user_id == user.id, RecoveryCode.digest == _digest(code)
    )
    return db.session.scalar(found.returning(RecoveryCode.user_id)) is not None


def count(user: User) -> int:
    """Return the number of codes that still work."""
    found = select(func.count()).select_from(RecoveryCode).where(RecoveryCode.user_id == user.id)
    return db.session.scalar(found) or 0


def remove(user: User) -> None:
    """Remove all codes of the user."""
    db.session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user.id))


def _in_groups(code: str) -> str:
    return "-".join(code[start : start + GROUP] for start in range(0, LENGTH, GROUP))


def _digest(code: str) -> str:
    """Return the digest of a code, however it is typed."""
    return sha256("".join(filter(str.isalnum, code.lower())).encode()).hexdigest()
