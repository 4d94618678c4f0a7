"""Receivers: a healthy one, and bad ones of several kinds."""

import contextlib
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass

from tests.faults.names import ALLOWED, NAME, REFUSED
from tests.support.raw_server import OK_AND_CLOSE, Connection, RawServer, Talk, answers
from tests.support.receiver import Arrival, Receiver, Reply

METADATA = "http://169.254.169.254/latest/meta-data/"
HUGE_BYTES = 100 * 1024 * 1024


@dataclass(frozen=True)
class Note:
    """A request that the healthy receiver got."""

    at: float
    call: str
    event: str
    delivery: str


class Healthy:
    """Returns 200 after a random delay, and records requests in order."""

    def __init__(self, seed: int, longest_pause: float = 0.0) -> None:
        self.notes: list[Note] = []
        self.longest_pause = longest_pause
        self._dice = random.Random(seed)
        self._receiver = Receiver()
        self._receiver.reply = self._answer
        self.url = self._receiver.url

    def close(self) -> None:
        """Stop listening."""
        self._receiver.close()

    def _answer(self, arrival: Arrival) -> Reply:
        fields = arrival.parameters
        note = Note(time.monotonic(), fields["CallID"], fields["EventType"], fields["DeliveryID"])
        self.notes.append(note)
        pause = self._dice.uniform(0, self.longest_pause)
        return Reply(hold=lambda: time.sleep(pause))


@dataclass(frozen=True)
class Bad:
    """A bad receiver: how it talks, and what must become of what is sent to it.

    `error` is a part of the sentence that the log must have, `delivers` whether its answers count
    as success, `host` a name to be used instead of its address.
    """

    name: str
    talk: Talk
    error: str = ""
    delivers: bool = False
    host: str = ""


def _hang(connection: Connection) -> None:
    if connection.read_request():
        connection.wait_until_closed()


def _drip(connection: Connection) -> None:
    if connection.read_request():
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            connection.send(b".")
            time.sleep(1)


def _be_huge(connection: Connection) -> None:
    while connection.read_request():
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % HUGE_BYTES)
        for _ in range(HUGE_BYTES // 65536):
            connection.send(b"x" * 65536)


def _promise_more(connection: Connection) -> None:
    if connection.read_request():
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nshort")


def _promise_less(connection: Connection) -> None:
    if connection.read_request():
        forged = b"HTTP/1.1 500 Forged\r\nContent-Length: 0\r\n\r\n"
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" + forged)
        connection.wait_until_closed()


def _close(connection: Connection) -> None:
    if connection.read_request():
        connection.send(b"HTTP/1.1 200 O")


def _redirect(connection: Connection) -> None:
    while connection.read_request():
        answer = f"HTTP/1.1 302 Found\r\nLocation: {METADATA}\r\nContent-Length: 0\r\n\r\n"
        connection.send(answer.encode())


BAD = (
    Bad("hanging", _hang, "No response within"),
    Bad("dripping", _drip, "took too long"),
    Bad("huge", _be_huge, delivers=True),
    Bad("promising more", _promise_more, "closed the connection"),
    Bad("promising less", _promise_less, delivers=True),
    Bad("closing", _close, "closed the connection"),
    Bad("redirecting", _redirect, METADATA),
)
#: Allowed and refused in turn; what is refused must not even connect.
REBINDING = Bad("rebinding", answers(OK_AND_CLOSE), REFUSED, delivers=True, host=NAME)


class Listening:
    """A bad receiver that listens. `url` is where requests go."""

    def __init__(self, bad: Bad, stack: contextlib.ExitStack) -> None:
        self.bad = bad
        host = ALLOWED if bad.host else "127.0.0.1"
        server = stack.enter_context(RawServer(bad.talk, host=host))
        self.url = f"http://{bad.host or host}:{server.port}"
        self._trap: RawServer | None = None
        if bad.host:
            self._trap = stack.enter_context(RawServer(bad.talk, host=REFUSED, port=server.port))

    @property
    def trapped(self) -> int:
        """Number of connections to the address that must not be contacted."""
        return self._trap.accepted if self._trap else 0


@contextlib.contextmanager
def listening(*bad: Bad) -> Iterator[list[Listening]]:
    """Start these receivers."""
    with contextlib.ExitStack() as stack:
        yield [Listening(one, stack) for one in bad]
