"""Challenges: random texts that are answered once, within a few minutes."""

from datetime import timedelta
from hashlib import sha256

from sqlalchemy import delete

from callevents.db.models import SpentChallenge, utc_now
from callevents.db.session import insert_into
from callevents.extensions import db

#: How long a challenge can be answered.
LIFETIME = timedelta(minutes=5)


def spend(challenge: bytes) -> bool:
    """Return True the first time that it is called for a challenge."""
    now = utc_now()
    db.session.execute(delete(SpentChallenge).where(SpentChallenge.spent_at < now - 2 * LIFETIME))
    row = {"digest": sha256(challenge).hexdigest(), "spent_at": now}
    added = insert_into(SpentChallenge).values(row).on_conflict_do_nothing()
    return db.session.scalar(added.returning(SpentChallenge.digest)) is not None
