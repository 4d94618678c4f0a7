"""Removes what has expired: tokens, consents, answers to be repeated."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete

from callevents.api_access import api_tokens, app_tokens
from callevents.db.models import IdempotencyKey

#: An expired API token is listed for so long, so that its owner sees why it no longer works.
KEEP_EXPIRED = timedelta(days=30)
#: How long a POST with the same Idempotency-Key gets the same answer.
KEEP_ANSWERS = timedelta(hours=24)


def remove_old(connection: Connection, now: datetime) -> None:
    """Remove the rows that are of no use any more."""
    api_tokens.remove_expired(connection, now - KEEP_EXPIRED)
    app_tokens.remove_expired(connection, now)
    old = IdempotencyKey.created_at < now - KEEP_ANSWERS
    connection.execute(delete(IdempotencyKey).where(old))
