"""Stores the events of one PBX: in batches, in order, and again until the database answers."""

import time

import structlog
from flask import Flask
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

from callevents.db.models import Pbx
from callevents.errors import UnavailableError
from callevents.extensions import app_state
from callevents.ingest.group_commit import GroupCommit
from callevents.jobs import get_waker
from callevents.processes.listener.buffer import Buffer
from callevents.vendors.tracking.events import TrackedEvent

#: So many are stored in one transaction; while it commits, the next ones gather.
BATCH = 500
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 2.0

log = structlog.get_logger("callevents.listener")


class EventWriter:
    """Takes events from the buffer to the database, by the way that all reports go."""

    def __init__(self, app: Flask, pbx: Pbx, buffer: Buffer) -> None:
        self._group_commit = app_state(app).get(GroupCommit)
        self._waker = get_waker(app)
        self._pbx = pbx
        self._buffer = buffer
        self._give_up_at: float | None = None
        #: Events that the database will not have, whatever is tried.
        self.refused = 0
        self.stored = 0

    def give_up_after(self, seconds: float) -> None:
        """Try no longer than this to store what there is."""
        self._give_up_at = time.monotonic() + seconds

    def run(self) -> None:
        """Store events until the buffer is closed and empty."""
        pause = FIRST_PAUSE_SECONDS
        while batch := self._buffer.look(BATCH):
            try:
                self._store(batch)
            except (UnavailableError, SQLAlchemyError) as error:
                if self._is_late():
                    self._give_up(str(error))
                    return
                time.sleep(FIRST_PAUSE_SECONDS if self._give_up_at else pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
                continue
            pause = FIRST_PAUSE_SECONDS
            self._buffer.take_away(len(batch))
            if self._group_commit.claim_wake():
                self._waker.wake()

    def _store(self, batch: list[TrackedEvent]) -> None:
        """Store the events, together or one by one without those that cannot be.

        Raises UnavailableError or SQLAlchemyError where it is not for the events that they are not.
        """
        try:
            accepted = self._group_commit.submit(self._pbx, None, [event.report for event in batch])
        except (IntegrityError, DataError) as error:
            self._store_others(batch, error)
        except (UnavailableError, SQLAlchemyError):
            raise
        except Exception as error:  # noqa: BLE001  # one bad event must not stop the others
            self._store_others(batch, error)
        else:
            self.stored += sum(not one.is_duplicate for one in accepted)

    def _store_others(self, batch: list[TrackedEvent], error: Exception) -> None:
        """Leave out what cannot be stored: a single event, or those found one by one."""
        if len(batch) > 1:
            for event in batch:
                self._store([event])
            return
        log.error("an event cannot be stored", pbx=self._pbx.slug, exc_info=error)
        self.refused += 1

    def _give_up(self, error: str) -> None:
        lost = len(self._buffer)
        log.error("events are lost with this process", pbx=self._pbx.slug, n=lost, error=error)

    def _is_late(self) -> bool:
        return self._give_up_at is not None and time.monotonic() > self._give_up_at
