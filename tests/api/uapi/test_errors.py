"""Errors: each has its code, the form that VoipNow's clients read, and changes nothing."""

import json
from typing import Any

import pytest
from flask import Flask

from callevents.db.models import Pbx
from callevents.enums import EventType
from callevents.extensions import db
from callevents.hooks.hooks import MAX_HOOKS_PER_TYPE
from tests.api.uapi.conftest import (
    URL,
    Api,
    Event,
    check_error,
    path_of,
    stored_hooks,
    succeeded,
)
from tests.conftest import Configure
from tests.support.database_faults import missing_table
from tests.support.databases import SqliteDatabases

WRONG_CODES: tuple[Any, ...] = (
    "5",
    5,
    -1,
    "",
    " 0",
    "00",
    "0.0",
    0.0,
    True,
    [],
    {},
    "\u0660",
    10**30,
)
#: The codes of errors about a value, when an event is created, and when it is updated.
CODE_FIELDS = {
    "type": ("pcet_type_invalid", "pce_type_invalid"),
    "method": ("pce_method_invalid", "pce_method_invalid"),
    "status": ("pce_status_invalid", "pce_status_invalid"),
}
WRONG_TEXTS: tuple[tuple[str, Any], ...] = (
    ("url", ""),
    ("url", 5),
    ("url", ["https://crm.example.com"]),
    ("url", "crm.example.com"),
    ("url", "ftp://crm.example.com"),
    ("url", "https://crm.example.com/a b"),
    ("url", "https://crm.example.com/\0"),
    ("url", "https://crm.example.com/\ud800"),
    ("url", "https://crm.example.com/" + "x" * 2000),
    ("note", "x" * 501),
    ("note", "a\0b"),
    ("note", "\ud800"),
    ("note", {"a": 1}),
    ("note", False),
)
WRONG_BODIES = (
    b"",
    b"  ",
    b"{",
    b"[]",
    b'"text"',
    b"1",
    b"null",
    b"type=0&url=x",
    b"\xff\xfe",
    '{"type":0}'.encode("utf-16"),
    b'{"type":NaN}',
    b'{"type":-Infinity}',
    b'{"type":0,"type":0}',
    b'{"a":{"b":1,"b":2}}',
    b'{"type":' + b"9" * 5000 + b"}",
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b'{"type":0} {"type":1}',
)


@pytest.fixture(scope="session")
def databases(sqlite: SqliteDatabases) -> SqliteDatabases:
    """SQLite only: the database does not matter for most errors."""
    return sqlite


@pytest.fixture
def event(api: Api) -> Event:
    """An event."""
    return api.create(note="first")


@pytest.mark.parametrize("field", CODE_FIELDS)
def test_wrong_codes(api: Api, event: Event, field: str) -> None:
    """A value that is no code is refused, whatever its type."""
    created, updated = CODE_FIELDS[field]
    for value in WRONG_CODES:
        answer = api.send("POST", json={"type": 0, "url": URL, field: value})
        assert "one of 0, 1" in check_error(answer, 400, created)
        check_error(api.send("PUT", path_of(event), json={field: value}), 400, updated)
    assert api.entries() == [event]


def test_wrong_texts(api: Api, event: Event) -> None:
    """URL and note follow the same rules as on the pages."""
    for field, value in WRONG_TEXTS:
        code = f"pce_{field}_invalid"
        check_error(api.send("POST", json={"type": 0, "url": URL, field: value}), 400, code)
        check_error(api.send("PUT", path_of(event), json={field: value}), 400, code)
    assert api.entries() == [event]


def test_wrong_bodies(api: Api, event: Event) -> None:
    """A body that is no JSON object, or an ambiguous one, is refused with what is wrong."""
    for data in WRONG_BODIES:
        check_error(api.send("POST", data=data), 400, "request_invalid")
        check_error(api.send("PUT", path_of(event), data=data), 400, "request_invalid")
    assert api.entries() == [event]


def test_compressed_bodies(api: Api) -> None:
    """A compressed body is refused, and says so."""
    headers = {"Authorization": f"Bearer {api.token}", "Content-Encoding": "gzip"}
    answer = api.send("POST", data=b"\x1f\x8b", headers=headers)
    assert "uncompressed" in check_error(answer, 400, "request_invalid")


def test_wrong_type_in_the_path(api: Api, event: Event) -> None:
    """The code for a wrong type differs for a new event."""
    body = {"type": 0, "url": URL}
    for code in ("5", "x", "00", "-1", "%00", "%FF", "\u0660", "{}"):
        for path in (f"/{code}", f"/{code}/{event['id']}"):
            for method in ("GET", "DELETE"):
                check_error(api.send(method, path), 400, "pce_type_invalid")
        check_error(api.send("PUT", f"/{code}/{event['id']}", json={}), 400, "pce_type_invalid")
        check_error(api.send("POST", f"/{code}", json=body), 400, "pcet_type_invalid")
    assert api.entries() == [event]


