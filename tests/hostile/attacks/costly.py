"""Requests that cost a stranger little and the product much."""

import contextlib
import threading
from collections.abc import Iterator
from contextlib import suppress

from tests.hostile.arena import Arena, Case
from tests.hostile.probe import ask, probe
from tests.hostile.requests_raw import PATH, get, new_id, post, report
from tests.hostile.visitors import STYLESHEET
from tests.hostile.wire import Client

MIB = 1024 * 1024
CHUNKED = "Transfer-Encoding: chunked"
JSON = "Content-Type: application/json"


def chunks_of_empty_lines(arena: Arena) -> Iterator[Case]:
    """A body in chunks has nothing but line ends: each one could be the end of the body."""
    size = arena.scale(MIB, MIB // 8)
    body = b"%x\r\n" % size + b"\r\n" * (size // 2) + b"\r\n0\r\n\r\n"
    yield from _beside(arena, post("lines", PATH, body, CHUNKED, sized=False))


def chunks_with_empty_lines(arena: Arena) -> Iterator[Case]:
    """Each of many chunks is an empty line: the parser is called for each."""
    count = arena.scale(MIB, MIB // 8) // 4
    body = b"4\r\n\r\n\r\n\r\n" * count + b"0\r\n\r\n"
    yield from _beside(arena, post("lines", PATH, body, CHUNKED, sized=False))


def nested_json(arena: Arena) -> Iterator[Case]:
    """A body has brackets only: the parser goes as deep as it can, in the event loop."""
    token = f"X-Ingest-Token: {arena.product.token}"
    datas = [post("deep", PATH, bracket * 16_000, JSON, token) for bracket in (b"[", b'{"":')]
    yield from _beside(arena, b"".join(datas * 5))


def many_small_things(arena: Arena) -> Iterator[Case]:
    """As many headers, parameters and cookies as are allowed."""
    lines = [f"X-{number}: {'y' * 250}" for number in range(190)]
    cookies = "Cookie: " + "; ".join(f"a{number}=b" for number in range(5000))
    query = "&".join(f"a{number}=b" for number in range(900))
    datas = [
        get("small", "/sign-in", *lines),
        get("small", "/sign-in", cookies),
        get("small", f"{PATH}?{query}"),
        get("small", f"{PATH}?{'%2525' * 1500}"),
    ]
    yield from _beside(arena, b"".join(datas * 5))


def unread_answers(arena: Arena) -> Iterator[Case]:
    """Many clients wait for large answers and read nothing: no connection is idle."""
    data = b"".join(get(new_id("unread"), STYLESHEET) for _ in range(20))
    with contextlib.ExitStack() as stack:
        for _ in range(arena.scale(150, 30)):
            client = Client(arena.product.port, timeout=5, receive_buffer=4096)
            stack.enter_context(client)
            with suppress(OSError):
                client.send(data)
        for number in range(10):
            yield Case(f"report {number}", ask(arena, report(arena.product, new_id("beside"))))
        yield from probe(arena, "beside them")


def _beside(arena: Arena, data: bytes) -> Iterator[Case]:
    """Have clients send this again and again; reports beside it must be accepted at once."""
    stop = threading.Event()

    def send() -> None:
        while not stop.is_set():
            with suppress(OSError), Client(arena.product.port, timeout=5) as client:
                client.send(data)
                client.half_close()
                client.read()

    threads = [threading.Thread(target=send) for _ in range(arena.scale(8, 2))]
    for thread in threads:
        thread.start()
    try:
        for number in range(arena.scale(20, 3)):
            yield Case(f"report {number}", ask(arena, report(arena.product, new_id("beside"))))
    finally:
        stop.set()
        for thread in threads:
            thread.join()


ATTACKS = (
    chunks_of_empty_lines,
    chunks_with_empty_lines,
    nested_json,
    many_small_things,
    unread_answers,
)
