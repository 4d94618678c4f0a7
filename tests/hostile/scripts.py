"""Receivers with a script: the first delivery gets odd bytes, the second a 500, the third a 200."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from tests.support.raw_server import Connection

#: The truth about an answer that is none: the attempt has an error and no status.
BROKEN = 0
PAUSE_SECONDS = 0.03
#: Longer than an attempt may take.
ENDLESS_SECONDS = 6.0
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
ERROR = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\n\r\nno"


@dataclass(frozen=True)
class Script:
    """What the first delivery gets, in pieces, and the statuses that may be recorded for it.

    `then` says what happens to the connection afterwards; `forever` is sent again and again.
    """

    name: str
    pieces: Sequence[bytes]
    truths: frozenset[int]
    closes: bool = False
    forever: bytes = b""
    #: True if its end may come after the next request, as the beginning of a broken response.
    may_break_next: bool = False

    def talk(self, connection: Connection, number: int) -> None:
        """Answer the request with that number, from 0."""
        if number:
            connection.send(ERROR if number == 1 else OK)
            return
        for piece in self.pieces:
            connection.send(piece)
            if len(self.pieces) > 1:
                time.sleep(PAUSE_SECONDS)
        give_up_at = time.monotonic() + ENDLESS_SECONDS
        while self.forever and time.monotonic() < give_up_at:
            connection.send(self.forever)
            time.sleep(PAUSE_SECONDS)


def _may(*truths: int) -> frozenset[int]:
    return frozenset(truths)


def _interim() -> list[Script]:
    """Informational answers in every place."""
    found = []
    for code in (100, 101, 102, 103, 104, 110, 150, 199):
        early = b"HTTP/1.1 %d Early\r\n\r\n" % code
        full = b"HTTP/1.1 %d Early\r\nLink: </x>; rel=preload\r\nX: y\r\n\r\n" % code
        # A switch that nobody asked for is no answer; what follows is not HTTP any more.
        truths = _may(200, BROKEN, 101) if code == 101 else _may(200)
        found += [
            Script(f"{code} before", (early, OK), truths),
            Script(f"{code} before, in one piece", (early + OK,), truths),
            Script(f"{code} with headers before", (full, OK), truths),
            Script(f"{code} thrice before", (early, full, early + OK), truths),
            Script(f"{code} after", (OK + early,), _may(200)),
            Script(f"{code} after a pause", (OK, early), _may(200), may_break_next=code == 101),
            Script(f"{code} before and after", (early, OK + early), truths),
            Script(f"{code} and a forged 200 after", (OK + early + OK,), _may(200)),
        ]
    lengthy = b"HTTP/1.1 103 Early\r\nContent-Length: 5\r\n\r\n"
    chunked = b"HTTP/1.1 103 Early\r\nTransfer-Encoding: chunked\r\n\r\n"
    endless = b"HTTP/1.1 100 Continue\r\n\r\n"
    return [
        *found,
        Script("103 with a length", (lengthy, OK), _may(200, BROKEN)),
        Script("103 in chunks", (chunked, OK), _may(200, BROKEN)),
        Script("103 and the end", (b"HTTP/1.1 103 Early\r\n\r\n",), _may(BROKEN), closes=True),
        Script("103 before a 404", (b"HTTP/1.1 103 Early\r\n\r\n", _status(b"404 No")), _may(404)),
        Script("endless 100s", (), _may(BROKEN), forever=endless),
        Script("very many 100s", (endless * 200, OK), _may(200, BROKEN)),
        Script("a flood of 100s", (endless * 40_000, OK), _may(200, BROKEN)),
    ]


def _status(line: bytes) -> bytes:
    return b"HTTP/1.1 " + line + b"\r\nContent-Length: 0\r\n\r\n"


def _lengths() -> list[Script]:
    """Lengths that are none, and bodies that do not have the length that was said."""
    bad = (
        b"1_0", b"-5", b"-0", b"\xc2\xb2", b"\xb2", b"0x2", b"2.0", b"2e0", b"2 2", b"two", b"2;",
        b'"2"', b"2\x0b", b"\x0c2", b"99999999999999999999999", b"18446744073709551618", b"2, 3",
    )  # fmt: skip
    head = b"HTTP/1.1 200 OK\r\nContent-Length: "
    found = [
        Script(f"length {value!r}", (head + value + b"\r\n\r\nok",), _may(BROKEN)) for value in bad
    ]
    twice = b"\r\nContent-Length: "
    coded = b"\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    return [
        *found,
        Script("lengths 2 and 3", (head + b"2" + twice + b"3\r\n\r\nok",), _may(BROKEN)),
        Script("lengths 3 and 2", (head + b"3" + twice + b"2\r\n\r\nok",), _may(BROKEN)),
        Script("length +2", (head + b"+2\r\n\r\nok",), _may(200, BROKEN)),
        Script("no value", (head + b"\r\n\r\n",), _may(200, BROKEN), closes=True),
        Script("lengths 2 and 2", (head + b"2" + twice + b"2\r\n\r\nok",), _may(200, BROKEN)),
        Script("length 2, 2", (head + b"2, 2\r\n\r\nok",), _may(200, BROKEN)),
        Script("length and chunks", (head + b"9" + coded,), _may(200, BROKEN)),
        Script("less than said", (head + b"9\r\n\r\nok",), _may(BROKEN), closes=True),
        Script("less than said, open", (head + b"9\r\n\r\nok",), _may(BROKEN)),
        Script("more than said", (head + b"2\r\n\r\nokok",), _may(200)),
        Script("more than said, late", (head + b"2\r\n\r\nok", b"ok"), _may(200)),
        Script("a forged answer after", (head + b"2\r\n\r\nok" + OK,), _may(200)),
        Script("a forged answer later", (head + b"2\r\n\r\nok", OK), _may(200)),
        Script("a forged answer in 204", (b"HTTP/1.1 204 No\r\n\r\n" + OK,), _may(204)),
        Script(
            "a body in 204", (_status(b"204 No")[:-5] + b": 2\r\n\r\n" + OK,), _may(204, BROKEN)
        ),
        Script(
            "a body in 304",
            (b"HTTP/1.1 304 Not\r\nContent-Length: 2\r\n\r\nok",),
            _may(304, BROKEN),
        ),
    ]


def _chunks() -> list[Script]:
    """Chunks that are malformed or end early, and endless trailers."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    good = head + b"2\r\nok\r\n0\r\n"
    bad = (
        b"0x2\r\nok\r\n0\r\n\r\n",
        b"+2\r\nok\r\n0\r\n\r\n",
        b"-2\r\nok\r\n0\r\n\r\n",
        b"g\r\nok\r\n0\r\n\r\n",
        b"2\r\nokok\r\n0\r\n\r\n",
        b"\r\nok\r\n0\r\n\r\n",
        b"ffffffffffffffff2\r\nok\r\n0\r\n\r\n",
    )
    found = [Script(f"chunk {data[:8]!r}", (head + data,), _may(BROKEN)) for data in bad]
    codings = (b"gzip, chunked", b"xchunked", b"chunked, chunked", b"identity, chunked")
    coded = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: %b\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    found += [
        Script(f"coding {coding.decode()}", (coded % coding,), _may(200, BROKEN), closes=True)
        for coding in codings
    ]
    return [
        *found,
        Script("no last chunk", (head + b"2\r\nok\r\n",), _may(BROKEN), closes=True),
        Script("half a chunk", (head + b"9\r\nok",), _may(BROKEN), closes=True),
        Script("trailers", (good + b"X: y\r\nContent-Length: 9\r\n\r\n",), _may(200)),
        Script("no end of trailers", (good,), _may(BROKEN, 200), closes=True),
        Script("endless trailers", (good,), _may(BROKEN, 200), forever=b"X: y\r\n"),
        Script("endless extension", (head + b"2;a=",), _may(BROKEN), forever=b"b" * 100),
        Script("endless body", (head,), _may(BROKEN, 200), forever=b"2\r\nok\r\n"),
        Script("a forged answer after chunks", (good + b"\r\n" + OK,), _may(200)),
        Script("a forged answer in trailers", (good + OK,), _may(200, BROKEN)),
    ]


