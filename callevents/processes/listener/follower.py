"""Follows one PBX: connects, reads its messages, and passes the call events to the writer."""

import math
import threading
import time
from contextlib import closing
from datetime import datetime, timedelta
from socket import socket

import structlog
from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from callevents.db.models import to_milliseconds, utc_now
from callevents.enums import ConnectorState
from callevents.extensions import app_state, db
from callevents.processes.listener.backoff import Backoff
from callevents.processes.listener.buffer import Buffer, Item
from callevents.processes.listener.connect import open_connection
from callevents.processes.listener.discovery import Discovery
from callevents.processes.listener.io_loop import iter_received
from callevents.processes.listener.lease import ConnectionStatus
from callevents.processes.listener.restore import load_restored_legs
from callevents.processes.listener.target import NO_KEY, Target
from callevents.processes.listener.timings import Timings
from callevents.processes.listener.writer import EventWriter
from callevents.vendors.registry import SOURCES
from callevents.vendors.tracking.extension_set import ExtensionSet
from callevents.vendors.tracking.fields import Message, moment_of
from callevents.vendors.tracking.session import RefusedError, Session, SessionError


class PbxClock:
    """Reads the time of each message; without one, estimates it from the last clock offset."""

    def __init__(self, name: str, units_per_second: int) -> None:
        self._name = name
        self._units_per_second = units_per_second
        self._offset = timedelta()

    def read(self, message: Message) -> datetime:
        """Return the time of the message in UTC."""
        now = utc_now()
        moment = moment_of(message, self._name, self._units_per_second)
        if moment is None:
            return to_milliseconds(now + self._offset)
        self._offset = moment - now
        return moment


RESTORE_RETRY_SECONDS = 1.0

log = structlog.get_logger("callevents.listener")


