"""Malformed and oversized requests: refused with a problem document, never with a trace."""

import random
from collections.abc import Collection, Iterator, Sequence

from tests.hostile.arena import Arena, Case
from tests.hostile.requests_raw import get, new_id
from tests.hostile.talks import Talk, converse
from tests.hostile.wire import TornError

HOST = b"Host: x\r\n"
END = HOST + b"Connection: close\r\n\r\n"
#: Statuses that say that the sender is wrong.
REFUSALS = {400, 404, 405, 408, 411, 413, 414, 421, 431, 501, 505}
ANYTHING = {*REFUSALS, 200, 301, 302, 303, 308, 401, 403, 415, 422, 426}

VERSIONS = (
    b"", b"HTTP/0.9", b"HTTP/1.2", b"HTTP/1.9", b"HTTP/2.0", b"HTTP/2", b"HTTP/3.0", b"HTTP/9.9",
    b"HTTP/1", b"HTTP/1.", b"HTTP/.1", b"HTTP/1.1.1", b"HTTP/1.10", b"HTTP/11.1", b"HTTP/01.1",
    b"HTTP/-1.1", b"HTTP/+1.1", b"HTTP/1,1", b"http/1.1", b"Http/1.1", b"HTTPS/1.1", b"ICY/1.1",
    b"RTSP/1.0", b"SIP/2.0", b"HTTP /1.1", b"HTTP/ 1.1", b"HTTP/1.1 x", b"HTTP/1.1x", b"HTTP/a.b",
    b"HTTP/1.1\0", b"HTTP/1.1\x0b", b"\xff",
)  # fmt: skip
METHODS = (
    b"", b"get", b"Get", b"G", b"FOO", b"GET\0", b"GE T", b"G\tET", b"GET,POST", b"G(T",
    b"\xffGET",
    b"CONNECT", b"TRACE", b"PRI", b"PROPFIND", b"SOURCE", b"M-SEARCH", b"PURGE", b"X" * 300,
)  # fmt: skip
TARGETS = (
    b"healthz", b"*", b"http://", b"http:///healthz", b"http:/healthz", b"://x/", b"ftp://x/",
    b"javascript:alert(1)", b"x:80", b"//healthz", b"///", b"/\0", b"/%00", b"/%", b"/%zz",
    b"/a b", b"/a\tb", b"/\x01", b"/\x7f", b"/\x0b", b"/#a", b"/healthz#a", b"/..",
    b"/../../etc/passwd",
    b"/static/../app.py", b"/static/..%2fapp.py", b"/static/%2e%2e/app.py", b"/static/..\\app.py",
    b"/static/%252e%252e/app.py", b"/static//etc/passwd", b"/static/%00.css", b"/static/app.css/",
    b"/\xff\xfe", b"/%ff%fe", b"/%ed%a0%80", b"/ingest/%2e%2e", b"/ingest/\xfc",
    b"/ingest/" + b"a" * 4000,
    b"/healthz?" + b"&" * 5000, b"/pbxs?page=" + b"9" * 4000, b"/" + b"/" * 7000, b"http://\xff/",
    b"http://x@y:z/healthz", b"http://[::1/healthz", b"http://x:99999/healthz", b"?", b"/?",
    b"/;", b"/|",
)  # fmt: skip
HOSTS = (
    b"", b"Host: x\r\nHost: x\r\n", b"Host: x\r\nHost: y\r\n", b"Host: x\r\nhost: x\r\n",
    b"Host: x\r\nX: y\r\nHOST: z\r\n",
)  # fmt: skip
ODD_HOSTS = (
    b"x y", b"x, y", b"x/y", b"x@y", b"x:", b"x:y", b"x:-1", b"x:99999", b"[::1", b"\xfc.example",
    b"x?y", b"x#y", b'"x"', b"<script>", b"..", b"x" * 5000, b"%00", b"x\x7f",
)  # fmt: skip
NO_HTTP = (
    b"\r\n" * 5000, b"\n" * 100, b"\0" * 100, b"\xff" * 100, b" ", b" GET / HTTP/1.1\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"a" * 500, b"SSH-2.0-OpenSSH_9.9\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0", b"EHLO x\r\n", b"\x05\x01\x00",
    b"*1\r\n$4\r\nPING\r\n", b"OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/TCP x\r\n\r\n", b"GET /\r\n",
    b"GET /healthz\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/1.1\nHost x\n\n",
    b"HTTP/1.1 200 OK\r\n\r\n",
    b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nGET / HTTP/1.1\r\n\r\n",
    b"\xef\xbb\xbfGET / HTTP/1.1\r\n\r\n",
)  # fmt: skip
KIB = 1024


def request_lines(arena: Arena) -> Iterator[Case]:
    """Versions and methods that do not exist: a request is read where there is none."""
    datas = [b"GET /healthz " + version + b"\r\n" + END for version in VERSIONS]
    yield from _try(arena, datas, REFUSALS)
    yield from _try(
        arena, [method + b" /healthz HTTP/1.1\r\n" + END for method in METHODS], REFUSALS
    )
    connect = b"CONNECT example.com:443 HTTP/1.1\r\n" + END
    yield from _try(arena, [connect + get("inner"), connect], {400, 405})


