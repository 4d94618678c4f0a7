"""Writes outcomes in batches: one commit for all that have come while the last one was written."""

import queue
import threading

import structlog
from sqlalchemy import Engine as SqlEngine
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from callevents.config.settings import Settings
from callevents.db.models import utc_now
from callevents.db.session import read_connection, write_transaction
from callevents.delivery.in_flight import InFlight
from callevents.delivery.outcomes import Outcome, answers_by, record
from callevents.delivery.suspend import find_changed, note_health

MAX_BATCH = 500
#: When there were so many outcomes at once, more come soon: waiting for them saves transactions.
MANY = 8
PAUSE_AFTER_MANY_SECONDS = 0.02
DATABASE_PAUSE_SECONDS = 0.5

log = structlog.get_logger("callevents.delivery")


class Recorder:
    """Records outcomes in a thread of its own: `run` until `close`."""

    def __init__(self, database: SqlEngine, settings: Settings, in_flight: InFlight) -> None:
        self._database = database
        self._settings = settings
        self._in_flight = in_flight
        self._outcomes: queue.SimpleQueue[Outcome | None] = queue.SimpleQueue()
        self._closed = threading.Event()

    def put(self, outcome: Outcome) -> None:
        """Have the outcome recorded."""
        self._outcomes.put(outcome)

    def close(self) -> None:
        """Let `run` end when it has recorded what has come by now."""
        self._closed.set()
        self._outcomes.put(None)

    def run(self) -> None:
        """Record outcomes until closed."""
        pause = 0.0
        while (first := self._outcomes.get()) is not None:
            self._closed.wait(pause)
            batch, is_last = self._gather(first)
            self._record(batch)
            pause = PAUSE_AFTER_MANY_SECONDS if len(batch) >= MANY else 0.0
            if is_last:
                return

    def _gather(self, first: Outcome) -> tuple[list[Outcome], bool]:
        """Return all outcomes that have come by now, and whether the end has come too."""
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
        """Write the batch, again and again until the database takes it."""
        while not self._is_recorded(batch):
            if self._closed.wait(DATABASE_PAUSE_SECONDS):
                # The leases end by themselves, and the attempts are made again.
                break
        self._in_flight.release(outcome.claim for outcome in batch)

    def _is_recorded(self, batch: list[Outcome]) -> bool:
        """Write the batch; return False if the database was silent and it may be tried again."""
        try:
            with write_transaction(self._database) as connection:
                record(connection, batch, utc_now(), self._settings)
        except Exception as error:  # one bad outcome must not hold up the others
            if _may_pass(error):
                log.error("outcomes not recorded yet", count=len(batch), error=str(error))
                return False
            if len(batch) == 1:
                log.error("an outcome cannot be recorded", exc_info=error)
                return True
            for outcome in batch:
                self._record([outcome])
        else:
            self._note_health(batch)
        return True

    def _note_health(self, batch: list[Outcome]) -> None:
        """Note how the hooks fare; nearly always there is nothing to write."""
        answers = answers_by(lambda claim: claim.hook_id, batch)
        try:
            with read_connection(self._database) as connection:
                changed = find_changed(connection, answers)
            for hook_id in sorted(changed):
                # One transaction each: it locks the hook, and perhaps all that waits for it.
                with write_transaction(self._database) as connection:
                    note_health(connection, hook_id, changed[hook_id], utc_now(), self._settings)
        except Exception as error:  # noqa: BLE001  # without this thread nothing would be recorded
            # The outcomes are recorded; the next failure says the same again.
            log.error("the health of requests not noted", error=str(error))


def _may_pass(error: Exception) -> bool:
    """Return whether the database's state is the reason, and not what it was to store."""
    if isinstance(error, DataError | IntegrityError):
        return False
    return isinstance(error, DBAPIError | PoolTimeoutError)
