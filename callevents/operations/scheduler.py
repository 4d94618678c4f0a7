"""Periodic tasks of a worker, each in its own thread, so that none delays another."""

import threading
import time
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from callevents.api_access.cleanup import remove_old as remove_old_access
from callevents.config.settings import Settings
from callevents.db.models import utc_now
from callevents.db.session import write_transaction
from callevents.delivery.http.client import HttpClient
from callevents.delivery.oauth.token_source import TokenSource
from callevents.delivery.removal import END_TIME, end_removals
from callevents.hooks.bulk.undo import CHANGE_UNDO_TIME, end_changes
from callevents.operations import heartbeat
from callevents.operations.heartbeat import InstanceId, is_leader
from callevents.operations.notify.sender import MAIL_DELAY, NotificationSender
from callevents.operations.retention import (
    BATCH_ROWS,
    purge_by_age,
    purge_history,
    purge_other_tables,
    remove_old_calls,
    remove_old_networks,
    remove_old_statistics,
)
from callevents.operations.statistics import find_start, refresh
from callevents.pbxs import removal
from callevents.users.password_links import remove_expired
from callevents.users.sessions import remove_ended

HEARTBEAT_SECONDS = 10.0
STATISTICS_SECONDS = 10.0
CLEANUP_SECONDS = 60.0
REMOVALS_SECONDS = 10.0
NOTIFICATION_SECONDS = 5.0
REMOVAL_SECONDS = 2.0
TOKEN_SECONDS = 10.0
STOP_TIMEOUT_SECONDS = 3.0

log = structlog.get_logger("callevents.operations")


class Scheduler:
    """Runs the periodic tasks of a worker until closed.

    Heartbeat, statistics, cleanup, notifications, the removal of PBXs, and access tokens.
    """

    def __init__(
        self,
        database: Engine,
        settings: Settings,
        *,
        count_foreign_jobs: Callable[[], int] = lambda: 0,
        notification_seconds: float = NOTIFICATION_SECONDS,
        mail_delay: timedelta = MAIL_DELAY,
    ) -> None:
        self._database = database
        self._settings = settings
        self._instance = InstanceId()
        self._count_foreign_jobs = count_foreign_jobs
        self._counted_at: datetime | None = None
        self._sender = NotificationSender(database, settings, mail_delay=mail_delay)
        self._closed = threading.Event()
        self._http_client = HttpClient(settings)
        self._tokens = TokenSource(database, settings, self._http_client.send, self._closed)
        self._threads = [
            self._every(HEARTBEAT_SECONDS, self.send_heartbeat, "heartbeat"),
            self._every(STATISTICS_SECONDS, self.update_statistics, "statistics"),
            self._every(CLEANUP_SECONDS, self.remove_old, "cleanup"),
            self._every(REMOVALS_SECONDS, self.end_removals, "removals"),
            self._every(notification_seconds, self.send_notifications, "notifications"),
            self._every(REMOVAL_SECONDS, self.remove_pbxs, "removal of PBXs"),
            self._every(TOKEN_SECONDS, self.renew_tokens, "access tokens"),
        ]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop the threads and deregister this worker."""
        self._closed.set()
        self._sender.interrupt()
        self._http_client.close()
        for thread in self._threads:
            if thread.is_alive():
                # A thread that hangs, for example on a mail server, ends with the process.
                thread.join(STOP_TIMEOUT_SECONDS)
        self._sender.close()
        try:
            with write_transaction(self._database) as connection:
                heartbeat.deregister(connection, self._instance)
        except SQLAlchemyError as error:
            log.warning("could not deregister worker", error=str(error))

    def send_heartbeat(self) -> None:
        """Store a heartbeat of this worker."""
        with write_transaction(self._database) as connection:
            heartbeat.send_heartbeat(
                connection, self._instance, utc_now(), foreign_jobs=self._count_foreign_jobs()
            )

    def update_statistics(self) -> None:
        """Update the statistics of the last minutes if this worker is the leader."""
        if not self._is_leader():
            self._counted_at = None
            return
        now = utc_now()
        if self._counted_at is None:
            with self._database.connect() as connection:
                self._counted_at = find_start(connection, now)
        refresh(self._database, self._counted_at, now, self._closed)
        self._counted_at = now

    def remove_old(self) -> None:
        """Remove data older than the retention period if this worker is the leader."""
        if not self._is_leader():
            return
        with write_transaction(self._database) as connection:
            remove_old_statistics(connection, utc_now())
            remove_old_networks(connection, utc_now())
            idle_time = timedelta(seconds=self._settings.session_idle_seconds)
            remove_ended(connection, utc_now(), idle_time)
            remove_expired(connection, utc_now())
            remove_old_access(connection, utc_now())
        self._remove_old_calls()
        self._remove_old_history()
        days = self._settings.retention_days
        if days:
            with write_transaction(self._database) as connection:
                purge_other_tables(connection, utc_now() - timedelta(days=days))
        began, events = time.monotonic(), 0
        with closing(purge_by_age(self._database, days, self._closed)) as batches:
            for done in batches:
                events += done.events
        if events:
            seconds = round(time.monotonic() - began, 1)
            log.info("old call events removed", events=events, seconds=seconds)

    def _remove_old_calls(self) -> None:
        removed = BATCH_ROWS
        while removed == BATCH_ROWS and not self._closed.is_set():
            with write_transaction(self._database) as connection:
                removed = remove_old_calls(connection, utc_now())

    def _remove_old_history(self) -> None:
        if not (days := self._settings.audit_retention_days):
            return
        before, removed = utc_now() - timedelta(days=days), BATCH_ROWS
        while removed == BATCH_ROWS and not self._closed.is_set():
            with write_transaction(self._database) as connection:
                removed = purge_history(connection, before)

    def end_removals(self) -> None:
        """End removals and changes that can no longer be undone, if this worker is the leader."""
        if not self._is_leader():
            return
        if count := end_removals(self._database, utc_now() - END_TIME):
            log.info("removals ended", count=count)
        end_changes(self._database, utc_now() - CHANGE_UNDO_TIME)

    def send_notifications(self) -> None:
        """Send the notifications that are due; every worker does this."""
        self._sender.send_due()

    def remove_pbxs(self) -> None:
        """Delete the rows of PBXs that are being removed; every worker does this."""
        removal.remove_all(self._database, self._closed)

    def renew_tokens(self) -> None:
        """Renew the access tokens of receivers that end soon, if this worker is the leader."""
        if self._is_leader() and (count := self._tokens.renew_ahead()):
            log.info("access tokens renewed", count=count)

    def _is_leader(self) -> bool:
        with self._database.connect() as connection:
            return is_leader(connection, self._instance, utc_now())

    def _every(self, seconds: float, task: Callable[[], None], name: str) -> threading.Thread:
        """Return a thread that runs the task now and again every `seconds`."""

        def run() -> None:
            while not self._closed.is_set():
                try:
                    task()
                except SQLAlchemyError as error:
                    log.error("database unavailable", task=name, error=str(error))
                except Exception as error:  # the thread must go on
                    log.error("periodic task failed", task=name, exc_info=error)
                self._closed.wait(seconds)

        return threading.Thread(target=run, name=name, daemon=True)
