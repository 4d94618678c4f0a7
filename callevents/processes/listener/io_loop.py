"""Reads from a PBX and answers it, and watches the time."""

import threading
import time
from collections.abc import Iterator
from socket import socket

from callevents.vendors.tracking.session import Session, SessionError

#: How long the PBX may take from the connection to the end of the log-in.
LOGIN_SECONDS = 10.0
READ_BYTES = 64 * 1024
#: How often to look whether to stop, or to ask for a sign of life.
READ_SECONDS = 0.25


def converse(
    link: socket, session: Session, heartbeat_seconds: float, stopping: threading.Event
) -> Iterator[bytes]:
    """Give what comes, for the session to receive, and send what it says, until we are to stop.

    Nothing is given too, now and then: while the PBX is silent.

    Raises SessionError when the PBX ends it or gives no sign of life, and OSError.
    """
    watch = Watch(session, heartbeat_seconds)
    link.settimeout(READ_SECONDS)
    while not stopping.is_set():
        if outgoing := session.take_outgoing():
            link.sendall(outgoing)
        try:
            data = link.recv(READ_BYTES)
        except TimeoutError:
            watch.note_silence()
            yield b""
            continue
        if not data:
            raise SessionError(watch.explain_end())
        watch.note_sound()
        yield data


class Watch:
    """Watches the time: the log-in must end, and a silent PBX must give a sign of life."""

    def __init__(self, session: Session, heartbeat_seconds: float) -> None:
        self._session = session
        self._heartbeat = heartbeat_seconds
        self._began_at = self._heard_at = time.monotonic()
        self._has_said_anything = False
        self._has_asked = False

    def note_sound(self) -> None:
        """Note that the PBX has said something."""
        self._heard_at = time.monotonic()
        self._has_said_anything, self._has_asked = True, False

    def note_silence(self) -> None:
        """Ask for a sign of life when it is time to; raises SessionError when none came."""
        now = time.monotonic()
        if not self._session.is_ready:
            if now - self._began_at > LOGIN_SECONDS:
                raise SessionError(self._explain_no_login())
            return
        silence = now - self._heard_at
        if silence > 2 * self._heartbeat:
            raise SessionError(f"The PBX has given no sign of life for {silence:.0f} seconds.")
        if silence > self._heartbeat and not self._has_asked:
            self._session.ping()
            self._has_asked = True

    def explain_end(self) -> str:
        """Return a sentence for a connection that the other side has closed."""
        if self._session.is_ready:
            return "The PBX has closed the connection."
        if not self._has_said_anything:
            return (
                f"The other side closed the connection at once, as a PBX does that does not let "
                f"our address in, and as one that expects {'no ' * self._session.is_encrypted}TLS."
            )
        return "The PBX has closed the connection before the end of the log-in."

    def _explain_no_login(self) -> str:
        if self._has_said_anything:
            return f"The PBX did not answer to the log-in within {LOGIN_SECONDS:.0f} seconds."
        return (
            f"Nothing was said within {LOGIN_SECONDS:.0f} seconds where an {self._session.label} "
            "begins to speak. If TLS is expected there, switch it on."
        )
