"""Ways to say how long a body is: right ones, wrong ones, and some that a server may refuse."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.hostile.requests_raw import get


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
