"""Requests whose length can be read in two ways: a proxy reads one and the server another.

Each body contains a request of its own, `inner`, which a wrong reading would answer.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tests.hostile.arena import Arena, Case
from tests.hostile.requests_raw import FORM, PATH, get, new_id, report_body
from tests.hostile.talks import Talk, converse
from tests.hostile.wire import TornError

REFUSALS = {400, 411, 413, 414, 431, 501, 505}
INNER = b"\r\n\r\n" + get("inner") + b"0\r\n\r\n"
Judge = Callable[[Talk, list[str]], str]


@dataclass(frozen=True)
class Framing:
    """Header lines (with `{n}` for the body's length) and what follows the head."""

    lines: str
    #: Before and after each chunk; None sends the body as it is.
    chunks: Sequence[bytes] | None = None
    version: str = "1.1"
    end: str = "\r\n"


CHUNKED = "Transfer-Encoding: chunked"
#: One chunk with the whole body, and the last one; `%n` is the size.
ONE_CHUNK = (b"%n\r\n", b"\r\n0\r\n\r\n")

READ_LENGTHS = (
    "Content-Length: {n}",
    "content-length:{n}",
    "CONTENT-LENGTH:\t {n} \t",
    "Content-Length: {n}\r\nConnection: Content-Length",
    "Content-Length: {n}\r\nTransfer_Encoding: chunked",
    "Content-Length: {n}\r\nX-Transfer-Encoding: chunked",
    "Content-Length: {n}\r\nTE: chunked\r\nTrailer: Content-Length",
    "Content-Length: {n}\r\nContent_Length: 5",
)
REFUSED_LENGTHS = (
    "Content-Length: {n}\r\nContent-Length: 5",
    "Content-Length: 5\r\nContent-Length: {n}",
    "Content-Length: {n}\r\ncontent-length: {n}",
    "Content-Length: {n}, {n}",
    "Content-Length: 5, {n}",
    "Content-Length: +{n}",
    "Content-Length: -{n}",
    "Content-Length: -0",
    "Content-Length: {n}_0",
    "Content-Length: 1_0",
    "Content-Length: 0x{n}",
    "Content-Length: {n}.0",
    "Content-Length: {n}e0",
    "Content-Length: {n};",
    "Content-Length: {n} 5",
    "Content-Length: 5 {n}",
    "Content-Length: ",
    "Content-Length: ²",
    "Content-Length: {n}\x0b",
    "Content-Length: \x0c{n}",
    "Content-Length: {n}\x00",
    "Content-Length: 5\x00{n}",
    'Content-Length: "{n}"',
    "Content-Length: 18446744073709551621",
    "Content-Length: 99999999999999999999999999",
    "Content-Length: 9223372036854775807",
    "Content-Length : {n}",
    "Content-Length\t: {n}",
    " Content-Length: {n}",
    "Content-Length:\r\n {n}",
    "Content-Length: {n}\r\n 5",
    "Content-Length\x00: {n}",
    "Content-Length;: {n}",
    "Content-Length",
    ": {n}\r\nContent-Length: {n}",
    "X: a\rContent-Length: 5\r\nContent-Length: {n}",
    "X: a\r\r\nContent-Length: {n}",
    "X(: a\r\nContent-Length: {n}",
    "X y: a\r\nContent-Length: {n}",
    "\xff: a\r\nContent-Length: {n}",
)
REFUSED_CODINGS = (
    CHUNKED + "\r\nContent-Length: {n}",
    "Content-Length: {n}\r\n" + CHUNKED,
    "Content-Length: 5\r\n" + CHUNKED,
    CHUNKED + "\r\n" + CHUNKED,
    CHUNKED + ", chunked",
    CHUNKED + ", identity",
    CHUNKED + ", gzip",
    CHUNKED + ";q=1",
    CHUNKED + ",",
    CHUNKED + "\x0b",
    CHUNKED + "\x00",
    CHUNKED + "\r\n\tgzip",
    CHUNKED + " identity",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: identity",
    "Transfer-Encoding: gzip",
    "Transfer-Encoding: xchunked",
    "Transfer-Encoding: chunkedx",
    "Transfer-Encoding: chunke",
    'Transfer-Encoding: "chunked"',
    "Transfer-Encoding: ",
    "Transfer-Encoding: identity\r\n" + CHUNKED,
    CHUNKED + "\r\nTransfer-Encoding: identity",
    "Transfer-Encoding : chunked",
    "Transfer-Encoding\t: chunked",
    " Transfer-Encoding: chunked",
    "Transfer-Encoding:\r\n chunked",
    "Transfer-Encoding: \x0cchunked",
    "Transfer-Encoding: ch\xfcnked",
    "X: a\r" + CHUNKED + "\r\nContent-Length: {n}",
)
READ_CHUNKS = (
    ONE_CHUNK,
    (b"%N\r\n", b"\r\n0\r\n\r\n"),
    (b"000%n\r\n", b"\r\n000\r\n\r\n"),
    (b"%n;a=b\r\n", b"\r\n0;c\r\n\r\n"),
    (b'%n;a="b c"\r\n', b"\r\n0\r\n\r\n"),
    (b"%n\r\n", b"\r\n0\r\nHost: z\r\nX: y\r\n\r\n"),
)
REFUSED_CHUNKS = (
    (b"0x%n\r\n", b"\r\n0\r\n\r\n"),
    (b"+%n\r\n", b"\r\n0\r\n\r\n"),
    (b"-%n\r\n", b"\r\n0\r\n\r\n"),
    (b"%n_0\r\n", b"\r\n0\r\n\r\n"),
    (b"%ng\r\n", b"\r\n0\r\n\r\n"),
    (b";a\r\n", b"\r\n0\r\n\r\n"),
    (b"\r\n", b"\r\n0\r\n\r\n"),
    (b"10000000000000%n\r\n", b"\r\n0\r\n\r\n"),
    (b"ffffffffffffffff%n\r\n", b"\r\n0\r\n\r\n"),
    (b"fffffffffffffffe\r\n", b"\r\n0\r\n\r\n"),
    (b"%n\r", b"\r\n0\r\n\r\n"),
    (b"%n\n", b"\r\n0\r\n\r\n"),
    (b"%n\r\n", b"0\r\n\r\n"),
    (b"%n\r\n", b"XX\r\n0\r\n\r\n"),
    (b"%n\r\n", b"\n0\r\n\r\n"),
    (b"%n\r\n", b"\r0\r\n\r\n"),
    (b"%n;a\nb\r\n", b"\r\n0\r\n\r\n"),
    (b"%n;a\rb\r\n", b"\r\n0\r\n\r\n"),
    (b"%n;\x00\r\n", b"\r\n0\r\n\r\n"),
    (b"%n\x00\r\n", b"\r\n0\r\n\r\n"),
    (b"%n 5\r\n", b"\r\n0\r\n\r\n"),
    (b"\t%n\r\n", b"\r\n0\r\n\r\n"),
    (b"%n\r\n", b"\r\n0\r\nX y\r\n\r\n"),
    (b"%n\r\n", b"\r\n0\r\n: y\r\n\r\n"),
    (b"%n\r\n", b"\r\n0\r\n" + get("inner")),
    (b"%n\r\n", b"\r\n-0\r\n\r\n"),
)
#: Read by some and refused by others; either is safe.
EITHER = (
    Framing("Content-Length: 000{n}"),
    Framing("Transfer-Encoding: Chunked", ONE_CHUNK),
    Framing("Transfer-Encoding: CHUNKED", ONE_CHUNK),
    Framing("Transfer-Encoding:\t chunked \t", ONE_CHUNK),
    Framing("Content-Length: {n}\nX: y"),
    Framing("Content-Length: {n}", end="\n"),
    Framing(CHUNKED, (b"%n \r\n", b"\r\n0\r\n\r\n")),
    Framing(CHUNKED, (b" %n\r\n", b"\r\n0\r\n\r\n")),
    Framing(CHUNKED, (b"%n\r\n", b"\r\n0\r\n\n")),
    Framing(CHUNKED, (b"%n\r\n", b"\r\n0\n\r\n")),
    Framing(CHUNKED, (b"%n\r\n", b"\r\n0\r\nContent-Length: 5\r\nX: y\r\n\r\n")),
    Framing(CHUNKED, (b"%n\r\n", b"\r\n0\r\nTransfer-Encoding: identity\r\n\r\n")),
)


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


def judge_refused(talk: Talk, ids: list[str]) -> str:  # noqa: ARG001  # each judge takes the same
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