class Follower:
    """Two threads for one PBX: one reads while the other stores."""

    def __init__(
        self, app: Flask, target: Target, extensions: ExtensionSet, timings: Timings
    ) -> None:
        self.target = target
        self.status = ConnectionStatus()
        self._app = app
        self._settings = app_state(app).settings
        self._timings = timings
        self._source = SOURCES[target.kind.value]
        self._tracker = self._source.make_tracker(extensions)
        self._clock = PbxClock(*self._source.clock)
        self._buffer = Buffer(self._settings.listen_buffer_events)
        self._writer = EventWriter(app, target.pbx, self._buffer)
        self.discovery = Discovery(target, timings)
        self._stopping = threading.Event()
        #: On the monotonic clock: end of the lease; another listener may then acquire it.
        self._lease_until = math.inf
        self._session: Session | None = None
        #: Malformed messages on earlier connections.
        self._broken_earlier = 0
        name = target.pbx.slug
        self._threads = [
            threading.Thread(target=self._listen, name=f"listen to {name}", daemon=True),
            threading.Thread(target=self._writer.run, name=f"store of {name}", daemon=True),
        ]

    def start(self) -> None:
        """Start both threads."""
        for thread in self._threads:
            thread.start()

    def extend_lease(self, moment: float) -> None:
        """Set the end of the lease, on the monotonic clock, and release withheld events."""
        self._lease_until = moment
        self._buffer.release()

    def lose_lease(self) -> None:
        """Stop, because another listener acquired the lease while this process was suspended.

        Events read since the lease expired are dropped: the other listener receives them too.
        """
        self._stopping.set()
        dropped = self._buffer.drop_withheld()
        log.warning("another listener holds the lease", pbx=self.target.pbx.slug, dropped=dropped)
        self.request_stop()

    def request_stop(self) -> None:
        """Stop reading, store the buffered events, and end."""
        self._stopping.set()
        self._writer.set_deadline(self._settings.shutdown_seconds)
        self._buffer.remove_limits()

    def join(self, seconds: float) -> None:
        """Wait up to `seconds` until both threads have ended."""
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    @property
    def is_alive(self) -> bool:
        """True while one of the threads runs."""
        return any(thread.is_alive() for thread in self._threads)

    @property
    def has_failed(self) -> bool:
        """True if a thread has ended unexpectedly and the follower must be replaced."""
        return not all(thread.is_alive() for thread in self._threads)

    @property
    def waiting(self) -> int:
        """Number of events that are not stored yet."""
        return self._buffer.count_events()

    def set_extensions(self, extensions: ExtensionSet) -> None:
        """Replace the set of numbers that count as extensions."""
        self._tracker.extensions = extensions

    def collect_status(self) -> ConnectionStatus:
        """Return the status with the counters of tracker, session and writer."""
        status = self.status
        status.messages = self._tracker.counts.messages
        broken = self._broken_earlier + (self._session.broken if self._session else 0)
        status.skipped = self._tracker.counts.broken + broken + self._writer.rejected
        status.events = self._writer.stored
        status.dropped_legs = self._tracker.dropped
        status.unseen_legs = self._tracker.counts.unseen_legs
        return status

    def _listen(self) -> None:
        try:
            self._restore()
            self._keep_connected()
        finally:
            self._buffer.close()

    def _keep_connected(self) -> None:
        """Connect, and reconnect with backoff, until stopped."""
        backoff = Backoff(self._settings.listen_backoff_max_seconds, self._timings)
        while not self._stopping.is_set():
            try:
                self._connect(backoff)
            except SessionError as error:
                self._record_failure(str(error))
                self._stopping.wait(backoff.next_delay(error))
            except Exception as error:  # the PBX must be followed on
                log.error(
                    "unexpected error",
                    pbx=self.target.pbx.slug,
                    exc_info=error,
                )
                self._record_failure(
                    f"Unexpected error: {type(error).__name__}. See the listener's log."
                )
                self._stopping.wait(backoff.next_delay())

    def _restore(self) -> None:
        """Restore the calls that an earlier listener tracked from their stored events."""
        while not self._stopping.is_set():
            try:
                with self._app.app_context():
                    self._tracker.restore(load_restored_legs(self.target.pbx.id))
                    db.session.rollback()
            except SQLAlchemyError as error:
                log.error("database unavailable", error=str(error))
                self._stopping.wait(RESTORE_RETRY_SECONDS)
            else:
                return

    def _connect(self, backoff: Backoff) -> None:
        target = self.target
        if target.secret is None:
            raise RefusedError(NO_KEY)
        self.status.state = ConnectorState.CONNECTING
        connection = open_connection(
            target.host, target.port, uses_tls=target.uses_tls, settings=self._settings
        )
        session = self._session = self._source.make_session(
            username=target.username, secret=target.secret, is_encrypted=target.uses_tls
        )
        with closing(connection):
            try:
                self._run_session(connection, session, backoff)
            except OSError as error:
                words = error.strerror or str(error)
                raise SessionError(f"The connection broke: {words.lower()}.") from None
            finally:
                self._broken_earlier, self._session = self._broken_earlier + session.broken, None
                self.status.connected_since = None
                self._tracker.handle_disconnect()
                self.discovery.on_disconnect(session)

    def _run_session(self, connection: socket, session: Session, backoff: Backoff) -> None:
        """Run one session until stopped; raises SessionError and OSError."""
        heartbeat = self._settings.listen_heartbeat_seconds
        next_notice_at = 0.0
        for data in iter_received(connection, session, heartbeat, self._stopping):
            if data:
                self._process_data(session, data)
            self.discovery.poll(session)
            if session.is_ready and self.status.connected_since is None:
                backoff.reset()
                self._record_connected()
            is_new = bool(session.notice) and session.notice != self.status.last_error
            if is_new and time.monotonic() >= next_notice_at:
                # A caller may cause one with each call.
                next_notice_at = time.monotonic() + self._timings.notice_interval_seconds
                self._record_error(session.notice)

    def _process_data(self, session: Session, data: bytes) -> None:
        self.status.last_message_at = utc_now()
        for message in session.receive(data):
            at = self._clock.read(message)
            events: list[Item] = [*self._tracker.feed(message, at)]
            events += self._tracker.take_ended_calls(at)
            if events and time.monotonic() > self._lease_until:
                # The lease has expired: this process was suspended, or the database unavailable.
                self._buffer.withhold()
            self._buffer.put(events)

    def _record_connected(self) -> None:
        self.status.state = ConnectorState.CONNECTED
        self.status.connected_since = utc_now()
        log.info("connected to the PBX", pbx=self.target.pbx.slug)

    def _record_failure(self, reason: str) -> None:
        self.status.state = ConnectorState.PAUSING
        self._record_error(reason)

    def _record_error(self, reason: str) -> None:
        self.status.last_error, self.status.last_error_at = reason, utc_now()
        log.warning("PBX connection problem", pbx=self.target.pbx.slug, error=reason)
