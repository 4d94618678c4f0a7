"""The fast path, for any request: it responds and stores as the route does, or declines."""

import itertools
import json
import os
import re
import socket
from base64 import b64encode
from collections.abc import Callable, Iterator
from http.client import HTTPResponse
from typing import Any
from urllib.parse import urlencode

import hypothesis
import pytest
from hypothesis import strategies as st

from callevents import create_app
from callevents.config.settings import Settings
from callevents.db.models.event import REPORTED
from callevents.extensions import db
from tests.api.conftest import stored
from tests.conftest import let_go
from tests.support.log_capture import Logged
from tests.support.served import Served

#: Stands for a text that is new in each example, so that no event is a duplicate of another's.
NEW = "n-000000"
#: Stands for the token, and is as long.
TOKEN = "cet_" + 43 * "T"
PATH = b"/ingest/head-office"

Fields = dict[str, object]
#: Content type and body.
Content = tuple[bytes, bytes]

TEXTS = ("0612", "Jan de Vries", "Müller", "a&b=c%41;+", "<unknown>", "<b>\x01", "n" * 300, " ")
NAMES = ("peer", "caller", "Caller-Name", "called_did", "colour", "größe", "token")


def mostly(usual: object, *others: object) -> st.SearchStrategy[Any]:
    """Return the usual value in nine of ten cases."""
    return st.sampled_from([usual] * (9 * len(others)) + [*others])


fields = st.fixed_dictionaries(
    {
        "event": mostly("dial-in", "hangup", "0", "ring", ""),
        "ext": mostly("101", " 102 ", 103, "*", "", True),
    },
    optional={
        **{name: mostly(*TEXTS) for name in NAMES},
        **{name: st.sampled_from((NEW, "")) for name in ("call", "leg", "id")},
        "EVENT": mostly("", "dial-in", "hangup"),
        "status": mostly("busy", "Answered", "odd"),
        "cause": mostly(16, "17", "128", None),
        "duration": mostly(3.7, "4", "-1", []),
        "at": mostly(
            "2026-03-01T10:00:00.250Z", "2026-03-01 10:00:00 01:00", "1772359200.25", "soon"
        ),
    },
)


def encode(pairs: Fields) -> bytes:
    """Return a form in UTF-8."""
    return urlencode(pairs).encode()


def encode_in_latin_1(pairs: Fields) -> bytes:
    """Return a form as old phones send it."""
    return urlencode(pairs, encoding="latin-1").encode()


def concatenate(pairs: Fields) -> bytes:
    """Return a form as a simple script puts it together."""
    text = "&".join(f"{name}={value}" for name, value in pairs.items())
    return re.sub(r"[\s#\x00-\x1f]", "", text).encode()


encoders = st.sampled_from((encode, encode_in_latin_1, concatenate))


@st.composite
def contents(draw: st.DrawFn) -> Content:
    """Return a body with its content type, which may be a wrong one."""
    events = draw(st.lists(fields, min_size=1, max_size=2))
    lines = "\n".join(json.dumps(event) for event in events).encode()
    content_type, body = draw(
        st.sampled_from(
            (
                (b"application/x-www-form-urlencoded", draw(encoders)(events[0])),
                (b"application/json", json.dumps(events[0]).encode()),
                (b"application/json; charset=utf-8", json.dumps(events).encode()),
                (b"Application/JSON", b"\xef\xbb\xbf" + lines),
                (b"application/x-ndjson", lines),
                (b"text/json", b"[1]"),
                (b"application/vnd.x+json", b'{"ext":NaN}'),
                (b"text/xml", b"<x/>"),
                (b"", b"  "),
            )
        )
    )
    others = (b"", b"application/json", b"multipart/form-data; boundary=b", b"a, b;=")
    return draw(mostly(content_type, *others)), body


