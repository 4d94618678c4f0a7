"""Resolves host names in threads: the system's resolver has no time limit and cannot be stopped."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

Address = tuple[str, int]


def needs_resolver(host: str) -> bool:
    """Return False for an address, in any notation, and for this machine's name."""
    return host.rpartition(".")[2] != "localhost" and not _ask(host, 0, socket.AI_NUMERICHOST)


def resolve(host: str, port: int, done: Callable[[list[Address]], object]) -> None:
    """Call `done` in another thread with the host's addresses, none if it has none.

    Each name gets a thread of its own, so that those whose name servers hang delay no others.
    """
    threading.Thread(target=lambda: done(_ask(host, port)), name="resolve", daemon=True).start()


def _ask(host: str, port: int, flags: int = 0) -> list[Address]:
    found: list[Address] = []
    with suppress(OSError, UnicodeError):
        for *_, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags):
            found.append((str(address[0]), int(address[1])))
    return found
