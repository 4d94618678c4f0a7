"""Access tokens that a receiver has refused with 401: they are discarded, and requests repeated."""

from collections.abc import Iterable
from datetime import datetime
from http import HTTPStatus

from sqlalchemy import Engine

from callevents.db.session import write_transaction
from callevents.delivery.claim import OfReceiver
from callevents.delivery.http.client import Response
from callevents.delivery.oauth.stored_token import discard_token

UNAUTHORIZED = int(HTTPStatus.UNAUTHORIZED)


def discard_refused_tokens(
    database: Engine, responses: Iterable[tuple[OfReceiver, Response]], now: datetime
) -> set[tuple[int, str]]:
    """Discard the tokens of requests that got a 401; return those that others replace.

    They are named by the ID of the receiver and the stored token. It has a transaction of its own,
    before the one that records: that one locks deliveries, and who changes a receiver locks these
    last. Doing it again returns the same.
    """
    refused = {
        (receiver.id, receiver.token)
        for receiver, response in responses
        if receiver.token and response.status_code == UNAUTHORIZED
    }
    if not refused:
        return set()
    with write_transaction(database) as connection:
        return {one for one in sorted(refused) if discard_token(connection, *one, now)}
