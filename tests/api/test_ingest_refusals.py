"""Invalid and hostile requests: clear responses, and nothing stored in part."""

import json
from bisect import bisect_left
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient

from callevents import create_app
from callevents.config.settings import Settings
from callevents.enums import EventType
from callevents.extensions import db
from tests.api.conftest import EVENT, Send, check_problem, is_empty, stored
from tests.conftest import Configure, let_go
from tests.support.database_faults import missing_table, refused_inserts
from tests.support.log_capture import Logged
from tests.support.programs import find_free_port

URL = "/ingest/head-office"
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
DEEP = 100_000


@pytest.mark.parametrize(
    ("data", "content_type", "detail"),
    [
        ("{", JSON, "The body is not JSON: Expecting property name enclosed in double quotes in"),
        ("hello", JSON, "The body is not JSON: Expecting value in line 1, column 1."),
        ("{} {}", JSON, "The body is not JSON: Extra data in line 1, column 4."),
        ("{}\n{", JSON, "Line 2 is not JSON."),
        ("7", JSON, "The body must be a JSON object, or an array of objects."),
        ('"x"', JSON, "The body must be a JSON object, or an array of objects."),
        ("null", JSON, "The body must be a JSON object, or an array of objects."),
        ('{"a": NaN}', JSON, "The JSON body is nested too deeply, or contains NaN"),
        ('{"a": -Infinity}', JSON, "The JSON body is nested too deeply, or contains NaN"),
        ('{"a": ' + "1" * 5000 + "}", JSON, "The JSON body is nested too deeply, or contains NaN"),
        ("[" * DEEP, JSON, "The JSON body is nested too deeply, or contains NaN"),
        ('{"a":' * DEEP, JSON, "The JSON body is nested too deeply, or contains NaN"),
        ("[" * DEEP + "]" * DEEP, "", "The JSON body is nested too deeply, or contains NaN"),
        ("[]", JSON, "The request contains no events."),
        ("{}\nx", "application/x-ndjson", "Line 2 is not JSON."),
        ("\n\n{} {}", "application/x-ndjson", "Line 3 is not JSON."),
        ("[" * DEEP, "application/x-ndjson", "Line 1 is not JSON."),
        ("NaN", "application/x-ndjson", "Line 1 is not JSON."),
        (b'{"a": "\xff"}', JSON, "The body is not UTF-8: byte 8 is invalid."),
        (b"\xff\xfe{\x00}\x00", JSON, "The body is not UTF-8: byte 1 is invalid."),
        ("event=1&event=2", FORM, "The field 'event' is given twice with different values."),
        ("&".join(f"a{n}=1" for n in range(201)), FORM, "The form has more than 200 fields."),
    ],
    ids=lambda value: str(value)[:30],
)
def test_malformed_bodies(send: Send, data: str | bytes, content_type: str, detail: str) -> None:
    """400 names the error and its position."""
    document = check_problem(send(data=data, content_type=content_type), 400)
    assert document["detail"].startswith(detail)
    assert is_empty()


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("ext=1&ext=2", "The field 'ext' is given twice with different values."),
        ("&".join(f"a{n}=1" for n in range(201)), "The query has more than 200 fields."),
    ],
)
def test_malformed_queries(client: FlaskClient, token: str, query: str, detail: str) -> None:
    """A query is read as strictly as a form."""
    answer = client.get(f"{URL}?{query}", headers={"Authorization": f"Bearer {token}"})
    assert check_problem(answer, 400)["detail"].startswith(detail)
    assert is_empty()


def test_same_value_twice(client: FlaskClient, token: str) -> None:
    """A field with the same value twice is accepted."""
    assert client.get(f"{URL}?event=0&ext=1&ext=1&token={token}").status_code == 202


def test_duplicate_fields_in_json(send: Send) -> None:
    """The last value of a JSON name counts; two names of a field must agree."""
    data = '{"event": "ring", "event": "dial-in", "ext": "101"}'
    assert send(data=data, content_type=JSON).status_code == 202
    document = check_problem(send(json={**EVENT, "extension": "102"}), 422)
    assert document["errors"] == [
        {"field": "extension", "rule": "Given twice with different values."}
    ]


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/xml", "image/png", "application/octet-stream", "x"]
)
def test_other_content_types(send: Send, content_type: str) -> None:
    """415 names the content type and the supported ones."""
    document = check_problem(send(data="<a/>", content_type=content_type), 415)
    assert document["detail"] == (
        f"The content type {content_type!r} is not supported. Send {FORM}, {JSON} or "
        "application/x-ndjson."
    )


def test_compressed_bodies(send: Send, token: str) -> None:
    """A compressed body is rejected, so that none can be a decompression bomb."""
    headers = {"Authorization": f"Bearer {token}", "Content-Encoding": "gzip"}
    document = check_problem(send(data=b"\x1f\x8b", headers=headers), 415)
    assert document["detail"] == "Compressed bodies are not supported. Send the body uncompressed."


