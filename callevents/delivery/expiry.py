"""Gives up deliveries whose time is over while they wait: for a retry, their turn, or an origin."""

from datetime import datetime

from sqlalchemy import Connection, exists, or_, select, update

from callevents.db.models import IS_OPEN, Delivery
from callevents.delivery.outbox import release_ordering_keys
from callevents.delivery.retry import describe_age
from callevents.enums import DeliveryState

#: What the log says of a delivery whose time was over when a worker had just claimed it.
GIVEN_UP = "Gave up: its time was over before it could be tried."
#: So many at a time, so that no transaction holds others up.
BATCH = 500


def has_expired(connection: Connection, now: datetime) -> bool:
    """Return whether the time of any open delivery is over; reads only."""
    return bool(connection.scalar(select(exists().where(IS_OPEN, Delivery.expires_at < now))))


def give_up_expired(connection: Connection, now: datetime) -> int:
    """Fail what may not be tried any more and is with no worker; return how many there were."""
    rows = connection.execute(
        select(Delivery.id, Delivery.ordering_key, Delivery.attempts, Delivery.error)
        .add_columns(Delivery.expires_at, Delivery.created_at, Delivery.resent_at)
        .where(
            IS_OPEN,
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
                error=describe_giving_up(age, row.attempts, row.error),
            )
        )
    release_ordering_keys(connection, [row.ordering_key for row in rows], now)
    return len(rows)


def describe_giving_up(age: str, attempts: int, error: str = "") -> str:
    """Return the sentence about a delivery whose time was over before it could be tried."""
    again = " again" if attempts else ""
    return f"{error} Gave up after {age}, before it could be tried{again}.".strip()
