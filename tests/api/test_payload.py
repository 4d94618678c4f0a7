"""Reading requests with any bytes."""

from typing import Any
from urllib.parse import parse_qsl

import pytest
from flask import Flask, Request
from hypothesis import example, given
from hypothesis import strategies as st
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.test import EnvironBuilder

from callevents.api.payload import JSON_LINES, MAX_EVENTS, Payload, read_payload, split_pairs
from callevents.api.problems import ProblemError

app = Flask(__name__)
content_types = st.sampled_from(
    [
        *("", "application/json", "application/x-www-form-urlencoded", "text/json; charset=x"),
        *("multipart/form-data; boundary=b", "multipart/form-data", "a/b+json", "text/plain"),
        *sorted(JSON_LINES),
    ]
) | st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]))
bodies = (
    st.binary()
    | st.text().map(lambda text: text.encode("utf-8", "surrogatepass"))
    | st.sampled_from(
        [b"--b\r\nContent-Disposition: form-data; name=event\r\n\r\n1\r\n--b--", b"{}\n{}", b"--b"]
    )
    | st.text(st.sampled_from('{}[]":,\n 1eE-.truefalsn\\u0&=%')).map(str.encode)
)
queries = st.text(st.characters(codec="ascii", exclude_categories=["Cc"])) | st.text(
    st.sampled_from("&=%+;aF0token")
)


def make_request(body: bytes, content_type: str, query: str, method: str = "POST") -> Request:
    """Return the request with this body, content type and query."""
    builder = EnvironBuilder(method=method, data=body, content_type=content_type or None)
    environ = builder.get_environ()
    environ["QUERY_STRING"] = query.replace("#", "").replace(" ", "+")
    request = Request(environ)
    request.max_content_length = 1024 * 1024
    return request


def check(payload: Payload) -> None:
    """Check the properties that the route relies on."""
    assert 1 <= len(payload.events) <= MAX_EVENTS
    assert payload.is_batch or len(payload.events) == 1
    assert isinstance(payload.token, str)
    if not payload.is_batch:
        fields: Any = payload.events[0]
        assert isinstance(fields, dict)
        assert "token" not in fields
        assert all(isinstance(name, str) for name in fields)


@given(bodies, content_types, queries)
@example(b"", "multipart/form-data", "")
@example(b'{"token": null}', "application/json", "token=")
@example(b"[1]", "application/json", "token=x")
def test_any_request_is_read_or_a_problem(body: bytes, content_type: str, query: str) -> None:
    """Any bytes with any content type are events or a ProblemError."""
    problem: ProblemError | None = None
    try:
        check(read_payload(make_request(body, content_type, query)))
    except ProblemError as error:
        problem = error
    if problem is not None:
        assert problem.status in {400, 413, 415}
        assert problem.detail.endswith(".")
        assert problem.detail.isprintable()


@given(queries)
def test_any_query_is_read_or_a_problem(query: str) -> None:
    """The same holds for a GET, whose body is ignored."""
    problem: ProblemError | None = None
    try:
        payload = read_payload(make_request(b'{"a": 1}', "application/json", query, "GET"))
    except ProblemError as error:
        problem = error
    if problem is None:
        assert not payload.is_batch
        assert "a" not in payload.events[0] or "a" in query
    else:
        assert problem.status == 400


def test_parts_without_end_are_too_large() -> None:
    """Werkzeug's limits for multipart forms apply too."""
    part = b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n"
    request = make_request(part * 1500 + b"--b--", "multipart/form-data; boundary=b", "")
    request.max_form_parts = 1000
    refused = False
    try:
        read_payload(request)
    except RequestEntityTooLarge:
        refused = True
    assert refused


token_places = st.sampled_from(["query", "form", "json"])


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), token_places)
def test_token_is_read_exactly(token: str, place: str) -> None:
    """A token of any characters is read exactly, in every place."""
    with app.test_request_context(
        method="POST",
        query_string={"token": token} if place == "query" else None,
        data={"token": token} if place == "form" else None,
        json={"token": token} if place == "json" else None,
    ) as context:
        assert read_payload(context.request).token == token


def decoded(latin: str) -> str:
    """Return the text of bytes in UTF-8 or else Windows-1252, given as Latin-1."""
    raw = latin.encode("latin-1")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")


@given(st.binary() | st.text(st.sampled_from("&=%+;20aFfü")).map(str.encode))
@example(b"a=%fc&b=\xfc&c=%C3%BC&d=\xc3\xbc&e=%u00fc&f=%&g=1+%2b")
def test_pairs_are_read_as_the_standard_library_reads_them(raw: bytes) -> None:
    """The names and values are those of `parse_qsl`, whatever the bytes are."""
    expected = parse_qsl(raw.decode("latin-1"), keep_blank_values=True, encoding="latin-1")
    assert split_pairs(raw, "query") == [
        (decoded(name), decoded(value)) for name, value in expected
    ]


def test_too_many_fields() -> None:
    """200 fields are read, one more is refused."""
    assert len(split_pairs(b"&".join([b"a=1"] * 200), "query")) == 200
    with pytest.raises(ProblemError, match=r"^The query has more than 200 fields\.$"):
        split_pairs(b"&".join([b"a=1"] * 201), "query")
