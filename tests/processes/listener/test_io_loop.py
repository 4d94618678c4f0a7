"""The timeouts of a connection to a PBX."""

import threading
from contextlib import closing
from socket import socketpair

import pytest

from callevents.processes.listener.io_loop import iter_received
from callevents.vendors.asterisk.session import AmiSession
from callevents.vendors.tracking.session import SessionError


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (b"", r"No greeting within 0 seconds\..*If the PBX expects TLS, enable it\."),
        (b"Asterisk Call Manager/9.0.0\r\n", "did not respond to the login within 0 seconds"),
    ],
    ids=["nothing", "only its banner"],
)
def test_login_timeout(sent: bytes, message: str) -> None:
    """A PBX that hangs during the login causes an error that says how far it got."""
    session = AmiSession(username="callevents", secret="geheim")
    ours, theirs = socketpair()
    with closing(ours), closing(theirs):
        theirs.sendall(sent)
        received = iter_received(ours, session, 20, threading.Event(), login_timeout_seconds=0.1)
        messages = (one for data in received for one in session.receive(data))
        with pytest.raises(SessionError, match=message):
            list(messages)
