"""Connections that end, or do not, at any moment of a request."""

import time
from collections.abc import Iterator

from tests.hostile.arena import Arena, Case
from tests.hostile.probe import probe
from tests.hostile.requests_raw import PATH, get, new_id, post, report
from tests.hostile.talks import Talk, converse
from tests.hostile.wire import Client, TornError

#: More than a deadline, on a busy machine.
GRACE_SECONDS = 6.0


def half_closes(arena: Arena) -> Iterator[Case]:
    """A client closes its sending side after each byte of a request: the connection stays open."""
    for name, data in (
        ("GET", get(new_id("half"))),
        ("report", report(arena.product, "half")),
    ):
        cuts = [*range(0, len(data), arena.scale(1, 15)), len(data)]
        talks = [Talk([data[:cut]], half_closes=True) for cut in cuts]
        for cut, talk in zip(cuts, converse(arena.product.port, talks), strict=True):
            yield Case(f"{name} after {cut}", _judge_half(talk, is_whole=cut == len(data)))


def resets(arena: Arena) -> Iterator[Case]:
    """Clients connect and reset at any moment, in floods: descriptors or threads are left."""
    dice = arena.dice("resets")
    for _ in range(arena.scale(2000, 200)):
        data = dice.choice((get("reset"), get("reset", "/sign-in"), report(arena.product, "reset")))
        client = Client(arena.product.port)
        client.send(data[: dice.randrange(len(data) + 1)])
        client.reset()
    yield from probe(arena, "after them")


def deadlines(arena: Arena) -> Iterator[Case]:
    """Clients stop in the middle and wait: nobody ever closes the connection."""
    settings = arena.product.commands.settings
    head = float(getattr(settings, "head_timeout_seconds", 10))
    body = float(getattr(settings, "body_timeout_seconds", 30))
    clients = {
        "silence": (head, b""),
        "a line": (head, b"GET /healthz HT"),
        "a head": (head, b"GET /healthz HTTP/1.1\r\nHost: x\r\n"),
        "a body": (body, post("stop", PATH, b"", "Content-Length: 9", sized=False) + b"a"),
        "a chunk": (
            body,
            post("stop", PATH, b"", "Transfer-Encoding: chunked", sized=False) + b"5\r\na",
        ),
    }
    began = time.monotonic()
    opened = {name: Client(arena.product.port) for name in clients}
    for name, (_, data) in clients.items():
        opened[name].send(data)
    for name, (seconds, data) in sorted(clients.items(), key=lambda item: item[1][0]):
        with opened[name] as client:
            client.socket.settimeout(max(0.1, began + seconds + GRACE_SECONDS - time.monotonic()))
            yield Case(f"{name} for {seconds:g} s", _judge_deadline(client, data))


def _judge_deadline(client: Client, begun: bytes) -> str:
    talk = Talk([])
    try:
        talk.data = client.read()
    except TimeoutError:
        return "still open"
    talk.is_closed = True
    try:
        statuses = [answer.status for answer in talk.answers]
    except TornError:
        return talk.describe()
    return "" if statuses == ([408] if begun else []) else talk.describe()


def _judge_half(talk: Talk, *, is_whole: bool) -> str:
    try:
        statuses = [answer.status for answer in talk.answers]
    except TornError:
        return talk.describe()
    right = ([200], [202]) if is_whole else ([], [400], [408])
    return "" if statuses in right and talk.is_closed else talk.describe()


ATTACKS = (half_closes, resets, deadlines)
