"""The threads of a worker that do its upkeep, each on its own, so that none holds up another."""

import threading
import time
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from callevents.config.settings import Settings
from callevents.db.models import utc_now
from callevents.db.session import write_transaction
from callevents.operations.heartbeat import InstanceId, beat, is_leader, leave
from callevents.operations.notify.sender import NotificationSender
from callevents.operations.retention import forget, purge, remove_old_statistics
from callevents.operations.statistics import find_start, refresh

BEAT_SECONDS = 10.0
COUNT_SECONDS = 10.0
TIDY_SECONDS = 60.0
NOTICE_SECONDS = 5.0
STOP_SECONDS = 3.0

log = structlog.get_logger("callevents.upkeep")


class Scheduler:
    """Tells that this worker lives, counts, tidies up, sends notifications. Close it to stop."""

    def __init__(self, database: Engine, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._myself = InstanceId()
        self._counted_at: datetime | None = None
        self._sender = NotificationSender(database, settings)
        self._closed = threading.Event()
        self._threads = [
            self._every(BEAT_SECONDS, self.beat, "beat"),
            self._every(COUNT_SECONDS, self.count, "count"),
            self._every(TIDY_SECONDS, self.tidy, "tidy"),
            self._every(NOTICE_SECONDS, self.tell, "tell"),
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop, and take leave."""
        self._closed.set()
        self._sender.interrupt()
        for thread in self._threads:
            if thread.is_alive():
                # Whatever hangs, such as a mail server, ends with the process.
                thread.join(STOP_SECONDS)
        self._sender.close()
        try:
            with write_transaction(self._database) as connection:
                leave(connection, self._myself)
        except SQLAlchemyError as error:
            log.warning("no leave taken", error=str(error))

    def beat(self) -> None:
        """Tell that this worker lives."""
        with write_transaction(self._database) as connection:
            beat(connection, self._myself, utc_now())

    def count(self) -> None:
        """Count what the last minutes have brought, if this is the leader worker."""
        if not self._is_leader():
            self._counted_at = None
            return
        now = utc_now()
        if self._counted_at is None:
            with self._database.connect() as connection:
                self._counted_at = find_start(connection, now)
        refresh(self._database, self._counted_at, now, self._closed)
        self._counted_at = now

    def tidy(self) -> None:
        """Remove what is old, if this is the leader worker."""
        if not self._is_leader():
            return
        with write_transaction(self._database) as connection:
            remove_old_statistics(connection, utc_now())
        if not self._settings.retention_days:
            return
        before = utc_now() - timedelta(days=self._settings.retention_days)
        with write_transaction(self._database) as connection:
            forget(connection, before)
        began, events = time.monotonic(), 0
        with closing(purge(self._database, before, self._closed)) as batches:
            for done in batches:
                events += done.events
        if events:
            seconds = round(time.monotonic() - began, 1)
            log.info("old call events removed", events=events, seconds=seconds)

    def tell(self) -> None:
        """Send the notifications that are due; any worker may."""
        self._sender.send_due()

    def _is_leader(self) -> bool:
        with self._database.connect() as connection:
            return is_leader(connection, self._myself, utc_now())

    def _every(self, seconds: float, task: Callable[[], None], name: str) -> threading.Thread:
        """Return a thread that does the task now, and again after each pause."""

        def run() -> None:
            while not self._closed.is_set():
                try:
                    task()
                except SQLAlchemyError as error:
                    log.error("the database does not answer", task=name, error=str(error))
                except Exception as error:  # the thread has to go on
                    log.error("upkeep failed", task=name, exc_info=error)
                self._closed.wait(seconds)

        return threading.Thread(target=run, name=name, daemon=True)
