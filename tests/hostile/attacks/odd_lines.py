"""What PBXs and phones really send: odd, and it must still give an event."""

import socket
from collections.abc import Iterator
from typing import Any

from sqlalchemy import select

from callevents.db.models import CallEvent
from tests.hostile.arena import Arena, Case
from tests.hostile.requests_raw import FORM, PATH, get, new_id, report_body
from tests.hostile.talks import Talk, converse
from tests.hostile.wire import Client, TornError

#: The name as it is in the query, and as it must be stored; None where it need not be the same.
NAMES: tuple[tuple[bytes, str | None], ...] = (
    ("Müller".encode(), "Müller"),
    ("Дмитрий".encode(), "Дмитрий"),
    ("王小明".encode(), "王小明"),
    ("\U0001f600".encode(), "\U0001f600"),
    ("Müller".encode("latin-1"), None),
    (b"M\xfc\xdfig \xa9"[:-2], None),
    (b"\x80\x81\x99", None),
    (b'"Anna"', '"Anna"'),
    (b'"Anna"<101>', '"Anna"<101>'),
    (b"<anna>", "<anna>"),
    (b"a|b", "a|b"),
    (b"a>b", "a>b"),
    (b"a\\b", "a\\b"),
    (b"a^b", "a^b"),
    (b"a`b", "a`b"),
    (b"{anna}", "{anna}"),
    (b"[anna]", "[anna]"),
    (b"a'b", "a'b"),
    (b"a%b", None),
    (b"50%", None),
    (b"a%zzb", None),
    (b"a+b", "a b"),
    (b"a%2Bb", "a+b"),
    (b"a;b", "a;b"),
    (b"a:b@c", "a:b@c"),
    (b"a/../b", "a/../b"),
    (b"a?b", "a?b"),
    (b"a=b", "a=b"),
    (b"a,b", "a,b"),
    (b"a$b!c(d)e*f~g", "a$b!c(d)e*f~g"),
    (b"Anna Smith", "Anna Smith"),
    (b'"Anna" <101>', '"Anna" <101>'),
    (b"M\xfcller, Anna", "Müller, Anna"),
    (b"a  b", "a  b"),
    (b"a b  ", "a b"),
    (b"a\tb", "a b"),
    (b"a ?b", "a ?b"),
    (b"a HTTP/1.0", "a HTTP/1.0"),
    (b"a GET / HTTP/1.1", "a GET / HTTP/1.1"),
)
#: Request lines with blanks that no report has: %P is the path, %Q the query of a report.
SPACED_LINES = (
    b"POST %P?%Q&caller_name=a b HTTP/1.1",
    b"PUT %P?%Q&caller_name=a b HTTP/1.1",
    b"GET /healthz?%Q&caller_name=a b HTTP/1.1",
    b"GET /sign-in?a b HTTP/1.1",
    b"GET / b HTTP/1.1",
    b"GET %P /healthz?%Q HTTP/1.1",
    b"GET %P b?%Q HTTP/1.1",
    b"GET %P\t?%Q&caller_name=a b HTTP/1.1",
    b"GET %P/../../sign-in?%Q&caller_name=a b HTTP/1.1",
    b"GET /healthz %P?%Q&caller_name=a b HTTP/1.1",
    b"GET http://x%P?%Q&caller_name=a b HTTP/1.1",
    b"GET\t%P?%Q&caller_name=a b HTTP/1.1",
    b"GET %P?%Q&caller_name=a b\tHTTP/1.1",
    b"GET %P?%Q&caller_name=a b HTTP/1.1 ",
    b"GET %P?%Q&caller_name=a b HTTP/1.1\t",
    b"GET %P?%Q&caller_name=a b HTTP/1.12",
    b"GET %P?%Q&caller_name=a b\x00 HTTP/1.1",
    b"GET %P?%Q&caller_name=a b\x0b HTTP/1.1",
    b"GET %P?%Q&caller_name=a b\r HTTP/1.1",
    b"GET %P?%Q&caller_name=a b\rX: y HTTP/1.1",
    b"GET %P?%Q&caller_name=a b",
)


