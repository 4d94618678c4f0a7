"""Records outcomes in batches: one commit for all that arrived during the previous commit."""

import queue
import threading
from collections.abc import Callable
from datetime import timedelta

import structlog
from sqlalchemy import Engine as SqlEngine
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from callevents.audit import mirror
from callevents.config.settings import Settings
from callevents.db.models import utc_now
from callevents.db.session import write_transaction
from callevents.delivery.claim import Fences
from callevents.delivery.in_flight import InFlight
from callevents.delivery.lease import Lease, start_lease
from callevents.delivery.oauth.refused_tokens import discard_refused_tokens
from callevents.delivery.outcomes import (
    Outcome,
    Recorded,
    record,
    responses_by,
    responses_of_receivers,
)
from callevents.delivery.suspend import find_changed, note_health

MAX_BATCH = 500
#: After a batch of at least this size more outcomes come soon: waiting for them saves transactions.
LARGE_BATCH = 8
LARGE_BATCH_INTERVAL_SECONDS = 0.02
DATABASE_RETRY_SECONDS = 0.5

log = structlog.get_logger("callevents.delivery")


class Recorder:
    """Records outcomes in a thread of its own: `run` until `close`."""

    def __init__(
        self,
        database: SqlEngine,
        settings: Settings,
        in_flight: InFlight,
        take: Callable[[Fences, Lease], None],
    ) -> None:
        """`take` submits the next deliveries of their ordering keys."""
        self._database = database
        self._settings = settings
        self._in_flight = in_flight
        self._take = take
        self._outcomes: queue.SimpleQueue[Outcome | None] = queue.SimpleQueue()
        self._closed = threading.Event()

    def enqueue(self, outcome: Outcome) -> None:
        """Queue the outcome to be recorded."""
        self._outcomes.put(outcome)

    def close(self) -> None:
        """Let `run` return after it has recorded all queued outcomes."""
        self._closed.set()
        self._outcomes.put(None)

    def run(self) -> None:
        """Record outcomes until closed."""
        interval = 0.0
        while (first := self._outcomes.get()) is not None:
            self._closed.wait(interval)
            batch, is_last = self._next_batch(first)
            self._record(batch)
            interval = LARGE_BATCH_INTERVAL_SECONDS if len(batch) >= LARGE_BATCH else 0.0
            if is_last:
                return

    def _next_batch(self, first: Outcome) -> tuple[list[Outcome], bool]:
        """Return the queued outcomes from `first` on, and True if no more will come."""
        batch = [first]
        while len(batch) < MAX_BATCH:
            try:
                outcome = self._outcomes.get_nowait()
            except queue.Empty:
                break
            if outcome is None:
                return batch, True
            batch.append(outcome)
        return batch, False

    def _record(self, batch: list[Outcome]) -> None:
        """Record the batch; retry until the database accepts it or the recorder is closed."""
        while not self._try_record(batch):
            if self._closed.wait(DATABASE_RETRY_SECONDS):
                # The leases expire, and the attempts are made again.
                break
        self._in_flight.release(outcome.claim for outcome in batch)

    def _try_record(self, batch: list[Outcome]) -> bool:
        """Record the batch; return False if the database is unavailable and it must be retried."""
        lease = start_lease(timedelta(seconds=self._settings.lease_seconds))
        try:
            replaced = discard_refused_tokens(
                self._database, responses_of_receivers(batch), utc_now()
            )
            with write_transaction(self._database) as connection:
                recorded = record(
                    connection,
                    batch,
                    utc_now(),
                    self._settings,
                    replaced=replaced,
                    claims_next=True,
                )
        except Exception as error:  # one bad outcome must not block the others
            if _is_transient(error):
                log.error("could not record outcomes; retrying", count=len(batch), error=str(error))
                return False
            if len(batch) == 1:
                log.error("could not record an outcome", exc_info=error)
                return True
            for outcome in batch:
                self._record([outcome])
        else:
            self._take(recorded.next_fences, lease)
            self._note_health(batch, recorded)
        return True

    def _note_health(self, batch: list[Outcome], recorded: Recorded) -> None:
        """Update which hooks are failing; nearly always there is nothing to write."""
        responses = responses_by(lambda claim: claim.hook_id, batch)
        changed = find_changed(responses, recorded.failing_since)
        try:
            for hook_id in sorted(changed):
                # One transaction each: it locks the hook, and perhaps all its open deliveries.
                with write_transaction(self._database) as connection:
                    entry = note_health(
                        connection, hook_id, changed[hook_id], utc_now(), self._settings
                    )
                if entry is not None:
                    mirror.write(self._settings, [entry])
        except Exception as error:  # noqa: BLE001  # without this thread nothing would be recorded
            # The outcomes are recorded; the next failure brings this update again.
            log.error("could not update failing requests", error=str(error))


def _is_transient(error: Exception) -> bool:
    """Return True if the database's state caused the error, and not the data."""
    if isinstance(error, DataError | IntegrityError):
        return False
    return isinstance(error, DBAPIError | PoolTimeoutError)
