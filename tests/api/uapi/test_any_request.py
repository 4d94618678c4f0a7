"""Any request gets an answer in VoipNow's form: never a 500, never a redirect."""

import json
import os
from typing import Any

import hypothesis
from hypothesis import strategies as st

from tests.api.uapi.conftest import Api, Event, stored_hooks

EXAMPLES = int(os.environ.get("CALLEVENTS_FUZZ_EXAMPLES", "60"))
TOKEN, EVENT_ID = "TOKEN", "EVENTID"
STATUSES = {200, 400, 401, 403, 404, 405, 413, 429}
#: What a client might name a field, a parameter or a part of a path, and what nobody would.
NAMES = (
    *("type", "id", "method", "note", "url", "status", "modified", "links", "count", "startIndex"),
    *("filterBy", "filterValue", "filterOp", "fields", "sortOrder", "sortOder"),
    "accessRequestToken",
)
TEXTS = (
    *("0", "1", "4", "5", "-1", "", "20", "5000", "5001", "9" * 30, "ascending", "contains"),
    *("https://crm.example.com/a", "http://x/{CallID}", "@me", "@self", "0003*210", "210", "*"),
    *("\0", "\ud800", "\ufffd", "ü", "a b", "url,id", "2026-01-01T00:00:00+00:00", EVENT_ID, TOKEN),
)
OTHERS: tuple[Any, ...] = (0, 1, 5, -1, 10**20, 1.5, True, False, None, [], {}, [1], {"a": None})

texts = st.sampled_from(TEXTS) | st.text(max_size=8)
values = st.sampled_from(OTHERS) | texts
objects = st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), values, max_size=6)
bodies = st.one_of(
    objects.map(json.dumps).map(str.encode),
    st.binary(max_size=30),
    st.sampled_from((b"", b"{", b"[]", b"null", b'{"type":0,"type":1}', b"[" * 5000, b"\xff")),
)
methods = st.sampled_from(("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "X"))
#: As WSGI has them: bytes in Latin-1.
parts = st.sampled_from(("", "0", "1", "5", EVENT_ID, "@me", "210", "0003*210", "phoneCallEvents"))
raw_parts = parts | st.text(st.characters(max_codepoint=255), max_size=5)
usual_paths = st.builds(
    lambda user, number, rest, slash: (
        f"/uapi/extensions/{user}/{number}/phoneCallEvents"
        + "".join(f"/{one}" for one in rest)
        + slash
    ),
    st.sampled_from(("@me", "me", "1", "@self", "\0", "\xff")),
    st.sampled_from(("0003*210", "210", "999", "@self", "\xff\xfe", "\0", "*")),
    st.lists(raw_parts, max_size=3),
    st.sampled_from(("", "/", "//")),
)
paths = usual_paths | st.lists(raw_parts, max_size=6).map(lambda found: "/uapi/" + "/".join(found))
queries = st.lists(st.tuples(st.sampled_from(NAMES), texts), max_size=4)
tokens = st.sampled_from(
    [f"Bearer {TOKEN}"] * 6 + [TOKEN, "", "Bearer", "Bearer x", "Basic eDp5", "\xff\xfe", "a b c"]
)
encodings = st.sampled_from(("identity",) * 5 + ("", "gzip", "\xff"))
types = st.sampled_from(("application/json", "", "text/plain", "multipart/form-data", "x;=\xff"))


def test_any_request(api: Api) -> None:
    """Whatever is sent, what is stored stays valid, and the answer has the right form."""
    event, seen = api.create(), set[int]()

    @hypothesis.settings(max_examples=EXAMPLES, deadline=None)
    @hypothesis.given(methods, paths, queries, bodies, tokens, encodings, types)
    def check(
        method: str,
        path: str,
        query: list[tuple[str, str]],
        body: bytes,
        token: str,
        encoding: str,
        content_type: str,
    ) -> None:
        answer = api.client.open(
            "/",
            method=method,
            query_string=encode(query, api, event),
            data=body.replace(EVENT_ID.encode(), event["id"].encode()),
            environ_overrides={
                "PATH_INFO": path.replace(EVENT_ID, event["id"]),
                "HTTP_AUTHORIZATION": token.replace(TOKEN, api.token),
                "HTTP_CONTENT_ENCODING": encoding,
                "CONTENT_TYPE": content_type,
            },
        )
        check_answer(method, answer)
        seen.add(answer.status_code)

    check()
    # Otherwise the examples prove nothing.
    assert seen >= {200, 400, 404, 405}
    for hook in stored_hooks():
        assert hook.url.startswith("http")
        assert hook.extension_id is not None
    api.entries(count=5000)


def encode(query: list[tuple[str, str]], api: Api, event: Event) -> str:
    """Return the query as bytes in Latin-1, which may be no UTF-8."""
    texts = "&".join(f"{name}={value}" for name, value in query)
    texts = texts.replace(TOKEN, api.token).replace(EVENT_ID, event["id"])
    return texts.encode("utf-8", "surrogatepass").decode("latin-1")


def check_answer(method: str, answer: Any) -> None:
    """Check that the answer has the form that VoipNow's clients read."""
    assert answer.status_code in STATUSES, answer.text
    if method in {"HEAD", "OPTIONS"}:
        return
    assert answer.content_type == "application/json"
    document = answer.get_json()
    if answer.status_code != 200:
        assert set(document["error"]) == {"code", "message"}
        assert all(isinstance(value, str) and value for value in document["error"].values())
    elif method == "DELETE":
        assert isinstance(document, list)
    elif method == "GET":
        assert isinstance(document["entry"], list)
    else:
        assert document["links"]["self"].startswith("http://localhost")
