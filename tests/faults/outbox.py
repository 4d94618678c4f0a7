"""Queries the product's database, whatever is running."""

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TypeVarTuple

from sqlalchemy import NullPool, Row, Select, create_engine, func, select
from sqlalchemy.exc import OperationalError

from callevents.db.models import (
    IS_OPEN,
    Attempt,
    Delivery,
    Hook,
    Origin,
    WorkerProcess,
    utc_now,
)
from callevents.db.session import WRITES, write_transaction
from callevents.delivery.suspend import suspend

Columns = TypeVarTuple("Columns")

RETRY_SECONDS = 0.02
LONGEST_SECONDS = 60.0
#: Others lock for some milliseconds. Who locks for longer is suspended.
LOCKED_SECONDS = 0.3
_LOCK_ORIGINS = select(Origin.id).with_for_update(key_share=True, read=True, nowait=True)


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

    def count_foreign(self) -> int:
        """Return the number of jobs and entries that workers have counted as not ours."""
        return int(self._ask(select(func.coalesce(func.sum(WorkerProcess.foreign_jobs), 0)))[0][0])

    def is_writable(self) -> bool:
        """Return True if nobody keeps a lock that reports wait for."""
        is_sqlite = self._engine.dialect.name == "sqlite"
        give_up_at = time.monotonic() + LOCKED_SECONDS
        while time.monotonic() < give_up_at:
            with suppress(OperationalError), self._engine.connect() as connection:
                if is_sqlite:
                    connection.execution_options(**WRITES, callevents_busy_timeout_ms=0)
                    connection.exec_driver_sql("SELECT 1")
                else:
                    connection.execute(_LOCK_ORIGINS)
                return True
            time.sleep(RETRY_SECONDS)
        return False

    def suspend(self, event_id: str) -> None:
        """Suspend the hook, as a worker does when the receiver is gone."""
        with write_transaction(self._engine) as connection:
            hook_id = connection.scalar(select(Hook.id).where(Hook.event_id == event_id))
            assert hook_id
            suspend(connection, hook_id, "The receiver returned 410 Gone.", utc_now())

    def _ask(self, query: Select[*Columns]) -> Sequence[Row[*Columns]]:
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
