"""Pipelines that nobody reads."""

import contextlib
import time
from collections.abc import Iterator
from contextlib import suppress

from tests.hostile.arena import Arena, Case
from tests.hostile.probe import probe
from tests.hostile.requests_raw import get, new_id, report, report_json
from tests.hostile.talks import Talk, converse
from tests.hostile.verdict import MAX_GROWTH_MB
from tests.hostile.visitors import STYLESHEET
from tests.hostile.wire import Client

#: So that the product's answers wait in its own memory and not in the system's.
SMALL_BUFFER = 4096
PIPELINED_BYTES = 250_000


def unread_stylesheets(arena: Arena) -> Iterator[Case]:
    """16 clients pipeline 30 stylesheets each and leave: threads wait for them for ever."""
    data = b"".join(get(new_id("style"), STYLESHEET) for _ in range(30))
    with _connected(arena, 16, data):
        time.sleep(arena.scale(30, 5) / 10)
    yield from probe(arena, "after they left")


def silent_readers(arena: Arena) -> Iterator[Case]:
    """40 clients ask for pages and read nothing: nobody else gets one."""
    # More than the system keeps for a client, so that answers wait in the product.
    data = b"".join(get(new_id("silent"), STYLESHEET) for _ in range(20))
    data += b"".join(get(new_id("silent"), "/sign-in") for _ in range(10))
    with _connected(arena, 40, data):
        for number in range(arena.scale(4, 2)):
            time.sleep(0.5)
            yield from probe(arena, f"after {number / 2 + 0.5:g} s")
    yield from probe(arena, "after they left")


def slow_readers(arena: Arena) -> Iterator[Case]:
    """17 clients read a kilobyte now and then: each keeps a thread."""
    data = b"".join(get(new_id("slow"), STYLESHEET) for _ in range(20))
    with _connected(arena, 17, data) as clients:
        for number in range(arena.scale(10, 3)):
            for client in clients:
                with suppress(OSError):
                    client.socket.recv(1024)
            time.sleep(0.4)
            if number % 3 == 2:
                yield from probe(arena, f"in round {number + 1}")
    yield from probe(arena, "after they left")


def pipelined_kilobytes(arena: Arena) -> Iterator[Case]:
    """8 clients pipeline 250 KB of requests each: the requests wait in memory."""
    one = get("many")
    data = one * (PIPELINED_BYTES // len(one))
    with _connected(arena, 8, data):
        time.sleep(arena.scale(30, 10) / 10)
        growth = arena.product.memory_mb() - arena.memory_mb
        complaint = f"{growth:.0f} MB more memory" if growth > MAX_GROWTH_MB else ""
        yield Case("memory meanwhile", complaint)
        yield from probe(arena, "meanwhile")
    yield from probe(arena, "after they left")


def vanishing_clients(arena: Arena) -> Iterator[Case]:
    """Clients reset the connection while they are answered: what is sent then fails loudly."""
    dice = arena.dice("vanishing")
    kinds = (get("gone", STYLESHEET), get("gone", "/sign-in"), report(arena.product, "gone"))
    for _ in range(arena.scale(300, 60)):
        with _connected(arena, 1, b"".join(dice.choices(kinds, k=4))) as [client]:
            time.sleep(dice.choice((0, 0, 0.001, 0.005, 0.02)))
            client.reset()
    yield from probe(arena, "after they left")


def pipelined_in_order(arena: Arena) -> Iterator[Case]:
    """Requests of all kinds are pipelined: answers overtake each other or get lost."""
    dice = arena.dice("in order")
    talks, expected = [], []
    for _ in range(arena.scale(60, 10)):
        ids = [new_id("order") for _ in range(30)]
        data = b""
        for one in ids[:-1]:
            kinds = (
                get(one, dice.choice(("/healthz", "/nowhere", "/sign-in", STYLESHEET, "/pbxs"))),
                report(arena.product, one),
                report_json(arena.product, one),
            )
            data += dice.choice(kinds)
        talks.append(Talk([data + get(ids[-1], close=True)]))
        expected.append(ids)
    over = converse(arena.product.port, talks)
    for number, (talk, ids) in enumerate(zip(over, expected, strict=True)):
        is_right = talk.is_closed and [answer.id for answer in talk.answers] == ids
        yield Case(f"pipeline {number}", "" if is_right else talk.describe())


@contextlib.contextmanager
def _connected(arena: Arena, count: int, data: bytes) -> Iterator[list[Client]]:
    """Connect clients with small buffers, and send as much of the data as each one can."""
    with contextlib.ExitStack() as stack:
        clients = [
            stack.enter_context(
                Client(arena.product.port, timeout=0.5, receive_buffer=SMALL_BUFFER)
            )
            for _ in range(count)
        ]
        for client in clients:
            # A full buffer at the other end is what the attack wants.
            with suppress(OSError):
                client.send(data)
        yield clients


ATTACKS = (
    unread_stylesheets,
    silent_readers,
    slow_readers,
    pipelined_kilobytes,
    vanishing_clients,
    pipelined_in_order,
)
