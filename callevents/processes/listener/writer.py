"""Stores the events of one PBX in batches and in order, and retries until stored."""

import time

import structlog
from flask import Flask
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

from callevents.db.models import Pbx
from callevents.errors import UnavailableError
from callevents.extensions import app_state
from callevents.ingest.group_commit import GroupCommit
from callevents.ingest.report import CallOver
from callevents.processes.listener.buffer import Buffer, Item
from callevents.vendors.tracking.events import TrackedEvent

#: Maximum number of events in one transaction.
BATCH_SIZE = 500
MIN_RETRY_SECONDS = 0.2
MAX_RETRY_SECONDS = 2.0

log = structlog.get_logger("callevents.listener")


class EventWriter:
    """Writes events from the buffer to the database by group commit, as all reports."""

    def __init__(self, app: Flask, pbx: Pbx, buffer: Buffer) -> None:
        self._group_commit = app_state(app).get(GroupCommit)
        self._pbx = pbx
        self._buffer = buffer
        self._deadline: float | None = None
        #: Number of events that the database rejected.
        self.rejected = 0
        self.stored = 0

    def set_deadline(self, seconds: float) -> None:
        """Give up after `seconds` if the database stays unavailable."""
        self._deadline = time.monotonic() + seconds

    def run(self) -> None:
        """Store events until the buffer is closed and empty."""
        delay = MIN_RETRY_SECONDS
        while batch := self._buffer.peek(BATCH_SIZE):
            try:
                self._store(batch)
            except (UnavailableError, SQLAlchemyError) as error:
                if self._is_past_deadline():
                    self._give_up(str(error))
                    return
                time.sleep(MIN_RETRY_SECONDS if self._deadline else delay)
                delay = min(delay * 2, MAX_RETRY_SECONDS)
                continue
            delay = MIN_RETRY_SECONDS
            self._buffer.remove(len(batch))
            self._group_commit.wake_workers()

    def _store(self, batch: list[Item]) -> None:
        """Store the events together; if one of them is rejected, store them one by one.

        Raises UnavailableError or SQLAlchemyError if the database is unavailable.
        """
        try:
            reports = [one.report for one in batch if isinstance(one, TrackedEvent)]
            overs = [one for one in batch if isinstance(one, CallOver)]
            accepted = self._group_commit.submit(self._pbx, None, reports, overs)
        except (IntegrityError, DataError) as error:
            self._skip_failing(batch, error)
        except (UnavailableError, SQLAlchemyError):
            raise
        except Exception as error:  # noqa: BLE001  # one bad event must not stop the others
            self._skip_failing(batch, error)
        else:
            self.stored += sum(not event.is_duplicate for event in accepted)

    def _skip_failing(self, batch: list[Item], error: Exception) -> None:
        """Skip a single event that was rejected; of several, find it by storing one by one."""
        if len(batch) > 1:
            for event in batch:
                self._store([event])
            return
        log.error("could not store event", pbx=self._pbx.slug, exc_info=error)
        self.rejected += 1

    def _give_up(self, error: str) -> None:
        lost = self._buffer.count_events()
        log.error("events lost at shutdown", pbx=self._pbx.slug, n=lost, error=error)

    def _is_past_deadline(self) -> bool:
        return self._deadline is not None and time.monotonic() > self._deadline
