"""Follows one PBX: connects, reads, and hands the events on to be stored."""

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
from callevents.processes.listener.buffer import Buffer
from callevents.processes.listener.connect import open_link
from callevents.processes.listener.discovery import Discovery
from callevents.processes.listener.io_loop import converse
from callevents.processes.listener.lease import Status
from callevents.processes.listener.restore import load_restored_legs
from callevents.processes.listener.target import UNREADABLE, Target
from callevents.processes.listener.writer import EventWriter
from callevents.vendors.registry import SOURCES
from callevents.vendors.tracking.extension_set import ExtensionSet
from callevents.vendors.tracking.fields import Message, moment_of
from callevents.vendors.tracking.session import RefusedError, Session, SessionError


class PbxClock:
    """Reads times from messages, and goes by the difference to our clock where there is none."""

    def __init__(self, name: str, units_per_second: int) -> None:
        self._name = name
        self._units_per_second = units_per_second
        self._ahead = timedelta()

    def read(self, message: Message) -> datetime:
        """Return when the message was made."""
        now = utc_now()
        moment = moment_of(message, self._name, self._units_per_second)
        if moment is None:
            return to_milliseconds(now + self._ahead)
        self._ahead = moment - now
        return moment


RESTORE_PAUSE_SECONDS = 1.0

log = structlog.get_logger("callevents.listener")


class Follower:
    """Two threads: one reads on while the other stores."""

    def __init__(self, app: Flask, target: Target, extensions: ExtensionSet) -> None:
        self.target = target
        self.status = Status()
        self._app = app
        self._settings = app_state(app).settings
        self._source = SOURCES[target.kind.value]
        self._tracker = self._source.make_tracker(extensions)
        self._clock = PbxClock(*self._source.clock)
        self._buffer = Buffer(self._settings.listen_buffer_events)
        self._writer = EventWriter(app, target.pbx, self._buffer)
        self.discovery = Discovery(target.extension_pattern, target.list_wanted_at)
        self._stopping = threading.Event()
        #: On the monotonic clock: after this, another listener may lead.
        self._lead_until = math.inf
        self._session: Session | None = None
        #: What could not be read on earlier connections.
        self._broken_before = 0
        name = target.pbx.slug
        self._threads = [
            threading.Thread(target=self._listen, name=f"listen to {name}", daemon=True),
            threading.Thread(target=self._writer.run, name=f"store of {name}", daemon=True),
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def lead_until(self, moment: float) -> None:
        """Note that no other listener leads until this moment of the monotonic clock."""
        self._lead_until = moment
        self._buffer.release()

    def lose_lead(self) -> None:
        """End, because another listener leads since this process was paused.

        What was read since then is not stored: the other one has heard it too.
        """
        self._stopping.set()
        dropped = self._buffer.drop_held()
        log.warning("another listener leads", pbx=self.target.pbx.slug, dropped=dropped)
        self.request_stop()

    def request_stop(self) -> None:
        """Read no more, store what has been read, and end."""
        self._stopping.set()
        self._writer.give_up_after(self._settings.shutdown_seconds)
        self._buffer.take_all()

    def join(self, seconds: float) -> None:
        """Wait until it has ended."""
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    @property
    def is_alive(self) -> bool:
        """Whether it still reads or stores."""
        return any(thread.is_alive() for thread in self._threads)

    @property
    def has_failed(self) -> bool:
        """Whether a part of it has ended that should not have, and a new one is needed."""
        return not all(thread.is_alive() for thread in self._threads)

    @property
    def waiting(self) -> int:
        """How many events are not stored yet."""
        return len(self._buffer)

    def set_extensions(self, extensions: ExtensionSet) -> None:
        """Take what counts as an extension from now on."""
        self._tracker.extensions = extensions

    def take_status(self) -> Status:
        """Return how it goes, with what is counted elsewhere."""
        status = self.status
        status.messages = self._tracker.counts.messages
        broken = self._broken_before + (self._session.broken if self._session else 0)
        status.skipped = self._tracker.counts.broken + broken + self._writer.refused
        status.events = self._writer.stored
        status.dropped_legs = self._tracker.dropped
        return status

    def _listen(self) -> None:
        try:
            self._restore()
            self._keep_connected()
        finally:
            self._buffer.close()

    def _keep_connected(self) -> None:
        """Connect again and again until we are to stop."""
        backoff = Backoff(self._settings.listen_backoff_max_seconds)
        while not self._stopping.is_set():
            try:
                self._connect(backoff)
            except SessionError as error:
                self._fail(str(error))
                self._stopping.wait(backoff.take(is_refused=error.is_refused))
            except Exception as error:  # the PBX has to be listened to
                log.error("listening failed", pbx=self.target.pbx.slug, exc_info=error)
                self._fail(f"Listening failed in an unforeseen way: {type(error).__name__}.")
                self._stopping.wait(backoff.take())

    def _restore(self) -> None:
        """Learn which calls were followed before, whoever did it."""
        while not self._stopping.is_set():
            try:
                with self._app.app_context():
                    self._tracker.restore(load_restored_legs(self.target.pbx.id))
                    db.session.rollback()
            except SQLAlchemyError as error:
                log.error("the database does not answer", error=str(error))
                self._stopping.wait(RESTORE_PAUSE_SECONDS)
            else:
                return

    def _connect(self, backoff: Backoff) -> None:
        target = self.target
        if target.secret is None:
            raise RefusedError(UNREADABLE)
        self.status.state = ConnectorState.CONNECTING
        link = open_link(
            target.host, target.port, uses_tls=target.uses_tls, settings=self._settings
        )
        session = self._session = self._source.make_session(
            username=target.username, secret=target.secret, is_encrypted=target.uses_tls
        )
        with closing(link):
            try:
                self._converse(link, session, backoff)
            except OSError as error:
                words = error.strerror or str(error)
                raise SessionError(f"The connection broke off: {words.lower()}.") from None
            finally:
                self._broken_before, self._session = self._broken_before + session.broken, None
                self.status.connected_since = None
                self._tracker.handle_disconnect()
                self.discovery.interrupted(session)

    def _converse(self, link: socket, session: Session, backoff: Backoff) -> None:
        """Listen until we stop; raises SessionError and OSError."""
        heartbeat = self._settings.listen_heartbeat_seconds
        for data in converse(link, session, heartbeat, self._stopping):
            if data:
                self._take(session, data)
            self.discovery.go_on(session)
            if session.is_ready and self.status.connected_since is None:
                backoff.reset()
                self._note_connected()
            if session.notice and session.notice != self.status.last_error:
                self._note_error(session.notice)

    def _take(self, session: Session, data: bytes) -> None:
        self.status.last_message_at = utc_now()
        for message in session.receive(data):
            events = self._tracker.feed(message, self._clock.read(message))
            if events and time.monotonic() > self._lead_until:
                # This process was paused, or the database was away.
                self._buffer.hold()
            self._buffer.put(events)

    def _note_connected(self) -> None:
        self.status.state = ConnectorState.CONNECTED
        self.status.connected_since = utc_now()
        log.info("connected to the PBX", pbx=self.target.pbx.slug)

    def _fail(self, sentence: str) -> None:
        self.status.state = ConnectorState.PAUSING
        self._note_error(sentence)

    def _note_error(self, sentence: str) -> None:
        self.status.last_error, self.status.last_error_at = sentence, utc_now()
        log.warning(
            "the PBX is not listened to as it should be", pbx=self.target.pbx.slug, error=sentence
        )
