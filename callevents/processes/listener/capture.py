"""Records what a PBX says, without secrets, so that it can be replayed."""

import threading
from collections.abc import Callable
from contextlib import closing

from callevents.config.settings import Settings
from callevents.processes.listener.connect import open_link
from callevents.processes.listener.io_loop import converse
from callevents.processes.listener.target import UNREADABLE, Target
from callevents.vendors.registry import SOURCES
from callevents.vendors.tracking.redaction import mask
from callevents.vendors.tracking.session import SessionError


def record(
    target: Target,
    settings: Settings,
    write: Callable[[bytes], object],
    stopping: threading.Event,
) -> int:
    """Write the messages until we are to stop; return how many. Raises SessionError."""
    if target.secret is None:
        raise SessionError(UNREADABLE)
    source = SOURCES[target.kind.value]
    session = source.make_session(
        username=target.username, secret=target.secret, is_encrypted=target.uses_tls
    )
    messages = 0
    link = open_link(target.host, target.port, uses_tls=target.uses_tls, settings=settings)
    with closing(link):
        try:
            for data in converse(link, session, settings.listen_heartbeat_seconds, stopping):
                for message in session.receive(data):
                    write(source.write_message(mask(message, target.secret)))
                    messages += 1
        except OSError as error:
            raise SessionError(f"The connection broke off: {error}.") from None
    return messages
