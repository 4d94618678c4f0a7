"""The short way in front of Flask answers as the long way does, and gives way to it."""

import json
from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from callevents import create_app
from callevents.api.fast_path import Express
from callevents.config.settings import Settings
from callevents.db.models import CallEvent
from callevents.db.session import begin_write
from callevents.enums import EventType
from callevents.extensions import db
from callevents.pbxs.tokens import add_token, list_tokens, revoke_token
from tests.api.conftest import EVENT, Send, check_problem, is_empty, stored
from tests.conftest import Client, Configure, let_go
from tests.support.database_faults import refused_inserts
from tests.support.log_capture import Logged
from tests.support.statement_count import counting

URL = "/ingest/head-office"
#: Its answer is known beforehand, but for the id.
KNOWN = {**EVENT, "id": "known"}


@pytest.fixture
def long_way(settings: Settings, token: str) -> Iterator[FlaskClient]:
    """A client of an application on the same database that has no short way."""
    app = create_app(settings.model_copy(update={"log_level": "DEBUG"}))
    assert not isinstance(app.wsgi_app, Express)
    app.testing = True
    app.test_client_class = Client
    yield app.test_client()
    let_go(app)


def described(answer: TestResponse) -> tuple[object, ...]:
    """Return what is the same in two answers to the same request, and that there is an id."""
    assert len(answer.headers["X-Request-ID"]) == 32
    # Flask-Login looks for a cookie everywhere, though programs have none: hence Vary.
    left_out = {"X-Request-ID", "Vary"}
    headers = {name: value for name, value in answer.headers if name not in left_out}
    return answer.status, headers, answer.data


@pytest.mark.parametrize(
    "options",
    [
        {"json": KNOWN},
        {"json": [KNOWN, KNOWN]},
        {"json": {**KNOWN, "colour": "red"}},
        {"data": KNOWN},
        {"data": KNOWN, "content_type": "multipart/form-data"},
        {"query_string": KNOWN, "method": "GET"},
        {"query_string": KNOWN, "method": "GET", "base_url": "https://calls.example"},
        {"query_string": KNOWN, "method": "HEAD"},
        {"query_string": KNOWN, "method": "PUT"},
        {"data": "[" + json.dumps(KNOWN) + ", 7]", "content_type": "application/json"},
        {"data": "{", "content_type": "application/json"},
        {"json": {"event": "ring"}},
        {"json": [7]},
        {"data": b"x" * 2_000_000},
        {"json": KNOWN, "headers": {"Authorization": "Bearer wrong"}},
        {"json": KNOWN, "headers": {}},
        {"json": KNOWN, "path": "/ingest/nobody"},
        {"json": KNOWN, "path": "/ingest/"},
    ],
    ids=lambda options: str(options)[:60],
)
def test_both_ways_answer_the_same(
    client: FlaskClient, long_way: FlaskClient, token: str, options: dict[str, object]
) -> None:
    """Status, headers and body are the same to the byte, whatever is reported."""
    headers = {"Authorization": f"Bearer {token}"}
    assert long_way.post(URL, json=KNOWN, headers=headers).status_code == 202
    whole = {"path": URL, "method": "POST", "headers": headers, **options}
    assert described(client.open(**whole)) == described(long_way.open(**whole))  # type: ignore[arg-type]


def test_first_reports_are_answered_the_same(
    client: FlaskClient, long_way: FlaskClient, token: str
) -> None:
    """What is new is answered 202, with an id of its own."""
    answers = [
        one.post(URL, json=EVENT, headers={"X-Ingest-Token": token}) for one in (client, long_way)
    ]
    assert [answer.status for answer in answers] == ["202 ACCEPTED"] * 2
    assert [list(answer.get_json()) for answer in answers] == [["deliveries", "id"]] * 2
    assert [answer.get_json()["id"] for answer in answers] == [event.id for event in stored()]


def test_id_of_the_request(send: Send, token: str) -> None:
    """A request keeps the id that it has, if that may be one."""
    headers = {"Authorization": f"Bearer {token}", "X-Request-ID": "from-the-proxy.1"}
    assert send(json=EVENT, headers=headers).headers["X-Request-ID"] == "from-the-proxy.1"
    headers["X-Request-ID"] = "<b>"
    assert len(send(json=EVENT, headers=headers).headers["X-Request-ID"]) == 32


def test_revoked_token_is_remembered_no_longer(app: Flask, send: Send, pbx: object) -> None:
    """A token that was used a moment ago is refused from its revocation on, a new one taken."""
    assert send(json=EVENT).status_code == 202
    begin_write()
    new = add_token(pbx)  # type: ignore[arg-type]
    revoke_token(pbx, list_tokens(pbx)[0].id)  # type: ignore[arg-type]
    db.session.commit()
    for _ in range(2):
        check_problem(send(json=EVENT), 401)
    check_problem(send(json=[EVENT, EVENT]), 401)
    assert send(json=EVENT, headers={"X-Ingest-Token": new}).status_code == 202
    assert len(stored()) == 2


def test_limit_counts_each_event_once(settings: Settings, token: str) -> None:
    """The short way and the long one share the limit, and none counts what the other has."""
    app = create_app(settings.model_copy(update={"ingest_events_per_minute": 5}))
    client, headers = app.test_client(), {"X-Ingest-Token": token}
    assert client.post(URL, json=[EVENT, EVENT], headers=headers).status_code == 202
    # Half of it cannot be read, so it goes the long way.
    assert client.post(URL, json=[EVENT, {}], headers=headers).status_code == 207
    assert client.post(URL, json=EVENT, headers=headers).status_code == 202
    assert client.post(URL, json=EVENT, headers=headers).status_code == 429
    let_go(app)


def test_failure_is_not_tried_again(
    app: Flask, send: Send, configure: Configure, logged: Logged
) -> None:
    """What cannot be stored is answered on the long way without another try."""
    configure.hook("*", EventType.DIAL_IN, "http://127.0.0.1:9/")
    db.session.rollback()
    statements: list[str] = []
    with refused_inserts(db.engine, "delivery"), counting(statements):
        check_problem(send(json=EVENT), 500)
    assert len([one for one in statements if one.startswith("INSERT INTO call_event")]) == 1
    assert logged.text.count("ingest failed") == 1
    assert is_empty()
    assert send(json=EVENT).status_code == 202
    db.session.rollback()
    assert db.session.scalar(select(func.count()).select_from(CallEvent)) == 1