@pytest.mark.parametrize("content_type", [JSON, FORM, "application/x-ndjson", "", "text/plain"])
def test_ten_megabytes(send: Send, content_type: str) -> None:
    """A body over 1 MiB is rejected with any content type."""
    document = check_problem(send(data=b"[" * 10_000_000, content_type=content_type), 413)
    assert document["detail"] == "The request is larger than 1 MiB."
    assert is_empty()


def multipart(value: bytes) -> dict[str, object]:
    """Return a multipart form with this peer."""
    head = b'--b\r\nContent-Disposition: form-data; name="peer"\r\n\r\n'
    content_type = "multipart/form-data; boundary=b"
    return {"data": head + value + b"\r\n--b--\r\n", "content_type": content_type}


def test_ten_megabytes_in_a_part(send: Send) -> None:
    """A huge multipart form is rejected; up to 1 MiB it is read like any other."""
    check_problem(send(query_string=EVENT, **multipart(b"x" * 10_000_000)), 413)
    document = check_problem(send(query_string=EVENT, **multipart(b"x" * 900_000)), 422)
    assert document["detail"] == "peer: Must be at most 255 characters (got 900000)."
    assert is_empty()
    assert send(query_string=EVENT, **multipart(b"x" * 255)).status_code == 202


@pytest.mark.parametrize("content_type", [JSON, "application/x-ndjson"])
@pytest.mark.parametrize("count", [1000, 1001])
def test_number_of_events(send: Send, content_type: str, count: int) -> None:
    """A request may contain 1,000 events, and no more."""
    events = [json.dumps({**EVENT, "id": str(n)}) for n in range(count)]
    data = "[" + ",".join(events) + "]" if content_type == JSON else "\n".join(events)
    answer = send(data=data, content_type=content_type)
    if count == 1000:
        assert answer.status_code == 202
        assert len(stored()) == 1000
    else:
        detail = check_problem(answer, 413)["detail"]
        assert detail.startswith("A request must contain at most 1,000 events")
        assert is_empty()


@pytest.mark.parametrize("data", [b"", b"  \r\n"])
def test_empty_bodies(send: Send, data: bytes) -> None:
    """An empty request lacks both required fields."""
    document = check_problem(send(data=data, content_type=JSON), 422)
    assert [error["field"] for error in document["errors"]] == ["event", "extension"]


@pytest.mark.parametrize(
    "value", ["\x00", "a\x00b", "\x1b[2J", "\ud800", "\udfff\ud800", "x" * 300, ["a"], {}, True]
)
@pytest.mark.parametrize("field", ["peer", "call", "leg", "id", "ext"])
def test_hostile_values(send: Send, field: str, value: object) -> None:
    """Values that no database or page can accept are rejected with the field name."""
    document = check_problem(send(json={**EVENT, field: value}), 422)
    [error] = document["errors"]
    assert error["field"] == {
        "call": "call_id",
        "leg": "leg_id",
        "ext": "extension",
    }.get(field, field)
    assert is_empty()


@pytest.mark.parametrize(
    ("name", "kept"), [("a\x00b", "a b"), ("Ana\r\nPop\ud800", "Ana Pop"), ("x" * 300, "x" * 255)]
)
def test_invalid_names_are_repaired(send: Send, name: str, kept: str) -> None:
    """An event with an invalid caller name is accepted with the valid part of the name."""
    assert send(json={**EVENT, "caller_name": name}).status_code == 202
    [event] = stored()
    assert event.caller_name == kept


@pytest.mark.parametrize(
    "name", ["\x00", "\ud800", "a" * 100_000, "<script>", "'; DROP TABLE x;--"]
)
def test_hostile_field_names(send: Send, name: str) -> None:
    """An unknown field with any name is listed, and the event is accepted."""
    answer = send(json={**EVENT, name: "x"})
    assert answer.status_code == 202
    assert answer.get_json()["ignored"] == [name]


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "'; DROP TABLE pbx;--", "{{7*7}}"])
def test_texts_stay_texts(send: Send, text: str) -> None:
    """Text that is code elsewhere is stored unchanged."""
    assert send(json={**EVENT, "caller_name": text, "ext": text}).status_code == 202
    [event] = stored()
    assert (event.caller_name, event.extension) == (text, text)


@pytest.mark.parametrize(
    "token", ["\x00", "\ud800", [[]] * 1000, 7, None, {"a": "b"}, "x" * 100_000]
)
def test_hostile_tokens(client: FlaskClient, pbx: object, token: object) -> None:
    """A token of any type is just invalid."""
    check_problem(client.post(URL, json={**EVENT, "token": token}), 401)


