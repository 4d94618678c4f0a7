"""Free ports for servers that tests start."""

import itertools
import os
import socket

#: Below the ports that systems give to clients, and to servers that ask for any: nobody else takes
#: one of these between the search and its use.
FIRST, COUNT = 20_000, 12_000
#: Processes that run tests at the same time begin far apart.
SPREAD = 1009
_numbers = itertools.count(os.getpid() * SPREAD)


def find_free_port() -> int:
    """Return a port that nothing listens on, another one each time."""
    for number in itertools.islice(_numbers, COUNT):
        port = FIRST + number % COUNT
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")