def _heads() -> list[Script]:
    """Heads that break off, status lines that are none, and heads without an end."""
    # 44 bytes.
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: y\r\n\r\n"
    found = [
        Script(f"a head that ends after {cut}", (whole[:cut],), _may(BROKEN), closes=True)
        for cut in (0, 1, 5, 9, 12, 13, 15, 16, 17, 30, 36, 41, 42, 43)
    ]
    lines = (
        b"HTTP/1.1 2000 OK", b"HTTP/1.1 20 OK", b"HTTP/1.1 2OO OK", b"HTTP/1.1 -200 OK",
        b"HTTP/1.1 0 OK",
        b"HTTP/1.1 +20 OK", b"HTTP/1.1 \xc2\xb200 OK", b"ICY 200 OK", b"HTTP/9.9 200 OK",
        b"SSH-2.0-x", b"200 OK",
        b"<html>200 OK</html>", b"\x15\x03\x01\x00\x02\x02\x28", b"HTTP/1.1 200\x00OK\x00",
        b" HTTP/1.1 200 OK",
        b"HTTP/1.1200 OK", b"http/1.1 200 OK", b"HTTP/1.1 099 OK",
    )  # fmt: skip
    odd = {b"HTTP/1.1 200\x00OK\x00": _may(200, BROKEN), b"HTTP/9.9 200 OK": _may(200, BROKEN)}
    odd |= {b"http/1.1 200 OK": _may(200, BROKEN)}
    end = b"\r\nContent-Length: 0\r\n\r\n"
    found += [
        Script(f"line {line!r}", (line + end,), odd.get(line, _may(BROKEN)), closes=True)
        for line in lines
    ]
    begin = b"HTTP/1.1 200 OK\r\n"
    big = b"X: " + b"y" * 1000 + b"\r\n"
    return [
        *found,
        Script("no reason", (b"HTTP/1.1 200" + end,), _may(200)),
        Script("HTTP/1.0", (b"HTTP/1.0 200 OK" + end,), _may(200)),
        Script("until the end", (b"HTTP/1.1 200 OK\r\n\r\nok",), _may(200), closes=True),
        Script("byte by byte", [bytes([byte]) for byte in OK], _may(200)),
        Script("a header without a colon", (b"HTTP/1.1 200 OK\r\nX" + end,), _may(200, BROKEN)),
        Script("a line feed alone", (OK.replace(b"\r\n", b"\n"),), _may(200, BROKEN)),
        Script("a folded length", (begin + b"Content-Length:\r\n 0\r\n\r\n",), _may(200, BROKEN)),
        Script("a large head", (begin + big * 5000 + b"\r\n",), _may(200, BROKEN), closes=True),
        Script("an endless head", (begin,), _may(BROKEN), forever=b"X: y\r\n"),
        Script("an endless line", (b"HTTP/1.1 200 O",), _may(BROKEN), forever=b"K" * 100),
        Script("an endless flood", (begin,), _may(BROKEN), forever=big * 1000),
    ]


SCRIPTS = (*_interim(), *_lengths(), *_chunks(), *_heads())