def test_deep_token(client: FlaskClient, pbx: object) -> None:
    """As deep as the JSON reader can read, the token is wrong; deeper, the body is refused.

    Which depth is the limit depends on the stack, so it is looked for, and each depth around it is
    tried: there, whatever handles the token has least of the stack left.
    """

    def is_read(depth: int) -> bool:
        data = '{"event": 0, "ext": "1", "token": ' + "[" * depth + "]" * depth + "}"
        response = client.post(URL, data=data, content_type=JSON)
        if response.status_code == 401:
            check_problem(response, 401)
            return True
        detail = check_problem(response, 400)["detail"]
        assert detail.startswith("The JSON body is nested too deeply")
        return False

    limit = bisect_left(range(1000), True, key=lambda depth: not is_read(depth))
    assert 500 < limit < 1000
    around = [is_read(depth) for depth in range(limit - 30, limit + 30)]
    assert around == sorted(around, reverse=True)
    assert set(around) == {True, False}


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "HEAD"])
def test_other_methods(client: FlaskClient, token: str, method: str) -> None:
    """Methods other than GET and POST are a 405, and nothing is stored."""
    answer = client.open(f"{URL}?event=0&ext=1&token={token}", method=method)
    assert answer.status_code == 405
    assert {"GET", "POST"} <= set(answer.headers["Allow"].split(", "))
    assert answer.content_type == "application/problem+json"
    if method != "HEAD":
        detail = check_problem(answer, 405)["detail"]
        assert detail == "This address does not support that method."
    assert is_empty()


@pytest.mark.parametrize("path", ["/ingest/", "/ingest", "/ingest/head-office/", "/ingest/a/b"])
def test_other_paths(client: FlaskClient, pbx: object, path: str) -> None:
    """Unknown paths below /ingest get a problem document."""
    document = check_problem(client.post(path, json=EVENT), 404)
    assert document["detail"] == "There is nothing at this address."


def test_too_many_events(settings: Settings, token: str) -> None:
    """Beyond the limit, 429 has a Retry-After that is long enough."""
    app = create_app(settings.model_copy(update={"ingest_events_per_minute": 3}))
    client = app.test_client()
    headers = {"Authorization": f"Bearer {token}"}
    beginning = datetime.now(UTC).replace(microsecond=0)
    with time_machine.travel(beginning, tick=False) as clock:
        assert client.post(URL, json=[EVENT, EVENT], headers=headers).status_code == 202
        clock.move_to(beginning + timedelta(seconds=20, milliseconds=600))
        answer = client.post(URL, json=[EVENT, EVENT], headers=headers)
        document = check_problem(answer, 429)
        assert document["detail"] == "More than 3 events within a minute. Wait 40 seconds."
        assert answer.headers["Retry-After"] == "40"
        check_problem(client.post(URL, json=EVENT, headers={"X-Ingest-Token": "x"}), 401)
        clock.shift(timedelta(seconds=40))
        assert client.post(URL, json=[EVENT, EVENT], headers=headers).status_code == 202
    with app.app_context():
        assert len(stored()) == 4
    let_go(app)


def test_database_error(send: Send, configure: Configure, app: Flask, logged: Logged) -> None:
    """If a part cannot be stored, nothing is, the response is a 500, and a retry is accepted."""
    app.config["PROPAGATE_EXCEPTIONS"] = False
    configure.hook("*", EventType.DIAL_IN, "http://a/")
    event = {**EVENT, "id": "k1", "caller_name": "Somebody"}
    db.session.rollback()
    with refused_inserts(db.engine, "delivery"):
        document = check_problem(send(json=event), 500)
    assert document["detail"] == "Something went wrong on the server. The error has been logged."
    assert "refused by the test" in logged.text
    assert "Somebody" not in logged.text
    assert is_empty()
    assert send(json=event).status_code == 202


def test_database_without_tables(send: Send, app: Flask) -> None:
    """A database without tables gives a problem document."""
    app.config["PROPAGATE_EXCEPTIONS"] = False
    db.session.rollback()
    with missing_table(db.engine, "call_event"):
        answer = send(json=EVENT)
    # SQLite's driver does not tell a missing table from a database that cannot be used.
    status = {"sqlite": 503, "postgresql": 500}[db.engine.dialect.name]
    check_problem(answer, status)
    assert is_empty()


@pytest.fixture(params=["postgresql", "sqlite"])
def no_database(
    request: pytest.FixtureRequest, tmp_path: Path, redis_url: str
) -> Iterator[FlaskClient]:
    """A client of an application without its database."""
    url = f"postgresql://127.0.0.1:{find_free_port()}/calls"
    if request.param == "sqlite":
        # What was a file has become a folder.
        (tmp_path / "calls.sqlite3").mkdir()
        url = f"sqlite:///{tmp_path / 'calls.sqlite3'}"
    app = create_app(Settings(data_dir=tmp_path, database_url=url, redis_url=redis_url))
    app.testing = True
    yield app.test_client()
    with app.app_context():
        db.engine.dispose()


def test_unavailable_database(no_database: FlaskClient) -> None:
    """503 asks to report again, and says when."""
    for _ in range(2):
        answer = no_database.get(f"{URL}?event=0&ext=1&token=x")
        document = check_problem(answer, 503)
        assert document["detail"] == (
            "The database is unavailable and the event may not be stored. Report it again."
        )
        assert answer.headers["Retry-After"] == "2"
