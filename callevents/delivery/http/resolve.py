"""Resolves host names with a time limit, which the system's resolver lacks."""

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress

#: Longest time until an interrupt is noticed.
_LOOK_SECONDS = 0.5


def resolve(
    host: str | None, port: int | None, seconds: float, is_interrupted: Callable[[], bool]
) -> list[tuple[str, int]]:
    """Return the host's addresses with ports; none if there are none, or none in time.

    Returns early if interrupted. The system's resolver cannot be stopped: its thread ends with it.
    """
    found: list[tuple[str, int]] = []

    def ask() -> None:
        with suppress(OSError, UnicodeError):
            for *_, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
                found.append((str(address[0]), int(address[1])))

    thread = threading.Thread(target=ask, name="resolve", daemon=True)
    thread.start()
    give_up_at = time.monotonic() + seconds
    while thread.is_alive() and not is_interrupted():
        if (left := give_up_at - time.monotonic()) <= 0:
            break
        thread.join(min(left, _LOOK_SECONDS))
    return [] if thread.is_alive() else found
