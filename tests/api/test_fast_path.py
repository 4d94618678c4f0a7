"""The fast path responds as the route does, and leaves to the route what it cannot answer."""

import json
import re
from typing import Any

import pytest
from flask import Flask
from redis import Redis
from requests import Response
from sqlalchemy.exc import OperationalError

from callevents import create_app
from callevents.config.settings import Settings
from callevents.db.models import Pbx
from callevents.db.session import begin_write
from callevents.enums import EventType
from callevents.extensions import db
from callevents.pbxs import pbxs
from callevents.pbxs.tokens import add_token, list_tokens, revoke_token
from callevents.processes.web_server.fast_reports import MAX_INLINE_BYTES
from tests.api.conftest import EVENT, is_empty, stored
from tests.conftest import Configure, let_go
from tests.support.database_faults import before_statement, refused_inserts
from tests.support.log_capture import Logged
from tests.support.served import Served, described
from tests.support.statement_count import counting
from tests.support.waiting import wait_until

#: Its response is known in advance, but for the ID.
KNOWN = {**EVENT, "id": "known"}
#: A valid batch that is too long for the event loop.
LONG = [{**KNOWN, "caller_name": "n" * 200}] * 100
assert len(json.dumps(LONG)) > MAX_INLINE_BYTES

FAST: list[dict[str, Any]] = [
    {"json": KNOWN},
    {"json": [KNOWN, KNOWN]},
    {"json": {**KNOWN, "colour": "red", "größe": 7}},
    {"data": KNOWN},
    {"params": KNOWN, "method": "GET"},
]
SLOW: list[dict[str, Any]] = [
    {"files": {name: (None, value) for name, value in KNOWN.items()}},
    {"params": KNOWN, "method": "HEAD"},
    {"params": KNOWN, "method": "PUT"},
    {"json": LONG},
    {"json": [KNOWN, 7]},
    {"json": [7]},
    {"json": {"event": "ring"}},
    {"data": b"{"},
    {"data": b"x" * 2_000_000},
    {"json": KNOWN, "headers": {"X-Ingest-Token": "wrong"}},
    {"json": KNOWN, "headers": {}},
    {"json": KNOWN, "path": "/ingest/nobody"},
    {"json": KNOWN, "path": "/ingest/"},
    {"method": "GET", "path": "/healthz"},
]


def name(options: dict[str, Any]) -> str:
    """Return a short name of the request."""
    return str(options)[:60]


@pytest.mark.parametrize("options", [*FAST, *SLOW], ids=name)
def test_both_paths_respond_the_same(
    served: Served, slow: Served, logged: Logged, options: dict[str, Any]
) -> None:
    """Status, headers and body are the same to the byte, and Flask sees only what is not plain."""
    assert slow.send(json=KNOWN).status_code == 202
    wanted = slow.send(**options)
    before = len(logged.text)
    given = served.send(**options)
    assert described(given) == described(wanted)
    assert ('"event": "request"' in logged.text[before:]) == (options in SLOW)


def test_new_events_get_the_same_response(served: Served, slow: Served) -> None:
    """A new event gets a 202 with an ID of its own on both paths."""
    answers = [one.send(json=EVENT) for one in (served, slow)]
    assert [answer.status_code for answer in answers] == [202] * 2
    assert [list(answer.json()) for answer in answers] == [["deliveries", "id"]] * 2
    assert [answer.json()["id"] for answer in answers] == [event.id for event in stored()]


def test_first_report_goes_through_the_route(app: Flask, token: str, logged: Logged) -> None:
    """The event loop does not ask the database for a token: the route does, and caches it."""
    served = Served(app, token)
    try:
        assert served.send(json=EVENT).status_code == 202
        assert logged.text.count('"event": "request"') == 1
        assert served.send(json=EVENT).status_code == 202
        assert logged.text.count('"event": "request"') == 1
    finally:
        served.close()


