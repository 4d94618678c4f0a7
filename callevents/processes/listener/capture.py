"""Records the messages of a PBX, without secrets, for replay."""

import threading
from collections.abc import Callable
from contextlib import closing

from callevents.config.settings import Settings
from callevents.processes.listener.connect import open_connection
from callevents.processes.listener.io_loop import iter_received
from callevents.processes.listener.target import NO_KEY, Target
from callevents.vendors.registry import SOURCES
from callevents.vendors.tracking.redaction import mask
from callevents.vendors.tracking.session import SessionError


def record(
    target: Target,
    settings: Settings,
    write: Callable[[bytes], object],
    stopping: threading.Event,
) -> int:
    """Write messages until `stopping` is set; return their number. Raises SessionError."""
    if target.secret is None:
        raise SessionError(NO_KEY)
    source = SOURCES[target.kind.value]
    session = source.make_session(
        username=target.username, secret=target.secret, is_encrypted=target.uses_tls
    )
    messages = 0
    connection = open_connection(
        target.host, target.port, uses_tls=target.uses_tls, settings=settings
    )
    with closing(connection):
        try:
            for data in iter_received(
                connection, session, settings.listen_heartbeat_seconds, stopping
            ):
                for message in session.receive(data):
                    write(source.write_message(mask(message, target.secret)))
                    messages += 1
        except OSError as error:
            raise SessionError(f"The connection broke: {error}.") from None
    return messages
