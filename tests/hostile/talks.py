"""Many conversations at once: the same pause between segments serves all of them."""

import selectors
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from tests.hostile.wire import Answer, Client, TornError, read_answers

#: Fewer than the product accepts from one address.
AT_ONCE = 32
#: Long enough for the product to read one segment before the next one arrives.
GAP_SECONDS = 0.02
#: Far more than it takes, also on a busy machine.
DEADLINE_SECONDS = 6.0


@dataclass
class Talk:
    """The segments that a client sends, and the bytes that it gets until the end."""

    pieces: Sequence[bytes]
    half_closes: bool = False
    data: bytes = b""
    is_closed: bool = False

    @property
    def answers(self) -> list[Answer]:
        """The answers; raises TornError."""
        return read_answers(self.data)

    def describe(self) -> str:
        """Return the answers' statuses for a complaint."""
        end = "" if self.is_closed else ", left open"
        try:
            return f"{[answer.status for answer in self.answers]}{end}"
        except TornError as error:
            return f"{error}{end}"


def converse(
    port: int, talks: Sequence[Talk], *, deadline: float = DEADLINE_SECONDS
) -> Iterator[Talk]:
    """Hold the conversations, some at once, and yield each when they are over.

    A conversation is over when the product closes it, or at the deadline.
    """
    for start in range(0, len(talks), AT_ONCE):
        some = talks[start : start + AT_ONCE]
        _converse(port, some, deadline)
        yield from some


def _converse(port: int, talks: Sequence[Talk], deadline: float) -> None:
    clients = [Client(port) for _ in talks]
    try:
        for number in range(max(len(talk.pieces) for talk in talks)):
            if number:
                time.sleep(GAP_SECONDS)
            for client, talk in zip(clients, talks, strict=True):
                # A refused client may be disconnected before it has sent all.
                with suppress(OSError):
                    client.send(b"".join(talk.pieces[number : number + 1]))
        for client, talk in zip(clients, talks, strict=True):
            if talk.half_closes:
                client.half_close()
        _read_all(
            {client.socket: talk for client, talk in zip(clients, talks, strict=True)}, deadline
        )
    finally:
        for client in clients:
            client.close()


def _read_all(talks: dict[socket.socket, Talk], deadline: float) -> None:
    give_up_at = time.monotonic() + deadline
    with selectors.DefaultSelector() as selector:
        for sock, talk in talks.items():
            selector.register(sock, selectors.EVENT_READ, talk)
        while selector.get_map() and (left := give_up_at - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                over: Talk = key.data
                assert isinstance(key.fileobj, socket.socket)
                data = b""
                with suppress(ConnectionError):
                    data = key.fileobj.recv(65536)
                over.data += data
                if not data:
                    over.is_closed = True
                    selector.unregister(key.fileobj)
