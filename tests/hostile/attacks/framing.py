"""Requests whose length can be read in two ways: a proxy reads one and the server another.

Each body contains a request of its own, `inner`, which a wrong reading would answer.
"""

from collections.abc import Callable, Iterator, Sequence

from tests.hostile.arena import Arena, Case
from tests.hostile.framings import (
    CHUNKED,
    EITHER,
    ONE_CHUNK,
    READ_CHUNKS,
    READ_LENGTHS,
    REFUSED_CHUNKS,
    REFUSED_CODINGS,
    REFUSED_LENGTHS,
    Framing,
)
from tests.hostile.requests_raw import FORM, PATH, get, new_id, report_body
from tests.hostile.talks import Talk, converse
from tests.hostile.wire import TornError

REFUSALS = {400, 411, 413, 414, 431, 501, 505}
INNER = b"\r\n\r\n" + get("inner") + b"0\r\n\r\n"
Judge = Callable[[Talk, list[str]], str]


def unambiguous_lengths(arena: Arena) -> Iterator[Case]:
    """Lengths that mean one thing: a report is refused, or its body is read as a request."""
    framings = [Framing(lines) for lines in READ_LENGTHS]
    framings += [Framing(CHUNKED, chunks) for chunks in READ_CHUNKS]
    yield from _try(arena, framings, judge_read)


def ambiguous_lengths(arena: Arena) -> Iterator[Case]:
    """Content-Length twice, with signs, spaces or other bytes: two readers take two bodies."""
    yield from _try(arena, [Framing(lines) for lines in REFUSED_LENGTHS], judge_refused)
    framings = [Framing(f"Content-Length: {{n}}\r\nX: a{chr(n)}b") for n in (0, 1, 8, 13, 27, 127)]
    yield from _try(arena, framings, judge_refused)


def ambiguous_codings(arena: Arena) -> Iterator[Case]:
    """Transfer-Encoding with a length, twice or in odd forms: two readers take two bodies."""
    framings = [Framing(lines, ONE_CHUNK) for lines in REFUSED_CODINGS]
    framings += [Framing(lines) for lines in REFUSED_CODINGS]
    framings += [Framing(CHUNKED, ONE_CHUNK, "1.0"), Framing(CHUNKED, version="1.0")]
    yield from _try(arena, framings, judge_refused)


def malformed_chunks(arena: Arena) -> Iterator[Case]:
    """Chunk sizes with signs, prefixes, overflow and odd line ends: two readers take two bodies."""
    yield from _try(arena, [Framing(CHUNKED, chunks) for chunks in REFUSED_CHUNKS], judge_refused)


def lenient_framing(arena: Arena) -> Iterator[Case]:
    """What a server may read or refuse: half of a body is taken for the next request."""
    yield from _try(arena, EITHER, judge_either)


def judge_read(talk: Talk, ids: list[str]) -> str:
    """Complain unless each request was answered, in order, as if it were alone."""
    try:
        answers = talk.answers
    except TornError:
        return talk.describe()
    is_right = [answer.id for answer in answers] == ids
    is_right = is_right and all(answer.status in {200, 202} for answer in answers)
    return "" if is_right and talk.is_closed else talk.describe()


def judge_refused(talk: Talk, ids: list[str]) -> str:
    """Complain unless one problem document was the answer, and the end."""
    try:
        answers = talk.answers
    except TornError:
        return talk.describe()
    is_right = [answer.status in REFUSALS and answer.is_problem for answer in answers] == [True]
    return "" if is_right and talk.is_closed else talk.describe()


def judge_either(talk: Talk, ids: list[str]) -> str:
    """Complain unless it was read or refused."""
    return judge_read(talk, ids) and judge_refused(talk, ids)


def _try(arena: Arena, framings: Sequence[Framing], judge: Judge) -> Iterator[Case]:
    talks, expected = [], []
    for framing in framings:
        data, ids = build(arena, framing)
        # A server that waits for more of an endless chunk learns that there is none.
        talks.append(Talk([data], half_closes=judge is judge_refused))
        expected.append(ids)
    over = converse(arena.product.port, talks)
    for framing, talk, ids in zip(framings, over, expected, strict=True):
        name = framing.lines if framing.chunks in (None, ONE_CHUNK) else str(framing.chunks)
        yield Case(repr(name), judge(talk, ids))


def build(arena: Arena, framing: Framing) -> tuple[bytes, list[str]]:
    """Return a report with that framing and a last request, and their IDs."""
    ids = [new_id("framed"), new_id("next")]
    body = report_body(ids[0]) + b"&caller_name=" + INNER
    lines = [
        f"POST {PATH} HTTP/{framing.version}",
        "Host: x",
        f"X-Request-ID: {ids[0]}",
        f"X-Ingest-Token: {arena.product.token}",
        f"Content-Type: {FORM}",
        framing.lines.replace("{n}", str(len(body))),
        "",
        "",
    ]
    if framing.chunks is not None:
        before, after = framing.chunks
        size = b"%x" % len(body)
        body = before.replace(b"%n", size).replace(b"%N", size.upper()) + body + after
    return framing.end.join(lines).encode("latin-1") + body + get(ids[1], close=True), ids


ATTACKS = (
    unambiguous_lengths,
    ambiguous_lengths,
    ambiguous_codings,
    malformed_chunks,
    lenient_framing,
)