def test_id_of_the_request(served: Served) -> None:
    """A valid X-Request-ID is returned; an invalid one is replaced."""
    for given, pattern in (("from-the-proxy.1", "from-the-proxy[.]1"), ("<b>", "[0-9a-f]{32}")):
        headers = {"X-Ingest-Token": served.token, "X-Request-ID": given}
        answer = served.send(json=EVENT, headers=headers)
        assert re.fullmatch(pattern, answer.headers["X-Request-ID"])


def test_revoked_token_is_forgotten(served: Served, pbx: Pbx) -> None:
    """A cached token is rejected from its revocation on; a new one is accepted."""
    assert served.send(json=EVENT).status_code == 202
    begin_write()
    new = add_token(pbx)
    revoke_token(pbx, list_tokens(pbx)[0].public_id)
    db.session.commit()
    for _ in range(2):
        check_problem(served.send(json=EVENT), 401)
    check_problem(served.send(json=[EVENT, EVENT]), 401)
    assert served.send(json=EVENT, headers={"X-Ingest-Token": new}).status_code == 202
    assert len(stored()) == 2


def test_format_takes_effect_at_once(served: Served, pbx: Pbx) -> None:
    """A report in the native format is not accepted after another process changed the format."""
    for format_, vendor in (("generic", False), ("kamailio", True), ("generic", False)):
        begin_write()
        pbxs.set_format(pbxs.get_pbx(pbx.slug), format_)
        db.session.commit()
        for _ in range(2):
            answer = served.send(json=EVENT)
            assert answer.status_code == (200 if vendor else 202)
            assert ("id" in answer.json()) != vendor
    assert len(stored()) == 4


def test_both_paths_share_the_rate_limit(settings: Settings, token: str) -> None:
    """An event counts once, on whichever path it is accepted."""
    app = create_app(settings.model_copy(update={"ingest_events_per_minute": 5}))
    served = Served(app, token)
    served.cache_token()
    try:
        assert served.send(json=[EVENT, EVENT]).status_code == 202
        # Half of it is invalid, so the route answers.
        assert served.send(json=[EVENT, {}]).status_code == 207
        assert served.send(json=EVENT).status_code == 202
        check_problem(served.send(json=EVENT), 429)
    finally:
        served.close()
        let_go(app)


def test_failure_is_not_tried_again(
    served: Served, slow: Served, configure: Configure, logged: Logged
) -> None:
    """The route answers what the fast path could not store, without a second try."""
    configure.hook("*", EventType.DIAL_IN, "http://127.0.0.1:9/")
    db.session.rollback()
    statements: list[str] = []
    with refused_inserts(db.engine, "delivery"):
        with counting(statements):
            given = served.send(json=EVENT)
        assert len([one for one in statements if one.startswith("INSERT INTO call_event")]) == 1
        assert logged.text.count("ingest failed") == 1
        check_problem(given, 500)
        assert described(given) == described(slow.send(json=EVENT))
    assert is_empty()
    assert served.send(json=EVENT).status_code == 202
    assert len(stored()) == 1


def test_unavailable_database(served: Served) -> None:
    """A database error that says nothing of the event is a 503, and nothing is stored."""

    def refuse() -> None:
        raise OperationalError("SELECT", {}, Exception("refused by the test"))

    with before_statement(db.engine, "SELECT ingest_token.id", refuse):
        answer = served.send(json=EVENT)
    check_problem(answer, 503)
    assert answer.headers["Retry-After"] == "2"
    assert is_empty()
    assert served.send(json=EVENT).status_code == 202


def test_workers_are_woken(served: Served, configure: Configure, redis_url: str) -> None:
    """A job is enqueued after the response, if there are deliveries."""
    configure.hook("*", EventType.DIAL_IN, "http://127.0.0.1:9/")
    db.session.rollback()
    assert served.send(json=EVENT).json()["deliveries"] == 1
    with Redis.from_url(redis_url) as redis:
        wait_until(lambda: redis.llen("rq:queue:callevents") == 1, "the job")


def check_problem(answer: Response, status: int) -> None:
    """Check that the response is a problem document with this status."""
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["status"] == status
