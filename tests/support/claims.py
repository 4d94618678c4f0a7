"""Claiming without an engine, like one round of the dispatcher."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import Connection

from callevents.db.models import utc_now
from callevents.db.session import write_transaction
from callevents.delivery.claim import Claim, ClaimResult, claim_due
from callevents.delivery.fair_share import Share, find_ready
from callevents.delivery.lease import UNLIMITED
from callevents.delivery.load_claims import load_claims
from callevents.extensions import cipher, db

LEASE = timedelta(seconds=30)
MOMENT = timedelta(milliseconds=1)


def look(connection: Connection, limit: int, now: datetime) -> ClaimResult:
    """Claim up to `limit` deliveries of each ready origin, in the connection's transaction."""
    shares = [Share(ready, limit) for ready in find_ready(connection, now)]
    return claim_due(connection, shares, now, LEASE)


def claim(limit: int = 100, now: datetime | None = None) -> dict[str, int]:
    """Claim in a transaction of its own; return the fences by delivery id."""
    with write_transaction(db.engine) as connection:
        return look(connection, limit, now or utc_now()).fences


def load(claimed: Mapping[str, int]) -> list[Claim]:
    """Load the claimed deliveries."""
    with db.engine.connect() as connection:
        claims, unreadable = load_claims(connection, claimed, UNLIMITED, cipher.bound)
    assert not unreadable
    return claims


def is_due(now: datetime) -> bool:
    """Return True if anything is due then."""
    with db.engine.connect() as connection:
        return bool(find_ready(connection, now))
