"""I/O loop of one PBX connection: reads, writes, and watches timeouts."""

import threading
import time
from collections.abc import Iterator
from socket import socket

from callevents.vendors.tracking.session import Session, SessionError

#: Time from the connection to the end of the login.
LOGIN_TIMEOUT_SECONDS = 10.0
READ_BYTES = 64 * 1024
#: Interval in which stopping and timeouts are checked.
POLL_SECONDS = 0.25


def iter_received(
    connection: socket,
    session: Session,
    heartbeat_seconds: float,
    stopping: threading.Event,
    *,
    login_timeout_seconds: float = LOGIN_TIMEOUT_SECONDS,
) -> Iterator[bytes]:
    """Yield received bytes, and send the session's outgoing bytes, until `stopping` is set.

    Yields empty bytes while the PBX sends nothing, every POLL_SECONDS.

    Raises SessionError if the PBX closes the connection or stops responding, and OSError.
    """
    monitor = TimeoutMonitor(session, heartbeat_seconds, login_timeout_seconds)
    connection.settimeout(POLL_SECONDS)
    while not stopping.is_set():
        if outgoing := session.take_outgoing():
            connection.sendall(outgoing)
        try:
            data = connection.recv(READ_BYTES)
        except TimeoutError:
            monitor.on_idle()
            yield b""
            continue
        if not data:
            raise SessionError(monitor.explain_close())
        monitor.on_data()
        yield data


class TimeoutMonitor:
    """Enforces the login timeout, and pings an idle PBX."""

    def __init__(
        self, session: Session, heartbeat_seconds: float, login_timeout_seconds: float
    ) -> None:
        self._session = session
        self._heartbeat_seconds = heartbeat_seconds
        self._login_timeout_seconds = login_timeout_seconds
        self._started_at = self._last_data_at = time.monotonic()
        self._has_received = False
        self._has_pinged = False

    def on_data(self) -> None:
        """Record that data was received."""
        self._last_data_at = time.monotonic()
        self._has_received, self._has_pinged = True, False

    def on_idle(self) -> None:
        """Ping an idle PBX; raises SessionError if the login or the reply to a ping timed out."""
        now = time.monotonic()
        if not self._session.is_ready:
            if now - self._started_at > self._login_timeout_seconds:
                raise SessionError(self._explain_no_login())
            return
        idle = now - self._last_data_at
        if idle > 2 * self._heartbeat_seconds:
            raise SessionError(f"The PBX has not responded for {idle:.0f} seconds.")
        if idle > self._heartbeat_seconds and not self._has_pinged:
            self._session.ping()
            self._has_pinged = True

    def explain_close(self) -> str:
        """Return the error message for a connection that the PBX closed."""
        if self._session.is_ready:
            return "The PBX closed the connection."
        if not self._has_received:
            return (
                "The PBX closed the connection immediately. Check that it allows this host's IP "
                f"address and whether it expects {'no ' * self._session.is_encrypted}TLS."
            )
        return "The PBX closed the connection during the login."

    def _explain_no_login(self) -> str:
        seconds = self._login_timeout_seconds
        if self._has_received:
            return f"The PBX did not respond to the login within {seconds:.0f} seconds."
        return (
            f"No greeting within {seconds:.0f} seconds. Check that this port is the "
            f"{self._session.label}. If the PBX expects TLS, enable it."
        )
