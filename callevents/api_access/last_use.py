"""Notes when and from where tokens and apps were last used."""

from datetime import timedelta

import structlog
from sqlalchemy import update
from sqlalchemy.exc import SQLAlchemyError

from callevents.db.models import MAX_ADDRESS_LENGTH, ApiToken, OAuthApp, OAuthGrant, utc_now
from callevents.db.session import end_transaction, write_transaction
from callevents.extensions import db

#: Most requests only read. The last use is written no more often than this.
INTERVAL = timedelta(minutes=1)
#: How long a request waits for other writers to SQLite before it does without.
TIMEOUT_MS = 500

log = structlog.get_logger("callevents.api_access")


def note_use(used: ApiToken | OAuthApp | OAuthGrant, address: str = "") -> None:
    """Store that it is in use, unless that was stored within INTERVAL.

    Ends the session's transaction, in which nothing may have been changed yet.
    """
    now, kind = utc_now(), type(used)
    last = used.last_used_at
    if last is not None and last > now - INTERVAL:
        return
    values: dict[str, object] = {"last_used_at": now}
    if not isinstance(used, OAuthGrant):
        values["last_used_address"] = address[:MAX_ADDRESS_LENGTH]
    used_id = used.id
    # Requests that hold a connection and wait for a second one would wait for each other.
    end_transaction()
    impatient = db.engine.execution_options(callevents_busy_timeout_ms=TIMEOUT_MS)
    try:
        with write_transaction(impatient) as connection:
            connection.execute(
                update(kind)
                .where(kind.id == used_id, kind.last_used_at.is_not_distinct_from(last))
                .values(values)
            )
    except SQLAlchemyError as error:
        # A request must not fail for this.
        log.warning("could not store that a token is in use", error=str(error))
