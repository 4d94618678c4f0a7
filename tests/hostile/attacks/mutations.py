"""Requests with bytes changed at random: what the server reads must be what h11 reads.

h11 is an independent implementation of HTTP/1.1. The server may refuse what h11 reads, and then
nothing after it is answered. It must never answer a request that h11 takes for a body.
"""

import random
import re
from collections.abc import Iterator

import h11

from tests.hostile.arena import Arena, Case
from tests.hostile.attacks.framing import build
from tests.hostile.framings import CHUNKED, ONE_CHUNK, Framing
from tests.hostile.talks import Talk, converse
from tests.hostile.wire import TornError

#: Bytes at which readers differ.
BYTES = (
    b"\r", b"\n", b"\r\n", b" ", b"\t", b"\0", b":", b",", b";", b"0", b"5", b"+", b"-", b"_",
    b"\x0b", b"\x0c", b"\x7f", b"\xff", b"x", b"\r\n ", b"\r\n\r\n",
)  # fmt: skip
FRAMINGS = (
    Framing("Content-Length: {n}"),
    Framing(CHUNKED, ONE_CHUNK),
    Framing(CHUNKED, (b"%n;a=b\r\n", b"\r\n0\r\nX: y\r\n\r\n")),
    Framing("Content-Length: {n}\r\nUpgrade: h2c\r\nConnection: upgrade"),
)
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
#: An ID that the product made.
MADE = re.compile(r"[0-9a-f]{32}")
#: For an ID that the product made, because the request had none.
ANY = "?"


def mutated_requests(arena: Arena) -> Iterator[Case]:
    """One or a few bytes are changed: the server and a proxy read different requests."""
    dice = arena.dice("mutations")
    datas = [
        mutate(build(arena, dice.choice(FRAMINGS))[0], dice) for _ in range(arena.scale(3000, 150))
    ]
    talks = [Talk([data], half_closes=True) for data in datas]
    for data, talk in zip(datas, converse(arena.product.port, talks), strict=True):
        yield Case(repr(data), judge(data, talk))


def mutate(data: bytes, dice: random.Random) -> bytes:
    """Insert, replace, delete or repeat bytes, mostly in the first head."""
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        limit = data.find(b"\r\n\r\n") + 8 if dice.random() < 0.8 else len(data)
        at = dice.randrange(limit)
        change = dice.choice(("insert", "replace", "delete", "repeat line"))
        if change == "insert":
            data = data[:at] + dice.choice(BYTES) + data[at:]
        elif change == "replace":
            data = data[:at] + dice.choice(BYTES) + data[at + 1 :]
        elif change == "delete":
            data = data[:at] + data[at + dice.randint(1, 3) :]
        else:
            lines = data.split(b"\r\n")
            number = dice.randrange(min(len(lines), 10))
            data = b"\r\n".join([*lines[: number + 1], *lines[number:]])
    return data


def judge(data: bytes, talk: Talk) -> str:
    """Complain if other requests were answered than h11 reads."""
    expected, is_whole = read_as_h11(data)
    try:
        answers = talk.answers
    except TornError:
        return talk.describe()
    if not talk.is_closed:
        return talk.describe()
    if any(answer.status >= 500 and answer.status not in {501, 505} for answer in answers):
        return talk.describe()
    # A refusal by the server itself has no ID.
    found = [answer.id for answer in answers if answer.id]
    for ours, theirs in zip(found, expected, strict=False):
        # An ID with bytes that the product does not repeat is as good as none.
        if theirs not in (ours, ANY) and not MADE.fullmatch(ours):
            return f"answered {found}; h11 reads {expected}"
    if len(found) > len(expected) and (is_whole or "inner" in found):
        return f"answered {found}; h11 reads {expected}"
    return ""


def read_as_h11(data: bytes) -> tuple[list[str], bool]:
    """Return the IDs of the requests that h11 reads, and whether it read all."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=200_000)
    connection.receive_data(data)
    connection.receive_data(b"")
    ids: list[str] = []
    try:
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Request):
                ids.append(_find_id(event))
            elif isinstance(event, h11.EndOfMessage):
                response = h11.Response(status_code=200, headers=[("content-length", "0")])
                connection.send(response)
                connection.send(h11.EndOfMessage())
                if connection.our_state is h11.MUST_CLOSE:
                    return ids, True
                connection.start_next_cycle()
            elif not isinstance(event, h11.Data):
                return ids, True
    except h11.RemoteProtocolError:
        return ids, False


def _find_id(request: h11.Request) -> str:
    found = [value for name, value in request.headers if name == b"x-request-id"]
    text = b",".join(found).decode("latin-1")
    return text if REQUEST_ID.fullmatch(text) else ANY


ATTACKS = (mutated_requests,)
