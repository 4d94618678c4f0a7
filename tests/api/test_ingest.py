"""Reporting events: every request format, and the responses."""

import io
import json
import threading
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from werkzeug.datastructures import Authorization

from callevents.db.models import Pbx
from callevents.db.session import begin_write
from callevents.enums import CallStatus, EventType
from callevents.extensions import db
from callevents.pbxs import pbxs
from callevents.pbxs.tokens import add_token, list_tokens, revoke_token
from tests.api.conftest import EVENT, Send, check_problem, is_empty, stored
from tests.conftest import Configure
from tests.support.log_capture import Logged
from tests.support.served import Served

URL = "/ingest/head-office"
INVALID = "There is no such PBX, or the token is not valid for it. Check the address and the token."


def test_query(client: FlaskClient, token: str) -> None:
    """A GET with a query is an event."""
    answer = client.get(URL, query_string={**EVENT, "token": token, "peer": "+40 21"})
    assert answer.status_code == 202
    assert answer.content_type == "application/json"
    [event] = stored()
    assert answer.get_json() == {"id": event.id, "deliveries": 0}
    assert (event.event_type, event.extension, event.peer) == (EventType.DIAL_IN, "101", "+40 21")


@pytest.mark.parametrize("name", ["M%FCller", "M%C3%BCller", "M\xfcller"])
def test_names_of_any_encoding(client: FlaskClient, token: str, name: str) -> None:
    """A name that is not UTF-8, as older phones send it, is read as Windows-1252."""
    query = f"event=0&ext=101&token={token}&caller_name={name}"
    assert client.get("/ingest/head-office", query_string=query).status_code == 202
    assert [event.caller_name for event in stored()] == ["Müller"]


def test_unencoded_plus_is_a_space(client: FlaskClient, token: str) -> None:
    """In a query a plus is a space, and %2B a plus."""
    client.get(f"{URL}?token={token}&event=0&ext=101&peer=a+b%2Bc&at=2026-03-01T12:00:00+02:00")
    [event] = stored()
    assert event.peer == "a b+c"
    assert event.happened_at.isoformat() == "2026-03-01T10:00:00+00:00"


@pytest.mark.parametrize(
    "options",
    [
        {"data": EVENT},
        {"data": EVENT, "content_type": "multipart/form-data"},
        {"data": "event=dial-in&ext=101", "content_type": ""},
        {"json": EVENT},
        {"data": json.dumps(EVENT), "content_type": "text/json; charset=utf-8"},
        {"data": json.dumps(EVENT), "content_type": "application/vnd.pbx+json"},
        {"data": json.dumps(EVENT), "content_type": "application/x-www-form-urlencoded"},
        {"data": b"\n " + json.dumps(EVENT).encode(), "content_type": ""},
        {"data": b"\xef\xbb\xbf" + json.dumps(EVENT).encode(), "content_type": "application/json"},
        {"query_string": EVENT},
        {"query_string": {"event": "dial-in"}, "data": {"ext": "101"}},
        {"query_string": {"event": "hangup", "ext": "101"}, "json": {"event": "dial-in"}},
    ],
    ids=lambda options: " ".join(f"{name}={value!r}"[:50] for name, value in options.items()),
)
def test_every_format_of_one_event(send: Send, options: dict[str, object]) -> None:
    """A form, a JSON object and a query are the same event; the body wins over the query."""
    answer = send(**options)
    assert answer.status_code == 202
    [event] = stored()
    assert answer.get_json() == {"id": event.id, "deliveries": 0}
    assert (event.event_type, event.extension) == (EventType.DIAL_IN, "101")


LINES = '{"event": 0, "ext": "101"}\n\n  {"event": 2, "ext": "102"}\r\n'


@pytest.mark.parametrize(
    ("data", "content_type"),
    [
        ('[{"event": 0, "ext": "101"}, {"event": 2, "ext": "102"}]', "application/json"),
        ('[{"event": 0, "ext": "101"}, {"event": 2, "ext": "102"}]', ""),
        *(
            (LINES, content_type)
            for content_type in (
                *("application/x-ndjson", "application/ndjson", "application/jsonl"),
                *("application/jsonlines", "application/x-jsonlines", "application/json-lines"),
                *("application/json", "", "application/x-www-form-urlencoded"),
            )
        ),
    ],
)
def test_every_format_of_a_batch(send: Send, data: str, content_type: str) -> None:
    """A JSON array and JSON lines are a batch, with a result for each event."""
    answer = send(data=data, content_type=content_type)
    assert answer.status_code == 202
    first, second = stored()
    assert (first.extension, second.extension) == ("101", "102")
    assert answer.get_json() == {
        "results": [
            {"status": 202, "id": first.id, "deliveries": 0},
            {"status": 202, "id": second.id, "deliveries": 0},
        ]
    }


