"""Records what a PBX says, without secrets, so that it can be replayed."""

import threading
from collections.abc import Callable
from contextlib import closing

from callevents.config import Settings
from callevents.listener.conversation import converse
from callevents.listener.link import open_link
from callevents.listener.target import UNREADABLE, Target
from callevents.pbx.masking import mask
from callevents.pbx.replay import SOURCES
from callevents.pbx.session import SessionError


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