def test_type_that_differs(api: Api, event: Event) -> None:
    """The type cannot be changed, and path and body of a new event must agree."""
    answer = api.send("PUT", path_of(event), json={"type": "1", "note": "second"})
    check_error(answer, 400, "pce_type_invalid")
    answer = api.send("POST", "/1", json={"type": "0", "url": URL})
    check_error(answer, 400, "pcet_type_invalid")
    assert api.entries() == [event]


def test_unknown_events(api: Api, event: Event) -> None:
    """An ID that is not there, or is of another type, is an error: never an empty list."""
    unknown = ("x" * 30, "x" * 300, "%00", "%FF%FE", "a%20b", "*")
    for path in (f"/1/{event['id']}", *(f"/0/{event_id}" for event_id in unknown)):
        for method in ("GET", "PUT", "DELETE"):
            answer = api.send(method, path, json={} if method == "PUT" else None)
            check_error(answer, 400, "pce_id_invalid")
    succeeded(api.send("DELETE", path_of(event)))
    check_error(api.send("DELETE", path_of(event)), 400, "pce_id_invalid")


def test_limit_of_a_type(api: Api, configure: Configure) -> None:
    """One event more than a type can have is refused with a code of its own."""
    for _ in range(MAX_HOOKS_PER_TYPE):
        configure.hook("0003*210", EventType.DIAL_IN, URL)
    answer = api.send("POST", json={"type": 0, "url": URL})
    assert "20" in check_error(answer, 400, "pce_limit_reached")
    api.create(type="1")


def test_quota(api: Api, pbx: Pbx) -> None:
    """A PBX that is full is refused with the same code, and its quota."""
    db.session.rollback()
    db.session.get_one(Pbx, pbx.id).max_hooks = 1
    db.session.commit()
    api.create()
    answer = api.send("POST", json={"type": 1, "url": URL})
    assert "quota" in check_error(answer, 400, "pce_limit_reached")
    assert len(stored_hooks()) == 1


@pytest.mark.parametrize("base", ["/uapi", "/unifiedapi"])
def test_unknown_addresses(api: Api, base: str) -> None:
    """An address that is not there is JSON too, with a hint what is."""
    for path in (
        "",
        "/",
        "/extensions",
        "/phoneCalls/@me/simple",
        "/extensions/@me/101/presence",
        "/extensions/@me/101/phoneCallEvents/0/x/y",
        "/extensions/@me//phoneCallEvents",
        "/extensions/@me/101/phonecallevents",
    ):
        api.base = base + path
        for method in ("GET", "POST", "DELETE"):
            assert "phoneCallEvents" in check_error(api.send(method), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "", {"DELETE", "GET", "HEAD", "OPTIONS", "POST"}),
        ("PATCH", "/0", {"DELETE", "GET", "HEAD", "OPTIONS", "POST"}),
        ("POST", "/0/x", {"DELETE", "GET", "HEAD", "OPTIONS", "PUT"}),
        ("BREW", "/0/x/", {"DELETE", "GET", "HEAD", "OPTIONS", "PUT"}),
    ],
)
def test_wrong_methods(api: Api, method: str, path: str, allowed: set[str]) -> None:
    """405 with the methods that there are."""
    answer = api.send(method, path, json={})
    check_error(answer, 405, "method_not_allowed")
    assert set(answer.headers["Allow"].split(", ")) == allowed


def test_large_bodies(api: Api) -> None:
    """More than a megabyte is refused, and nothing is stored."""
    body = json.dumps({"type": 0, "url": URL, "note": "x" * 1_100_000})
    check_error(api.send("POST", data=body), 413, "request_too_large")
    assert stored_hooks() == []


def test_database_down(api: Api, event: Event) -> None:
    """Without the database it is a 503 with the time to wait."""
    db.session.rollback()
    with missing_table(db.engine, "oauth_token"):
        for method in ("GET", "POST", "PUT", "DELETE"):
            answer = api.send(method, path_of(event) if method == "PUT" else "", json={})
            check_error(answer, 503, "unavailable")
            assert answer.headers["Retry-After"] == "2"
    assert api.entries() == [event]


def test_changes_that_cannot_be_recorded(api: Api, event: Event) -> None:
    """A change and its entry in the history are stored together, or neither."""
    db.session.rollback()
    with missing_table(db.engine, "audit_entry"):
        answer = api.send("POST", json={"type": 0, "url": URL})
        assert "audit" not in check_error(answer, 503, "unavailable")
    assert api.entries() == [event]


def test_bugs(app: Flask, api: Api) -> None:
    """What nobody has foreseen is a 500 without a trace."""
    app.testing = False
    app.url_map.update()
    app.view_functions["uapi.list_events"] = lambda **_: 1 / 0
    check_error(api.send("GET"), 500, "internal_error")