def test_batch_of_one_is_a_batch(send: Send) -> None:
    """A single object in JSON lines or in an array gets the response of a batch."""
    for options in (
        {"json": [EVENT]},
        {"data": json.dumps(EVENT), "content_type": "application/x-ndjson"},
    ):
        assert list(send(**options).get_json()) == ["results"]


def test_query_has_defaults_for_a_batch(send: Send) -> None:
    """Fields of the query are defaults for each event of the body."""
    send(
        query_string={"extension": "101", "call": "c1"},
        json=[{"event": 0}, {"event": 3, "call": "c1"}, {"event": 2, "extension": "102"}],
    )
    assert [(event.extension, event.call_id) for event in stored()] == [
        ("101", "c1"),
        ("101", "c1"),
        ("102", "c1"),
    ]


def with_bearer(token: str) -> dict[str, object]:
    """Return options with the token as Bearer."""
    return {"headers": {"Authorization": f"Bearer {token}"}}


WAYS: list[Callable[[str], dict[str, object]]] = [
    with_bearer,
    lambda token: {"headers": {"Authorization": f"bearer {token}"}},
    lambda token: {"auth": ("anybody", token)},
    lambda token: {"auth": ("", token)},
    lambda token: {"headers": {"X-Ingest-Token": f" {token} "}},
    lambda token: {"query_string": {"token": token}},
]


@pytest.mark.parametrize("way", WAYS)
def test_token_in_every_place(
    client: FlaskClient, token: str, way: Callable[[str], dict[str, object]]
) -> None:
    """The token is read as Bearer, Basic password, X-Ingest-Token and in the query."""
    assert client.post(URL, json=EVENT, **way(token)).status_code == 202  # type: ignore[arg-type]
    wrong = client.post(URL, json=EVENT, **way(token + "x"))  # type: ignore[arg-type]
    document = check_problem(wrong, 401)
    assert document["detail"] == INVALID
    assert wrong.headers["WWW-Authenticate"] == 'Bearer realm="ingest"'
    assert len(stored()) == 1


def test_token_in_the_body(client: FlaskClient, token: str) -> None:
    """A form or an object may contain the token, and it is not an unknown field."""
    for options in ({"data": {**EVENT, "token": token}}, {"json": {**EVENT, "token": token}}):
        answer = client.post(URL, **options)  # type: ignore[arg-type]
        assert answer.status_code == 202
        assert "ignored" not in answer.get_json()


def test_header_wins_over_the_query(client: FlaskClient, token: str) -> None:
    """A wrong token in a header wins over a valid one in the query."""
    answer = client.post(
        URL, json=EVENT, query_string={"token": token}, auth=Authorization("bearer", token="x")
    )
    check_problem(answer, 401)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer "},
        {"Authorization": "Basic !!!"},
        {"Authorization": "Digest username=x"},
        {"Authorization": "\xff"},
        {"X-Ingest-Token": ""},
    ],
)
def test_missing_token(client: FlaskClient, pbx: Pbx, headers: dict[str, str]) -> None:
    """Without a token the response lists the places for it."""
    document = check_problem(client.post(URL, json=EVENT, headers=headers), 401)
    assert document["detail"].startswith("The token is missing. Send it as 'Authorization: Bearer")
    assert is_empty()


def test_token_of_another_pbx(client: FlaskClient, pbx: Pbx, app: Flask) -> None:
    """Another PBX's token is rejected."""
    begin_write()
    _, other = pbxs.add_pbx("Branch")
    db.session.commit()
    check_problem(client.post(URL, json=EVENT, **with_bearer(other)), 401)  # type: ignore[arg-type]
    assert client.post("/ingest/branch", json=EVENT, **with_bearer(other)).status_code == 202  # type: ignore[arg-type]


