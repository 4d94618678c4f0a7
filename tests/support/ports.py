"""Free ports for servers that tests start."""

import os
import random
import socket
from contextlib import suppress
from itertools import count

#: Below the ports that the system chooses: one of those could go to another test that runs at the
#: same time, before the server has started. Above those that browsers refuse, such as 10080.
FIRST = 11_000
#: Ports of each process of a run, and how many processes have their own.
COUNT, PROCESSES = 1_000, 20

_next = count(random.SystemRandom().randrange(COUNT))


def find_free_port() -> int:
    """Return a port that nothing listens on, and that no other test gets soon."""
    process = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = FIRST + process % PROCESSES * COUNT
    while True:
        port = first + next(_next) % COUNT
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