def odd_names(arena: Arena) -> Iterator[Case]:
    """Names in the query that nobody has escaped: the event is lost."""
    talks, keys = [], []
    for raw, _ in NAMES:
        key = new_id("odd")
        target = _target(arena, key) + b"&caller_name=" + raw
        talks.append(Talk([b"GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % target]))
        keys.append(key)
    over = list(converse(arena.product.port, talks))
    stored = _find_names(arena, keys)
    for (raw, name), talk, key in zip(NAMES, over, keys, strict=True):
        complaint = _judge(talk)
        if not complaint and name is not None and stored.get(key) != name:
            complaint = f"stored {stored.get(key)!r}"
        yield Case(repr(raw), complaint)


def odd_requests(arena: Arena) -> Iterator[Case]:
    """Old and sparse clients' forms of a request: the event is lost."""
    talks, keys = [], []
    for form in GETS:
        key = new_id("odd")
        talks.append(Talk([form.replace(b"%T", _target(arena, key))]))
        keys.append(key)
    for form in POSTS:
        key = new_id("odd")
        talks.append(Talk([b"".join(_fill(arena, form, key))]))
        keys.append(key)
    over = list(converse(arena.product.port, talks))
    stored = _find_names(arena, keys)
    for form, talk, key in zip((*GETS, *POSTS), over, keys, strict=True):
        yield Case(repr(form), _judge(talk) or ("" if key in stored else "not stored"))


def spaced_lines(arena: Arena) -> Iterator[Case]:
    """Blanks in another request line: two readers take two targets, or two requests."""
    after = get(new_id("after"), close=True)
    query = b"token=%s&event=dial-in&ext=7" % arena.product.token.encode()
    lines = [
        form.replace(b"%P", PATH.encode()).replace(b"%Q", query) + b"\r\nHost: x\r\n\r\n"
        for form in SPACED_LINES
    ]
    over = converse(arena.product.port, [Talk([line + after]) for line in lines])
    for form, talk in zip(SPACED_LINES, over, strict=True):
        try:
            statuses = [answer.status for answer in talk.answers]
        except TornError:
            statuses = []
        yield Case(repr(form), "" if statuses == [400] and talk.is_closed else talk.describe())


def expecting_clients(arena: Arena) -> Iterator[Case]:
    """A client waits for 100 before it sends the body: it waits for ever."""
    for line in (b"Expect: 100-continue\r\n", b"expect:100-Continue\r\n"):
        head, body = _fill(arena, POSTS[0].replace(CLOSE, CLOSE + line), new_id("odd"))
        with Client(arena.product.port) as client:
            client.send(head)
            first = client.socket.recv(len(CONTINUE), socket.MSG_WAITALL)
            client.send(body)
            talk = Talk([], data=client.read(), is_closed=True)
        yield Case(repr(line), _judge(talk) if first == CONTINUE else repr(first))


CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
CLOSE = b"Connection: close\r\n"
GETS = (
    b"GET %T HTTP/1.0\r\n\r\n",
    b"GET %T HTTP/1.0\r\nHost: x\r\n\r\n",
    b"GET %T HTTP/1.0\r\nConnection: close\r\n\r\n",
    b"GET http://x%T HTTP/1.1\r\nHost: x\r\n" + CLOSE + b"\r\n",
    b"GET http://other:8000%T HTTP/1.1\r\nHost: x\r\n" + CLOSE + b"\r\n",
    b"GET http://x%T HTTP/1.0\r\n\r\n",
    b"GET %T HTTP/1.1\r\nhost:x\r\nconnection:close\r\n\r\n",
    b"GET %T HTTP/1.1\r\nHOST: x\r\nCONNECTION: CLOSE\r\n\r\n",
    b"GET %T HTTP/1.1\r\nHost:\tx\t \r\nConnection:   close  \r\n\r\n",
    b"GET %T HTTP/1.1\r\nHost: x:8000\r\n" + CLOSE + b"\r\n",
    b"GET %T HTTP/1.1\r\nHost: \r\n" + CLOSE + b"\r\n",
    b"GET %T HTTP/1.1\r\nHost: [::1]:8000\r\n" + CLOSE + b"\r\n",
    b"\r\nGET %T HTTP/1.1\r\nHost: x\r\n" + CLOSE + b"\r\n",
    b"\r\n\r\nGET %T HTTP/1.1\r\nHost: x\r\n" + CLOSE + b"\r\n",
    b"GET %T HTTP/1.1\r\nHost: x\r\nUser-Agent: \xfcber-Phone\r\n" + CLOSE + b"\r\n",
    b"GET %T HTTP/1.1\r\nHost: x\r\nX-Empty:\r\n" + CLOSE + b"\r\n",
    b"GET %T HTTP/1.1\r\nHost: x\r\nX-Big: " + b"x" * 60_000 + b"\r\n" + CLOSE + b"\r\n",
    b"GET %T HTTP/1.1\r\nHost: x\r\n" + b"X-Many: y\r\n" * 100 + CLOSE + b"\r\n",
    b"GET %T&caller_name="
    + b"x" * 250
    + b"&more="
    + b"y" * 7000
    + b" HTTP/1.1\r\nHost: x\r\n"
    + CLOSE
    + b"\r\n",
    b"GET %T HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n" + CLOSE + b"\r\n",
    b"GET %T HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n" + CLOSE + b"\r\n",
    b"GET %T HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade, close\r\n\r\n",
)
POSTS = (
    b"POST %P HTTP/1.1\r\nHost: x\r\nX-Ingest-Token: %K\r\nContent-Type: %F\r\n"
    b"Content-Length: %L\r\n" + CLOSE + b"\r\n",
    b"POST %P HTTP/1.0\r\nX-Ingest-Token: %K\r\nContent-Type: %F\r\nContent-Length: %L\r\n\r\n",
    b"POST %P HTTP/1.1\r\nhost: x\r\nx-ingest-token: %K\r\ncontent-type: %F\r\n"
    b"content-length: %L\r\n" + CLOSE + b"\r\n",
    b"POST %P HTTP/1.1\r\nHost: x\r\nX-Ingest-Token: %K\r\nContent-Length: %L\r\n"
    + CLOSE
    + b"\r\n",
    b"POST http://x%P HTTP/1.1\r\nHost: x\r\nX-Ingest-Token: %K\r\nContent-Type: %F\r\n"
    b"Content-Length: %L\r\n" + CLOSE + b"\r\n",
)


def _target(arena: Arena, key: str) -> bytes:
    return f"{PATH}?token={arena.product.token}&event=dial-in&ext=7&id={key}".encode()


def _fill(arena: Arena, form: bytes, key: str) -> tuple[bytes, bytes]:
    """Return the head of a form of POST for a report, and the body."""
    body = report_body(key)
    head = form.replace(b"%P", PATH.encode()).replace(b"%L", b"%d" % len(body))
    return head.replace(b"%F", FORM.encode()).replace(b"%K", arena.product.token.encode()), body


def _find_names(arena: Arena, keys: list[str]) -> dict[str, str]:
    """Return the callers' names of the stored events, by the sender's key."""
    given = [f"given:{key}" for key in keys]
    statement: Any = select(CallEvent.key, CallEvent.caller_name).where(CallEvent.key.in_(given))
    found = arena.product.query(statement)
    return {row.key.removeprefix("given:"): row.caller_name for row in found}


def _judge(talk: Talk) -> str:
    try:
        statuses = [answer.status for answer in talk.answers]
    except TornError:
        return talk.describe()
    return "" if statuses == [202] and talk.is_closed else talk.describe()


ATTACKS = (odd_names, odd_requests, spaced_lines, expecting_clients)