def test_replaced_and_revoked_tokens(client: FlaskClient, pbx: Pbx, token: str) -> None:
    """Two tokens are valid while one is replaced; a revoked one is rejected at once."""
    begin_write()
    second = add_token(pbx)
    db.session.commit()

    def statuses() -> list[int]:
        return [
            client.post(URL, json=EVENT, **with_bearer(one)).status_code  # type: ignore[arg-type]
            for one in (token, second)
        ]

    assert statuses() == [202, 202]
    begin_write()
    revoke_token(pbx, list_tokens(pbx)[0].public_id)
    db.session.commit()
    assert statuses() == [401, 202]


@pytest.mark.parametrize(
    "slug", ["nobody", "%00", "HEAD-OFFICE", "a%0Ab", "%F0%9F%98%80", "x" * 500]
)
def test_unknown_pbx(client: FlaskClient, token: str, slug: str) -> None:
    """A slug of no PBX is refused like a wrong token, on every database."""
    answer = client.post(f"/ingest/{slug}", json=EVENT, **with_bearer(token))  # type: ignore[arg-type]
    assert check_problem(answer, 401)["detail"] == INVALID


def test_deliveries_are_counted(send: Send, configure: Configure) -> None:
    """The response has the number of deliveries, of active hooks only."""
    configure.extension("101")
    configure.hook("101", EventType.DIAL_IN, "http://a/")
    configure.hook("*", EventType.DIAL_IN, "http://a/")
    configure.hook("101", EventType.DIAL_IN, "http://a/", active=False)
    assert send(json=EVENT).get_json()["deliveries"] == 2
    results = send(json=[EVENT, {**EVENT, "ext": "102"}, {**EVENT, "event": 2}]).get_json()
    assert [result["deliveries"] for result in results["results"]] == [2, 1, 0]


def test_duplicate(send: Send, configure: Configure) -> None:
    """A duplicate gets a 200, the ID of the first event, and no delivery."""
    configure.hook("*", EventType.DIAL_IN, "http://a/")
    first = send(json={**EVENT, "id": "k1"}).get_json()
    again = send(json={**EVENT, "id": "k1"})
    assert again.status_code == 200
    assert again.get_json() == {"id": first["id"], "deliveries": 0, "repeated": True}
    assert len(stored()) == 1


def test_batch_with_duplicates(send: Send) -> None:
    """A batch with a new event is a 202, one with only duplicates a 200."""
    batch = [{**EVENT, "id": "k1"}, {**EVENT, "id": "k2"}, {**EVENT, "id": "k1"}]
    first = send(json=batch)
    assert first.status_code == 202
    assert [result["status"] for result in first.get_json()["results"]] == [202, 202, 200]
    again = send(json=batch)
    assert again.status_code == 200
    assert {result["status"] for result in again.get_json()["results"]} == {200}


def test_batch_with_valid_and_invalid_events(send: Send, configure: Configure) -> None:
    """Valid events are stored, invalid ones explained, each in its place: 207."""
    configure.hook("*", EventType.DIAL_IN, "http://a/")
    answer = send(json=[EVENT, {"event": "ring", "ext": ""}, "x", {**EVENT, "ext": "102"}])
    assert answer.status_code == 207
    results = answer.get_json()["results"]
    assert [result["status"] for result in results] == [202, 422, 422, 202]
    assert [event.id for event in stored()] == [results[0]["id"], results[3]["id"]]
    assert [result.get("deliveries") for result in results] == [1, None, None, 1]
    assert {one["field"] for one in results[1]["errors"]} == {"event", "extension"}
    assert results[2]["detail"] == "Each event must be a JSON object."


def test_invalid_event(send: Send) -> None:
    """422 names each invalid field and the rule."""
    document = check_problem(send(json={"event": "dial-in", "cause": 200, "at": "now"}), 422)
    assert [error["field"] for error in document["errors"]] == ["extension", "cause", "at"]
    assert document["errors"][1]["rule"] == ("Must be a Q.850 cause: a whole number from 0 to 127.")
    assert "cause: Must be a Q.850 cause" in document["detail"]
    assert is_empty()


def test_batch_of_invalid_events(send: Send) -> None:
    """If no event is valid, the response is a problem document with a result for each."""
    document = check_problem(send(json=[{}, 1]), 422)
    assert document["detail"] == "None of the events is valid."
    assert [result["status"] for result in document["results"]] == [422, 422]
    assert is_empty()