def targets(arena: Arena) -> Iterator[Case]:
    """Targets that are no path: a file is read, or the server falls over."""
    datas = [b"GET " + target + b" HTTP/1.1\r\n" + END for target in TARGETS]
    yield from _try(arena, datas, ANYTHING)


def hosts(arena: Arena) -> Iterator[Case]:
    """No Host, two, or an odd one: a proxy and the server serve different sites."""
    line, end = b"GET /healthz HTTP/1.1\r\n", b"Connection: close\r\n\r\n"
    yield from _try(arena, [line + host + end for host in HOSTS], {400})
    odd = [line + b"Host: " + host + b"\r\n" + end for host in ODD_HOSTS]
    yield from _try(arena, odd, ANYTHING)


def header_bytes(arena: Arena) -> Iterator[Case]:
    """Each control byte in a header's name and value: it ends the header for some readers."""
    line = b"GET /healthz HTTP/1.1\r\n"
    names = [n for n in range(256) if not chr(n).isalnum() and chr(n) not in "!#$%&'*+-.^_`|~:"]
    datas = [line + b"X%cY: z\r\n" % n + END for n in [*names, *range(128, 256)]]
    values = [n for n in range(32) if chr(n) not in "\t"] + [127]
    datas += [line + b"X: a%cb\r\n" % n + END for n in values]
    # After a line feed comes a header without a colon.
    yield from _try(arena, datas, REFUSALS)


def not_http(arena: Arena) -> Iterator[Case]:
    """Other protocols and noise: a parser falls over."""
    dice = arena.dice("noise")
    noise = [dice.randbytes(dice.randint(1, 3000)) for _ in range(arena.scale(150, 20))]
    yield from _try(arena, [*NO_HTTP, *noise], REFUSALS)


def oversized(arena: Arena) -> Iterator[Case]:
    """More than is documented: it is kept in memory, or cut and taken for the next request."""
    line = b"GET /healthz HTTP/1.1\r\n"
    longest = b"GET /%s HTTP/1.1\r\n"
    yield from _try(
        arena,
        [longest % (b"a" * 8200) + END, b"G" * 100_000, longest % (b"a" * KIB**2)],
        {400, 414, 501},
    )
    many = b"".join(b"X-%d: y\r\n" % n for n in range(8000))
    heads = [
        b"X: " + b"a" * 65 * KIB + b"\r\n",
        b"X: " + b"a" * KIB**2 + b"\r\n",
        b"X" * 70 * KIB + b": a\r\n",
        many,
        b"X: y\r\n" * 20_000,
        b"Cookie: " + b"a=b; " * 20_000 + b"\r\n",
    ]
    yield from _try(arena, [line + head + END for head in heads], {400, 431})


def random_damage(arena: Arena) -> Iterator[Case]:
    """Whole requests of many kinds with random damage: a case that nobody thought of."""
    dice = arena.dice("damage")
    parts = [
        [b"GET", b"POST", *METHODS],
        [b"/healthz", b"/sign-in", b"/ingest/target", *TARGETS],
        [b"HTTP/1.1", b"HTTP/1.0", *VERSIONS],
        [HOST, *HOSTS],
        [
            b"",
            b"Content-Length: 3\r\n",
            b"Transfer-Encoding: chunked\r\n",
            b"Expect: 100-continue\r\n",
        ],
    ]
    datas = [_damage(parts, dice) for _ in range(arena.scale(600, 60))]
    yield from _try(arena, datas, {*ANYTHING, 417})


def _damage(parts: Sequence[Sequence[bytes]], dice: random.Random) -> bytes:
    # Mostly right, so that the damage gets further than the first check.
    chosen = [part[0] if dice.random() < 0.6 else dice.choice(part) for part in parts]
    method, target, version, *lines = chosen
    data = bytearray(
        method
        + b" "
        + target
        + b" "
        + version
        + b"\r\n"
        + b"".join(lines)
        + b"\r\n3\r\nabc\r\n0\r\n\r\n"
    )
    for _ in range(dice.choice((0, 1, 1, 2, 5))):
        data[dice.randrange(len(data))] = dice.randrange(256)
    return bytes(data)


def _try(arena: Arena, datas: Sequence[bytes], allowed: Collection[int]) -> Iterator[Case]:
    """Send each, and close the sending side; an answer must be allowed and the last one."""
    talks = [Talk([data], half_closes=True) for data in datas]
    for data, talk in zip(datas, converse(arena.product.port, talks), strict=True):
        yield Case(repr(data[:100]), _judge(talk, allowed))
    # The process is alive, and reads what is right.
    [talk] = converse(arena.product.port, [Talk([get(new_id("after"), close=True)])])
    yield Case("a right request after them", "" if b" 200 " in talk.data[:15] else talk.describe())


def _judge(talk: Talk, allowed: Collection[int]) -> str:
    try:
        answers = talk.answers
    except TornError:
        return talk.describe()
    is_right = talk.is_closed and all(answer.status in allowed for answer in answers)
    is_right = is_right and not any(b"Traceback" in answer.body for answer in answers)
    # What the server itself refuses has no ID; it says so in a problem document.
    own = [answer for answer in answers if answer.status >= 400 and not answer.id]
    is_right = is_right and all(answer.is_problem for answer in own)
    return "" if is_right else talk.describe()


ATTACKS = (request_lines, targets, hosts, header_bytes, not_http, oversized, random_damage)
