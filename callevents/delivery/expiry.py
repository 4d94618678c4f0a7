"""Fails deliveries that expire while they wait.

They wait for a retry, an earlier delivery or an origin, or are held.
"""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, exists, or_, select, update
from sqlalchemy import Engine as SqlEngine

from callevents.db.models import Delivery, OpenIndex, is_held_by, is_open_by, utc_now
from callevents.db.session import read_connection, write_transaction
from callevents.delivery.outbox import release_ordering_keys
from callevents.delivery.retry import describe_age
from callevents.enums import DeliveryState

#: Error of a delivery that had expired when a worker had just claimed it.
EXPIRED_ERROR = "Expired before the attempt started."
#: Deliveries in one transaction, so that none blocks others for long.
BATCH = 500

_STATES = (is_open_by(OpenIndex.EXPIRES_AT), is_held_by(OpenIndex.EXPIRES_AT))


def fail_all_expired(database: SqlEngine, is_stopping: Callable[[], bool]) -> None:
    """Fail all expired deliveries, batch by batch, until none is left or `is_stopping()`."""
    while not is_stopping():
        with read_connection(database) as connection:
            if not has_expired(connection, utc_now()):
                return
        with write_transaction(database) as connection:
            if not fail_expired(connection, utc_now()):
                return


def has_expired(connection: Connection, now: datetime) -> bool:
    """Return True if any open or held delivery has expired; only reads."""
    expired = (exists().where(state, Delivery.expires_at < now) for state in _STATES)
    return bool(connection.scalar(select(or_(*expired))))


def fail_expired(connection: Connection, now: datetime) -> int:
    """Fail a batch of expired deliveries that no worker has; return how many."""
    # One after the other, as each state has its own index.
    return sum(_fail_expired(connection, now, state) for state in _STATES)


def _fail_expired(connection: Connection, now: datetime, state: ColumnElement[bool]) -> int:
    rows = connection.execute(
        select(Delivery.id, Delivery.ordering_key, Delivery.attempts, Delivery.error)
        .add_columns(Delivery.expires_at, Delivery.created_at, Delivery.resent_at)
        .where(
            state,
            Delivery.expires_at < now,
            or_(Delivery.claimed_at.is_(None), Delivery.due_at <= now),
        )
        .order_by(Delivery.expires_at)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    ).all()
    for row in rows:
        age = describe_age(row.expires_at - (row.resent_at or row.created_at))
        connection.execute(
            update(Delivery)
            .where(Delivery.id == row.id)
            .values(
                state=DeliveryState.FAILED,
                finished_at=now,
                claimed_at=None,
                error=describe_expiry(age, row.attempts, row.error),
            )
        )
    release_ordering_keys(connection, [row.ordering_key for row in rows], now)
    return len(rows)


def describe_expiry(age: str, attempts: int, error: str = "") -> str:
    """Return the error of a delivery that expired while it waited, after that of its last attempt.

    `age` is a text such as '5 minutes'.
    """
    attempt = "next" if attempts else "first"
    return f"{error} Expired after {age}, before the {attempt} attempt.".strip()