def test_unknown_fields_are_listed(send: Send) -> None:
    """Unknown fields are listed and ignored."""
    data = json.dumps({**EVENT, "foo": {"a": 1}, "X-Bar": None})
    answer = send(data=data, content_type="application/json")
    assert answer.get_json()["ignored"] == ["foo", "X-Bar"]
    results = send(json=[{**EVENT, "foo": 1}, EVENT]).get_json()["results"]
    assert (results[0]["ignored"], "ignored" in results[1]) == (["foo"], False)


def test_no_csrf_token_is_required(app: Flask, send: Send) -> None:
    """API clients authenticate with their token; CSRF protection is on, but not for them."""
    assert app.config.get("WTF_CSRF_ENABLED", True)
    assert send(data=EVENT).status_code == 202


def test_wake_follows_the_commit(send: Send, configure: Configure, redis_url: str) -> None:
    """A job is enqueued if deliveries are pending, and none otherwise."""
    redis = Redis.from_url(redis_url)
    send(json=EVENT)
    assert redis.llen("rq:queue:callevents") == 0
    configure.hook("*", EventType.DIAL_IN, "http://a/")
    for _ in range(3):
        assert send(json=EVENT).get_json()["deliveries"] == 1
    assert redis.llen("rq:queue:callevents") == 1
    redis.close()


def test_concurrent_requests(app: Flask, token: str, configure: Configure) -> None:
    """Concurrent reports are all stored; equal ones once."""
    configure.hook("*", EventType.DIAL_IN, "http://a/")
    db.session.rollback()
    found: list[tuple[int, str]] = []
    barrier = threading.Barrier(4)

    def report() -> None:
        client = app.test_client()
        barrier.wait()
        for number in range(10):
            answer = client.post(
                URL,
                json={**EVENT, "id": f"k{number}"},
                headers={"Authorization": f"Bearer {token}"},
            )
            found.append((answer.status_code, answer.get_json()["id"]))

    threads = [threading.Thread(target=report) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(status for status, _ in found) == [200] * 30 + [202] * 10
    assert {event_id for _, event_id in found} == {event.id for event in stored()}
    assert len(stored()) == 10


def test_tokens_are_neither_logged_nor_stored(
    client: FlaskClient, token: str, logged: Logged
) -> None:
    """A token appears in no log line and in no row, wherever it was sent, valid or not."""
    second = "cet_" + "w" * 43
    for one in (token, second):
        for way in WAYS:
            client.post(URL, json={**EVENT, "peer": "x"}, **way(one))  # type: ignore[arg-type]
        client.post(URL, data={**EVENT, "token": one})
        client.get(f"{URL}?token={one}&Token={one}&event=9")
        client.get(f"/ingest/nobody?token={one}")
        client.put(f"{URL}?token={one}")
        client.get(f"/nowhere?token={one}")
    assert logged.lines
    assert token not in logged.text
    assert second not in logged.text
    tables = db.metadata.sorted_tables
    rows = [str(row) for table in tables for row in db.session.execute(table.select())]
    assert rows
    assert not [row for row in rows if token in row or second in row]


def test_rejected_requests_have_a_line_in_the_log(served: Served, logged: Logged) -> None:
    """A rejected request has a line with method, path, status and request ID; an accepted has none.

    The fast path stores accepted reports, and people can see them on the pages.
    """
    served.send(json=EVENT)
    answer = served.send(json={})
    [line] = [json.loads(line) for line in logged.lines if '"event": "request"' in line]
    assert (line["method"], line["path"], line["status"]) == ("POST", URL, 422)
    assert line["request_id"] == answer.headers["X-Request-ID"]


def test_uploaded_files_are_ignored(send: Send) -> None:
    """A file in a multipart form is ignored."""
    data = {"event": "dial-in", "ext": (io.BytesIO(b"101"), "ext.txt")}
    document = check_problem(send(data=data, content_type="multipart/form-data"), 422)
    assert [error["field"] for error in document["errors"]] == ["extension"]


def test_hangup_of_an_answered_call(send: Send) -> None:
    """A hangup is enriched from events of earlier requests."""
    for event in ("dialin", "answer_in"):
        send(json={"event": event, "ext": "101", "call": "c1", "peer": "0721"})
    send(json={"event": "hangup", "ext": "101", "call": "c1", "cause": 16})
    hangup = stored()[-1]
    assert (hangup.status, hangup.peer) == (CallStatus.ANSWER, "0721")
