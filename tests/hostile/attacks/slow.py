"""Slow strangers, in thousands: they must cost no event."""

import time
from collections.abc import Iterator

from tests.hostile.arena import Arena, Case
from tests.hostile.crowd import Crowd, many_addresses, one_address
from tests.hostile.probe import ask, probe
from tests.hostile.requests_raw import PATH, get, new_id, post, report
from tests.hostile.talks import Talk, converse
from tests.hostile.verdict import MAX_GROWTH_MB
from tests.hostile.wire import Client
from tests.support.waiting import wait_until

BEGUN = b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: "
ENDLESS_BODY = post("endless", PATH, b"", "Content-Length: 1000000", sized=False)
ENDLESS_CHUNKS = post("endless", PATH, b"", "Transfer-Encoding: chunked", sized=False)
REPORTS = 200


def bytes_from_one_address(arena: Arena) -> Iterator[Case]:
    """2,000 connections send a byte a second: reports are refused, or wait."""
    count = arena.scale(2000, 300)
    with Crowd(arena.product.port, count, BEGUN, b"x", one_address()):
        yield from _reports(arena)
        yield from probe(arena, "beside them")


def bytes_from_many_addresses(arena: Arena) -> Iterator[Case]:
    """2,500 connections from as many addresses: no limit for one address helps."""
    count = arena.scale(2500, 300)
    with Crowd(arena.product.port, count, BEGUN, b"x", many_addresses()):
        yield from _reports(arena)
        yield from probe(arena, "beside them")


def idle_connections(arena: Arena) -> Iterator[Case]:
    """Connections that send nothing fill the table of connections."""
    count = arena.scale(2500, 300)
    with Crowd(arena.product.port, count, b"", b"", many_addresses()):
        yield from probe(arena, "beside them")
        yield from _reports(arena, 20)


def idle_after_a_request(arena: Arena) -> Iterator[Case]:
    """Connections are kept alive after one request and do nothing more."""
    count = arena.scale(1000, 200)
    with Crowd(arena.product.port, count, get("kept"), b"", one_address()) as crowd:
        wait_until(lambda: not crowd.count_waiting(), "their answers")
        yield from probe(arena, "beside them")
        yield from _reports(arena, 20)


def trickling_bodies(arena: Arena) -> Iterator[Case]:
    """Bodies arrive byte by byte and never end: each one occupies a place."""
    half = arena.scale(400, 50)
    port = arena.product.port
    with (
        Crowd(port, half, ENDLESS_BODY, b"x", one_address()),
        Crowd(port, half, ENDLESS_CHUNKS, b"1\r\nx\r\n", many_addresses()),
    ):
        yield from _reports(arena, 40)
        yield from probe(arena, "beside them")


def unfinished_bodies(arena: Arena) -> Iterator[Case]:
    """60 bodies of a megabyte lack a byte, on pages and with a wrong token: they fill memory."""
    heads = [
        post("long", target, b"", "Content-Length: 1000000", *lines, sized=False)
        for target, lines in (
            ("/sign-in", ()),
            ("/pbxs/new", ()),
            ("/nowhere", ()),
            ("/ingest/nowhere", ()),
            (PATH, ("X-Ingest-Token: wrong",)),
        )
    ]
    clients: list[Client] = []
    before = arena.product.memory_mb()
    try:
        for number in range(60):
            clients.append(Client(arena.product.port, timeout=2))
            # A server that has refused it need not read it.
            try:
                clients[-1].send(heads[number % len(heads)] + b"x" * 999_999)
            except OSError:
                continue
        growth = arena.product.memory_mb() - before
        yield Case("memory", f"{growth:.0f} MB more" if growth > MAX_GROWTH_MB else "")
        yield from probe(arena, "beside them")
    finally:
        for client in clients:
            client.close()


def endless_heads(arena: Arena) -> Iterator[Case]:
    """Heads never end and come quickly: they fill memory."""
    line = b"X-Filler: " + b"x" * 1000 + b"\r\n"
    for number in range(arena.scale(40, 10)):
        talk = Talk([b"GET / HTTP/1.1\r\nHost: x\r\n" + line * 2000])
        [talk] = converse(arena.product.port, [talk])
        # A client that still sends when it is refused may be reset, and lose the answer.
        is_refused = talk.is_closed and talk.data[9:12] in {b"431", b""}
        yield Case(f"head {number}", "" if is_refused else talk.describe())
    yield from probe(arena, "after them")


def _reports(arena: Arena, count: int = REPORTS) -> Iterator[Case]:
    """Report events at an even pace, each on a new connection; each must be accepted at once."""
    count = arena.scale(count, 20)
    # Longer than the deadline of a head, so that strangers are disconnected and come back.
    pause = arena.scale(12, 2) / REPORTS
    for number in range(count):
        request_id = new_id("beside")
        yield Case(f"report {number}", ask(arena, report(arena.product, request_id)))
        time.sleep(pause)


ATTACKS = (
    bytes_from_one_address,
    bytes_from_many_addresses,
    idle_connections,
    idle_after_a_request,
    trickling_bodies,
    unfinished_bodies,
    endless_heads,
)
