"""Access tokens that a receiver has refused with 401: they are discarded, and requests repeated."""

from collections.abc import Iterable
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from callevents.delivery.oauth.stored_token import discard_token

if TYPE_CHECKING:
    from callevents.delivery.outcomes import Outcome

UNAUTHORIZED = int(HTTPStatus.UNAUTHORIZED)


def discard_refused_tokens(
    connection: Connection, outcomes: Iterable["Outcome"], now: datetime
) -> set[tuple[int, str]]:
    """Discard the tokens of requests that got a 401; return those that others replace.

    They are named by the ID of the receiver and the stored token.
    """
    refused = {
        (outcome.claim.receiver.id, outcome.claim.receiver.token)
        for outcome in outcomes
        if outcome.claim.receiver is not None
        and outcome.claim.receiver.token
        and outcome.response.status_code == UNAUTHORIZED
    }
    return {one for one in sorted(refused) if discard_token(connection, *one, now)}
