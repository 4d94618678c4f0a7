"""Access tokens that a receiver has refused with 401: they are discarded, and requests repeated."""

from collections.abc import Iterable
from datetime import datetime
from http import HTTPStatus

from sqlalchemy import Connection

from callevents.delivery.claim import OfReceiver
from callevents.delivery.http.client import Response
from callevents.delivery.oauth.stored_token import discard_token

UNAUTHORIZED = int(HTTPStatus.UNAUTHORIZED)


def discard_refused_tokens(
    connection: Connection, responses: Iterable[tuple[OfReceiver, Response]], now: datetime
) -> set[tuple[int, str]]:
    """Discard the tokens of requests that got a 401; return those that others replace.

    They are named by the ID of the receiver and the stored token.
    """
    refused = {
        (receiver.id, receiver.token)
        for receiver, response in responses
        if receiver.token and response.status_code == UNAUTHORIZED
    }
    return {one for one in sorted(refused) if discard_token(connection, *one, now)}
