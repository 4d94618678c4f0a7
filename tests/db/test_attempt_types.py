"""Long bodies are stored compressed and usual headers as a number; both are read as they were."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, select, text

from callevents.db.attempt_types import MAX_PLAIN_BYTES, pack, pack_bytes, unpack
from callevents.db.models import Attempt, Delivery, Pbx, utc_now
from callevents.db.session import begin_write
from callevents.delivery.request.build import RequestTemplate, build_request
from callevents.enums import AuthKind, BodyFormat, EventType, Method
from callevents.extensions import db
from callevents.ingest.accept import accept
from callevents.ingest.report import Report
from tests.conftest import Configure

USUAL = {
    "query": RequestTemplate(Method.GET, "http://a/"),
    "form": RequestTemplate(Method.POST, "http://a/"),
    "json": RequestTemplate(Method.POST, "http://a/", BodyFormat.JSON),
    "token": RequestTemplate(Method.POST, "http://a/", auth=AuthKind.BEARER, secret="x"),
}


@pytest.fixture
def delivery_id(pbx: Pbx, configure: Configure) -> str:
    """A delivery without attempts."""
    configure.hook("*", EventType.DIAL_IN, "http://a/")
    begin_write()
    accept(pbx, [Report(event_type=EventType.DIAL_IN, extension="1")])
    db.session.commit()
    return db.session.scalars(select(Delivery.id)).one()


def add(delivery_id: str, headers: list[list[str]], request_body: str, response_body: str) -> None:
    """Store an attempt."""
    begin_write()
    statement = insert(Attempt).values(
        delivery_id=delivery_id,
        number=1,
        started_at=utc_now(),
        duration_ms=1,
        method=Method.POST,
        url="http://a/",
        request_headers=headers,
        request_body=request_body,
        response_headers=[],
        response_body=response_body,
    )
    db.session.execute(statement)
    db.session.commit()


def stored(column: str) -> bytes:
    """Return the only attempt's column as the database has it."""
    value = db.session.execute(text(f"SELECT {column} FROM attempt")).scalar_one()
    return value.encode() if isinstance(value, str) else bytes(value)


def stored_headers() -> list[object]:
    """Return the only attempt's request headers as the database has them."""
    query = text("SELECT CAST(request_headers AS TEXT) FROM attempt")
    found: list[object] = json.loads(db.session.execute(query).scalar_one())
    return found


def test_long_bodies_are_compressed(delivery_id: str) -> None:
    """A page takes a fraction of its size, a short body is stored as it is; both are read again."""
    page = "".join(f"<tr><td>Zoë {number}</td></tr>\n" for number in range(400))
    add(delivery_id, [], "CallID=1", page)
    assert stored("request_body") == b"CallID=1"
    assert len(stored("response_body")) < len(page) / 4
    attempt = db.session.scalars(select(Attempt)).one()
    assert (attempt.request_body, attempt.response_body) == ("CallID=1", page)


@given(st.text(st.characters(exclude_characters="\0", codec="utf-8")), st.integers(0, 3))
def test_any_text_is_read_as_it_was(body: str, repeated: int) -> None:
    """No text is changed, of whatever characters and however long."""
    body *= 10**repeated
    for packed in (pack(body), pack_bytes(body)):
        assert unpack(packed) == body
    assert len(pack_bytes(body)) <= max(MAX_PLAIN_BYTES, len(body.encode()) + 100)


@pytest.mark.parametrize("letter", ["x", "é", "電"])
def test_the_limit_is_in_bytes(letter: str) -> None:
    """1 KiB is stored as it is, one character more is compressed."""
    body = letter * (MAX_PLAIN_BYTES // len(letter.encode()))
    assert (pack(body), pack_bytes(body)) == (body, body.encode())
    for packed in (pack(body + letter), pack_bytes(body + letter)):
        assert isinstance(packed, bytes)
        assert len(packed) < 100
        assert unpack(packed) == body + letter


def test_what_cannot_be_compressed() -> None:
    """A body of random text grows by a few bytes at most."""
    body = "".join(chr(random.Random(1).randrange(32, 0xD800)) for _ in range(5000))
    assert len(pack_bytes(body)) < len(body.encode()) + 100
    assert unpack(pack_bytes(body)) == body


@pytest.mark.parametrize("kind", USUAL)
def test_usual_headers_are_a_number(delivery_id: str, kind: str) -> None:
    """The headers of our requests begin with a number instead of those that are always the same."""
    request = build_request(USUAL[kind], [("CallID", "1")])
    headers = [list(one) for one in request.shown_headers(utc_now()).items()]
    assert headers[0][0] == "User-Agent"
    add(delivery_id, headers, request.body, "")
    assert stored_headers()[1:] == [
        one for one in headers if one[0] in {"Content-Length", "Authorization"}
    ]
    assert isinstance(stored_headers()[0], int)
    for _ in range(2):
        db.session.expire_all()
        attempt = db.session.scalars(select(Attempt)).one()
        assert attempt.request_headers == headers
        attempt.request_headers[0][1] = "changed"


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [["User-Agent", "CallEvents/1.0"]],
        [["User-Agent", "Other/2"], ["Accept", "*/*"]],
        [["X-Key", "a"], ["accept", "text/plain"]],
    ],
)
def test_other_headers_are_stored_in_full(delivery_id: str, headers: list[list[str]]) -> None:
    """Headers that begin otherwise are stored and read as they are."""
    add(delivery_id, headers, "", "")
    assert stored_headers() == headers
    assert db.session.scalars(select(Attempt.request_headers)).one() == headers
