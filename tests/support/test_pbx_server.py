"""The test servers: what two threads send arrives whole."""

import socket
import threading
from contextlib import closing

from tests.support.esl_server import EslServer
from tests.support.pbx_server import Client


def test_what_two_threads_send_is_not_mixed() -> None:
    """Messages are sent in pieces, but one after the other."""
    server = EslServer()
    ours, theirs = socket.socketpair()
    with closing(server), closing(ours), closing(theirs):
        client = Client(server, ours)
        senders = [
            threading.Thread(target=client.send, args=(letter * 100_000,))
            for letter in (b"a", b"b")
        ]
        for sender in senders:
            sender.start()
        received = b""
        while len(received) < 200_000:
            received += theirs.recv(65536)
        for sender in senders:
            sender.join()
    assert received in {b"a" * 100_000 + b"b" * 100_000, b"b" * 100_000 + b"a" * 100_000}