token_headers = mostly(
    f"X-Ingest-Token: {TOKEN}",
    f"Authorization: Bearer {TOKEN}",
    f"authorization: bearer  {TOKEN} ",
    f"Authorization: Digest a=b\r\nX-Ingest-Token: {TOKEN}",
    f"Authorization: Basic {b64encode(f'x:{TOKEN}'.encode()).decode()}",
    "Authorization: Basic eDp5",
    "X-Ingest-Token: wrong",
    f"X-Ingest-Token: {TOKEN}\r\nX-Ingest-Token: {TOKEN}",
    f"X_Ingest_Token: {TOKEN}",
).map(str.encode)
other_headers = st.lists(
    st.sampled_from(
        (
            b"X-Forwarded-Proto: https",
            b"X-Forwarded-Proto: http, https",
            b"x-forwarded-proto: http",
            b"X-Request-ID: proxy-1",
            b"X-Request-ID: <odd>",
            b"Content-Encoding: gzip",
            b"Content-Encoding:",
            b"Accept: text/html",
            b"Cookie: callevents=odd",
        )
    ),
    max_size=2,
)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """Return a request that may be a plain report, and may be almost one."""
    method = draw(st.sampled_from((b"GET", b"POST")) | mostly(b"POST", b"HEAD", b"PUT"))
    path = draw(mostly(PATH, PATH + b"/", b"/ingest/Head-Office", b"/ingest/head%2Doffice"))
    query = draw(st.just(b"") | st.builds(lambda encoder, found: encoder(found), encoders, fields))
    if draw(st.integers(0, 5)) == 0:
        query += f"&token={TOKEN}".encode()
    content_type, body = draw(contents())
    lines = [b"Host: x", b"Connection: close", *draw(other_headers)]
    if draw(st.integers(0, 5)):
        lines.append(draw(token_headers))
    if content_type:
        lines.append(b"Content-Type: " + content_type)
    if draw(st.booleans()):
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
        lines.append(b"Transfer-Encoding: chunked")
    elif draw(st.integers(0, 9)):
        lines.append(b"Content-Length: %d" % len(body))
    else:
        body = b""
    head = b"%s %s?%s HTTP/1.1\r\n" % (method, path, query)
    return head + b"\r\n".join(lines) + b"\r\n\r\n" + body


def plain(*lines: str) -> bytes:
    """Return a plain report with these header lines."""
    head = "\r\n".join((f"POST {PATH.decode()} HTTP/1.1", "Host: x", "Connection: close", *lines))
    return f"{head}\r\nContent-Length: 19\r\n\r\nevent=dial-in&ext=1".encode()


Described = tuple[object, ...]
#: In the log of a request that took the route.
LINE = '"event": "request"'


def ask(served: Served, request: bytes) -> Described:
    """Send the request; return the response without what differs between two equal requests."""
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as client:
        client.sendall(request)
        response = HTTPResponse(client, method=request.partition(b" ")[0].decode())
        response.begin()
        body = response.read()
    headers = {name.lower(): value for name, value in response.getheaders()}
    request_id = re.sub("[0-9a-f]{32}", "", headers.pop("x-request-id"))
    for name in ("date", "vary"):
        headers.pop(name, None)
    body = re.sub(rb"[0-9a-f]{8}-[0-9a-f-]{27}", b"", body)
    return response.status, response.reason, headers, request_id, body


def store_new(send: Callable[[], Described]) -> tuple[Described, list[Described]]:
    """Return the response, and the events that were stored for it."""
    before = len(stored())
    described = send()
    events = [tuple(getattr(one, name) for name in REPORTED) for one in stored()[before:]]
    db.session.rollback()
    return described, events


@pytest.fixture
def proxied(settings: Settings, token: str) -> Iterator[tuple[Served, Served]]:
    """Two applications behind a proxy, with and without the fast path."""
    behind = settings.model_copy(update={"trusted_proxies": 1})
    apps = [create_app(behind), create_app(behind.model_copy(update={"log_level": "DEBUG"}))]
    fast, slow = (Served(app, token) for app in apps)
    fast.cache_token()
    yield fast, slow
    for served in (fast, slow):
        served.close()
    for app in apps:
        let_go(app)


def test_any_request(proxied: tuple[Served, Served], token: str, logged: Logged) -> None:
    """Any request gets the same response on both paths, and stores the same events."""
    fast, slow = proxied
    numbers = itertools.count(1)
    #: By path, the numbers of events that a request stored.
    stored_by = {"fast": set[int](), "route": set[int]()}

    @hypothesis.settings(
        max_examples=int(os.environ.get("CALLEVENTS_FUZZ_EXAMPLES", "60")), deadline=None
    )
    @hypothesis.given(requests())
    @hypothesis.example(plain(f"X-Ingest-Token: {TOKEN}"))
    @hypothesis.example(plain(f"X-Ingest-Token: {TOKEN}", f"X-Ingest-Token: {TOKEN}"))
    @hypothesis.example(plain(f"X-Ingest-Token: {TOKEN}", "Content-Encoding: gzip"))
    @hypothesis.example(plain(f"X-Ingest-Token: {TOKEN}", "Content-Type: multipart/form-data"))
    def compare(request: bytes) -> None:
        request = request.replace(NEW.encode(), b"n-%06d" % next(numbers))
        for given, real in ((TOKEN, token), (f"x:{TOKEN}", f"x:{token}")):
            request = request.replace(given.encode(), real.encode())
            request = request.replace(b64encode(given.encode()), b64encode(real.encode()))
        # What can be a duplicate is one from now on, whichever application gets it.
        ask(slow, request)
        lines = logged.text.count(LINE)
        found = store_new(lambda: ask(fast, request))
        path = "route" if logged.text.count(LINE) > lines else "fast"
        assert found == store_new(lambda: ask(slow, request))
        stored_by[path].add(len(found[1]))

    compare()
    assert 1 in stored_by["fast"]
    assert stored_by["route"]
