"""Bodies of requests that are answered without reading them, and methods that have none."""

from collections.abc import Iterator

from tests.hostile.arena import Arena, Case
from tests.hostile.attacks.framing import judge_read, judge_refused
from tests.hostile.requests_raw import FORM, PATH, get, new_id, post, report_body
from tests.hostile.talks import Talk, converse
from tests.hostile.wire import TornError

INNER = b"\r\n\r\n" + get("inner", "/healthz")
MIB = 1024 * 1024
#: Requests that are refused whatever is in the body.
REFUSED = (
    ("POST", "/nowhere"),
    ("POST", "/ingest/nowhere"),
    ("POST", "/healthz"),
    ("POST", "/sign-in"),
    ("POST", "/pbxs/new"),
    ("PUT", PATH),
    ("DELETE", PATH),
    ("PATCH", "/pbxs"),
    ("OPTIONS", PATH),
    ("TRACE", "/healthz"),
    ("POST", "/static/app.css"),
    ("FOO", PATH),
    ("GET", "/nowhere"),
    ("GET", "/pbxs"),
    ("POST", f"{PATH}?token=wrong"),
)


def refused_with_bodies(arena: Arena) -> Iterator[Case]:
    """A request is refused and its body is left on the connection: it becomes the next request."""
    talks, expected, names = [], [], []
    for method, target in REFUSED:
        for is_chunked in (False, True):
            ids = [new_id("refused"), new_id("next")]
            body = b"a=b" + INNER
            if is_chunked:
                body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
                data = post(ids[0], target, body, "Transfer-Encoding: chunked", sized=False)
            else:
                data = post(ids[0], target, body)
            data = data.replace(b"POST", method.encode(), 1) + get(ids[1], close=True)
            talks.append(Talk([data]))
            expected.append(ids)
            names.append(f"{method} {target}, {'chunked' if is_chunked else 'length'}")
    for talk, ids, name in zip(converse(arena.product.port, talks), expected, names, strict=True):
        yield Case(name, _judge_order(talk, ids))


def bodies_of_get(arena: Arena) -> Iterator[Case]:
    """A GET has a body: a server that expects none reads it as a request."""
    token = f"X-Ingest-Token: {arena.product.token}"
    talks, expected = [], []
    for target in ("/healthz?x=1", f"{PATH}?event=dial-in&ext=7"):
        ids = [new_id("get"), new_id("next")]
        data = post(ids[0], f"{target}&id={ids[0]}", b"x" + INNER, token).replace(
            b"POST", b"GET", 1
        )
        talks.append(Talk([data + get(ids[1], close=True)]))
        expected.append(ids)
    for talk, ids in zip(converse(arena.product.port, talks), expected, strict=True):
        yield Case(talk.pieces[0][:30].decode(), judge_read(talk, ids))


def too_long_bodies(arena: Arena) -> Iterator[Case]:
    """More than a mebibyte is declared or sent: the rest becomes the next request."""
    token = f"X-Ingest-Token: {arena.product.token}"
    kind = f"Content-Type: {FORM}"
    body = report_body("long") + b"&caller_name=" + b"x" * MIB + INNER
    chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    declared = post("long", PATH, b"", token, kind, f"Content-Length: {2 * MIB}", sized=False)
    talks = [
        Talk([declared]),
        Talk([declared + INNER]),
        Talk([declared.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n") + INNER]),
        Talk([post("long", PATH, body, token, kind) + get("next", close=True)]),
        Talk([post("long", PATH, chunks, token, kind, "Transfer-Encoding: chunked", sized=False)]),
    ]
    names = ("declared", "declared and begun", "declared and expected", "sent", "sent in chunks")
    for talk, name in zip(converse(arena.product.port, talks), names, strict=True):
        complaint = judge_refused(talk, [])
        if not complaint and talk.answers[0].status != 413:
            complaint = talk.describe()
        yield Case(name, complaint)


def _judge_order(talk: Talk, ids: list[str]) -> str:
    """Complain unless both requests were answered, or one and the connection was closed."""
    try:
        answers = talk.answers
    except TornError:
        return talk.describe()
    found = [answer.id for answer in answers]
    is_right = found == ids or (len(answers) == 1 and found[0] in {"", ids[0]})
    is_right = is_right and talk.is_closed and answers[0].status not in {500, 502, 504}
    return "" if is_right else talk.describe()


ATTACKS = (refused_with_bodies, bodies_of_get, too_long_bodies)
