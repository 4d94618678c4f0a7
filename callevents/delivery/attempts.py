"""A request is stored once: attempts that repeat the first one of their delivery refer to it.

While a receiver is down, each delivery has a dozen attempts, and most of each is its URL with the
parameters, or its body. These are not rebuilt from the event: the hook, the name of the PBX and
this program may have changed since, and the log must show what was sent.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, select
from sqlalchemy.orm.attributes import set_committed_value

from callevents.db.bulk import is_one_of
from callevents.db.models import Attempt, Delivery
from callevents.extensions import db


class SentRequest(NamedTuple):
    """What repeats in a request: not the signature, for example."""

    url: str
    body: str


#: Stored instead of the same request as that of the first attempt: no request has an empty URL.
REPEATED = SentRequest("", "")

_FIRST = select(Attempt.delivery_id, Attempt.url, Attempt.request_body).where(
    is_one_of(Attempt.delivery_id, "ids"), Attempt.number == 1
)


def find_first_requests(connection: Connection, ids: Collection[str]) -> dict[str, SentRequest]:
    """Return the request of each of these deliveries' first attempt, by delivery id."""
    if not ids:
        return {}
    rows = connection.execute(_FIRST, {"ids": list(ids)})
    return {delivery_id: SentRequest(url, body) for delivery_id, url, body in rows}


def list_attempts(delivery: Delivery) -> Sequence[Attempt]:
    """Return the delivery's attempts with their requests, oldest first."""
    attempts = db.session.scalars(
        select(Attempt).where(Attempt.delivery_id == delivery.id).order_by(Attempt.number)
    ).all()
    return _with_requests(attempts, attempts[0] if attempts else None)


def find_attempts(
    delivery: Delivery, *, before: int | None = None, limit: int = 1
) -> Sequence[Attempt]:
    """Return the delivery's last attempts with their requests, newest first.

    `before`: only those with a lower number.
    """
    found = select(Attempt).where(Attempt.delivery_id == delivery.id)
    if before is not None:
        found = found.where(Attempt.number < before)
    attempts = db.session.scalars(found.order_by(Attempt.number.desc()).limit(limit)).all()
    return _with_requests(attempts, db.session.get(Attempt, (delivery.id, 1)))


def find_attempt(delivery: Delivery, number: int) -> Attempt | None:
    """Return the delivery's attempt with that number and its request; None without one."""
    attempt = next(iter(find_attempts(delivery, before=number + 1)), None)
    return attempt if attempt and attempt.number == number else None


def _with_requests(attempts: Sequence[Attempt], first: Attempt | None) -> Sequence[Attempt]:
    """Fill in the requests that are those of the first attempt."""
    for one in attempts:
        if not one.url and first is not None:
            # Not as a change, which the session would write back.
            set_committed_value(one, "url", first.url)
            set_committed_value(one, "request_body", first.request_body)
    return attempts
