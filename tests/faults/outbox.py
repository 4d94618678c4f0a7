"""Queries the product's database, whatever is running."""

import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import NullPool, Row, create_engine, func, select
from sqlalchemy.exc import OperationalError

from callevents.db.models import IS_OPEN, Attempt, Delivery

RETRY_SECONDS = 0.02
LONGEST_SECONDS = 60.0


class Outbox:
    """The current deliveries in the database."""

    def __init__(self, url: str) -> None:
        self._engine = create_engine(url, poolclass=NullPool)

    def find_claimed(self) -> set[str]:
        """Return the ids of the deliveries that are claimed, also by a killed worker."""
        query = select(Delivery.id).where(IS_OPEN, Delivery.claimed_at.is_not(None))
        return {row.id for row in self._ask(query)}

    def count_open(self, url: str) -> int:
        """Return the number of open deliveries to URLs with that prefix."""
        query = select(func.count()).where(IS_OPEN, Delivery.url.startswith(url))
        return int(self._ask(query)[0][0])

    def count_states(self, url: str) -> dict[str, int]:
        """Return the number of deliveries by state, to URLs with that prefix."""
        query = (
            select(Delivery.state, func.count())
            .where(Delivery.url.startswith(url))
            .group_by(Delivery.state)
        )
        return {str(row[0]): row[1] for row in self._ask(query)}

    def find_errors(self, url: str) -> set[str]:
        """Return the errors of the attempts of deliveries to URLs with that prefix."""
        query = (
            select(Attempt.error)
            .join(Delivery, Delivery.id == Attempt.delivery_id)
            .where(Delivery.url.startswith(url))
            .distinct()
        )
        return {row.error for row in self._ask(query)}

    def _ask(self, query: Any) -> Sequence[Row[Any]]:
        """Retry until the database responds: it may be starting."""
        give_up_at = time.monotonic() + LONGEST_SECONDS
        while True:
            try:
                with self._engine.connect() as connection:
                    return connection.execute(query).all()
            except OperationalError:
                if time.monotonic() > give_up_at:
                    raise
                time.sleep(RETRY_SECONDS)
