"""Requests in segments of any size, with and without an Upgrade.

Each body contains a request of its own. If one byte is read as something else, an answer carries
another ID than the next one that was sent.
"""

from collections.abc import Iterable, Iterator
from itertools import pairwise

from tests.hostile.arena import Arena, Case
from tests.hostile.requests_raw import FORM, PATH, get, new_id, post, report_body
from tests.hostile.talks import Talk, converse
from tests.hostile.wire import TornError

WEBSOCKET = (
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)
H2C = ("Connection: Upgrade, HTTP2-Settings", "upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__")
LONELY = ("UPGRADE: TLS/1.0, foo/2",)
#: Where an Upgrade is offered: in which requests of a pipeline.
OFFERS = {
    "no upgrade": ((), ()),
    "websocket in the first": (WEBSOCKET, ()),
    "h2c in the first": (H2C, ()),
    "h2c in the second": ((), H2C),
    "websocket in both": (WEBSOCKET, WEBSOCKET),
    "lonely upgrade in both": (LONELY, LONELY),
}
Stream = tuple[bytes, list[str]]


def two_segments(arena: Arena) -> Iterator[Case]:
    """A pipeline is cut at every byte: what the server looks for is in two segments."""
    for number, (name, lines) in enumerate(OFFERS.items()):
        for is_chunked in (False, True):
            kind = "chunked" if is_chunked else "length"
            # Every second byte of each pipeline, even ones and odd ones in turn.
            step = arena.scale(2, 50)
            size = len(_pipeline(arena, *lines, is_chunked=is_chunked)[0])
            cuts = range(1 + number % step, size, step)
            streams = [_pipeline(arena, *lines, is_chunked=is_chunked) for _ in cuts]
            yield from _hold(
                arena,
                [
                    Talk([data[:cut], data[cut:]])
                    for (data, _), cut in zip(streams, cuts, strict=True)
                ],
                [ids for _, ids in streams],
                [f"{name}, {kind}, cut at {cut}" for cut in cuts],
            )


def many_segments(arena: Arena) -> Iterator[Case]:
    """A pipeline is cut into many pieces at random: three segments have other states than two."""
    dice = arena.dice("segments")
    talks, expected, names = [], [], []
    for number in range(arena.scale(300, 20)):
        offer = dice.choice(list(OFFERS))
        first, second = OFFERS[offer]
        page_id = new_id("split")
        data, ids = _pipeline(arena, first, second, is_chunked=dice.random() < 0.5)
        data, ids = get(page_id, "/sign-in", *second) + data, [page_id, *ids]
        cuts = [0, *sorted(dice.sample(range(1, len(data)), dice.randint(2, 8))), len(data)]
        talks.append(Talk([data[a:b] for a, b in pairwise(cuts)]))
        expected.append(ids)
        names.append(f"{offer}, number {number}, cuts {cuts[1:-1]}")
    yield from _hold(arena, talks, expected, names)


def single_requests(arena: Arena) -> Iterator[Case]:
    """A single request that offers an upgrade is cut at every byte: its body is left unread."""
    for name in ("no upgrade", "websocket in the first", "h2c in the first"):
        lines = (*OFFERS[name][0], "Connection: close")
        size = len(_report(arena, new_id("single"), lines, is_chunked=False))
        cuts = range(1, size, arena.scale(1, 50))
        ids = [new_id("single") for _ in cuts]
        datas = [_report(arena, one, lines, is_chunked=False) for one in ids]
        talks = [Talk([d[:cut], d[cut:]]) for cut, d in zip(cuts, datas, strict=True)]
        names = [f"{name}, cut at {cut}" for cut in cuts]
        yield from _hold(arena, talks, [[one] for one in ids], names)


def spaced_reports(arena: Arena) -> Iterator[Case]:
    """A report with blanks in its query is cut at every byte: what follows is answered too."""
    cuts = range(1, len(_spaced_report(arena, new_id("spaced"))), arena.scale(1, 20))
    ids = [new_id("spaced") for _ in cuts]
    datas = [_spaced_report(arena, one) for one in ids]
    talks = [Talk([d[:cut], d[cut:]]) for cut, d in zip(cuts, datas, strict=True)]
    names = [f"spaced, cut at {cut}" for cut in cuts]
    yield from _hold(arena, talks, [[one] for one in ids], names)


def _spaced_report(arena: Arena, request_id: str) -> bytes:
    """Return a report with blanks in its query, and a request that must not be answered."""
    query = f"token={arena.product.token}&event=dial-in&ext=7&id={request_id}"
    target = f"{PATH}?{query}&caller_name=Anna HTTP/1.0\t Smith"
    return get(request_id, target) + get(new_id("after"), "/healthz", close=True)


def _pipeline(
    arena: Arena, first: tuple[str, ...], second: tuple[str, ...], *, is_chunked: bool
) -> Stream:
    """Return a report and a last request, and their IDs."""
    ids = [new_id("split") for _ in range(2)]
    data = _report(arena, ids[0], first, is_chunked=is_chunked)
    return data + get(ids[1], "/healthz", *second, close=True), ids


def _report(arena: Arena, request_id: str, lines: tuple[str, ...], *, is_chunked: bool) -> bytes:
    """Return a report whose body looks like a request that offers an upgrade."""
    inner = b"\r\n\r\n" + get("inner", "/healthz", *H2C) + b"\r\nUpgrade: x\r\n\r\n0\r\n\r\n"
    body = report_body(request_id) + b"&caller_name=" + inner
    head = (f"Content-Type: {FORM}", f"X-Ingest-Token: {arena.product.token}", *lines)
    if not is_chunked:
        return post(request_id, PATH, body, *head)
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:9], body[9:]))
    head = (*head, "Transfer-Encoding: chunked")
    return post(request_id, PATH, chunks + b"0\r\n\r\n", *head, sized=False)


def _hold(
    arena: Arena, talks: list[Talk], expected: list[list[str]], names: Iterable[str]
) -> Iterator[Case]:
    """Hold the conversations; each must be closed after exactly the expected answers."""
    for talk, ids, name in zip(converse(arena.product.port, talks), expected, names, strict=True):
        yield Case(name, _judge(talk, ids))


def _judge(talk: Talk, ids: list[str]) -> str:
    try:
        answers = talk.answers
    except TornError:
        return talk.describe()
    is_right = talk.is_closed and [answer.id for answer in answers] == ids
    is_right = is_right and {answer.status for answer in answers} <= {200, 202}
    return "" if is_right else talk.describe()


ATTACKS = (two_segments, many_segments, single_requests, spaced_reports)
