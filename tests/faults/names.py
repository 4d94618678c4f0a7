"""A name whose address changes between two look-ups, as real programs see it.

A real name server answers in turn with an address that requests may go to and with one that they
may not. The product is started where this server is the system's: in a mount namespace of its own
with another /etc/resolv.conf, so that nothing outside changes. That needs root on Linux.
"""

import itertools
import os
import shutil
import socket
import struct
import subprocess
import threading
from pathlib import Path

#: Other loopback addresses than the usual ones, so that the ports are free. The server's port is
#: not ours to choose, so its address is this process's own.
SERVER = f"127.0.{100 + os.getpid() // 250 % 100}.{1 + os.getpid() % 250}"
ALLOWED = "127.0.77.1"
REFUSED = "127.77.0.1"
NAME = "rebinding.test"

TYPE_A = 1
#: An answer, to a query, with recursion, about the name of the question.
FLAGS = 0x8180
NAME_OF_QUESTION = b"\xc0\x0c"
BIND = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'


class NameServer:
    """Answers with both addresses in turn; nothing is to be kept. Close it at the end."""

    def __init__(self) -> None:
        self._addresses = itertools.cycle((ALLOWED, REFUSED))
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((SERVER, 53))
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop answering."""
        # A datagram of no query ends the thread, which would sit in recvfrom for ever.
        self._socket.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        while True:
            query, client = self._socket.recvfrom(512)
            if not query:
                return
            self._socket.sendto(self._answer(query), client)

    def _answer(self, query: bytes) -> bytes:
        end = query.index(b"\0", 12) + 5
        question = query[12:end]
        records = b""
        if struct.unpack("!H", question[-4:-2])[0] == TYPE_A:
            address = socket.inet_aton(next(self._addresses))
            records = NAME_OF_QUESTION + struct.pack("!HHIH", TYPE_A, 1, 0, 4) + address
        counts = struct.pack("!HHHH", 1, bool(records), 0, 0)
        return query[:2] + struct.pack("!H", FLAGS) + counts + question + records


def find_launcher(folder: Path) -> list[str]:
    """Return what to put before a command so that it asks the server; empty if that cannot be."""
    path = folder / "resolv.conf"
    path.write_text(f"nameserver {SERVER}\n")
    launcher = ["unshare", "--mount", "sh", "-c", BIND, str(path)]
    if not shutil.which("unshare"):
        return []
    tried = subprocess.run([*launcher, "true"], capture_output=True, check=False)
    return launcher if tried.returncode == 0 else []
