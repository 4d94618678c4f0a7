"""POST /oauth/token.php: the forms that clients send, the answers, and what a request costs."""

import json
import re
import socket
from base64 import b64encode
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from callevents.api_access import consent
from callevents.api_access.authorization import find_target, read_request
from callevents.db.models import AuditEntry
from callevents.db.session import begin_write
from callevents.enums import Role
from callevents.extensions import db
from callevents.users import users
from tests.support.oauth_app import BACK, CHALLENGE, VERIFIER, AppKey, add_app, add_user, scopes_of
from tests.support.served import Served
from tests.support.statement_count import counting

PATH = "/oauth/token.php"
FORM = "application/x-www-form-urlencoded"
OWN = {"grant_type": "client_credentials"}


@pytest.fixture
def crm(app: Flask) -> AppKey:
    """An app of an admin."""
    add_user("ana", Role.ADMIN)
    return add_app("ana")


def basic(name: str, password: str) -> dict[str, str]:
    """Return the header of HTTP Basic."""
    return {"Authorization": f"Basic {b64encode(f'{name}:{password}'.encode()).decode()}"}


def allow(key: AppKey, **more: str) -> str:
    """Have ana allow what the app asks for; return the code."""
    begin_write()
    asked = {name: [value] for name, value in key.asks(**more).items()}
    code = consent.allow(users.get_user("ana"), read_request(find_target(asked), asked))
    db.session.commit()
    return code


def check_tokens(answer: TestResponse, scope: str = "uapi hooks:read") -> dict[str, Any]:
    """Check the form of the answer, and that the token is valid; return the answer."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Pragma"] == "no-cache"
    assert "Set-Cookie" not in answer.headers
    found: dict[str, Any] = answer.get_json()
    assert re.fullmatch(r"[A-Za-z0-9_.-]{20,}", found["access_token"])
    assert (found["token_type"], found["expires_in"]) == ("Bearer", 3600)
    assert type(found["expires_in"]) is int
    assert found["scope"] == scope == scopes_of(found["access_token"])
    return found


@pytest.mark.parametrize("path", [PATH, f"{PATH}/"])
def test_form(client: FlaskClient, crm: AppKey, path: str) -> None:
    """With and without a slash at the end, with fields that only VoipNow knows."""
    host = "https://calls.example"
    also = {"type": "unifiedapi", "redirect_uri": f"{host}/ouath/token.php", "state": "0"}
    found = check_tokens(client.post(path, data={**crm.fields, **OWN, **also}))
    assert set(found) == {"access_token", "token_type", "expires_in", "scope"}


def test_form_that_begins_with_an_ampersand(client: FlaskClient, crm: AppKey) -> None:
    """Empty fields are passed over; values need not be encoded."""
    body = (
        f"&redirect_uri=https://calls.example/oauth/token.php&type=unifiedapi&&client_id={crm.id}"
        f"&client_secret={crm.secret}&grant_type=client_credentials&"
    )
    check_tokens(client.post(PATH, data=body, content_type=FORM))
    check_tokens(client.post(PATH, data=body, content_type=f"{FORM}; charset=UTF-8"))
    check_tokens(client.post(PATH, data=body))


def test_multipart(client: FlaskClient, crm: AppKey) -> None:
    """As PHP sends arrays, with ID and secret encoded once more."""
    fields = {name: quote(value) for name, value in crm.fields.items()}
    also = {"redirect_uri": "/sendFax.php", "state": "0", "type": "unifiedapi"}
    data = {**fields, **OWN, **also}
    check_tokens(client.post(PATH, data=data, content_type="multipart/form-data"))


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8"])
def test_json(client: FlaskClient, crm: AppKey, content_type: str) -> None:
    """Other fields may have any value; null is absence."""
    body = {**crm.fields, **OWN, "state": 0, "more": {"a": [1]}, "scope": None}
    check_tokens(client.post(PATH, data=json.dumps(body), content_type=content_type))
    bom = b"\xef\xbb\xbf" + json.dumps(body).encode()
    check_tokens(client.post(PATH, data=bom, content_type=content_type))


def test_basic(client: FlaskClient, crm: AppKey) -> None:
    """The header alone is enough; the same in the fields does no harm, nor does another scheme."""
    header = basic(crm.id, crm.secret)
    check_tokens(client.post(PATH, data=OWN, headers=header))
    check_tokens(client.post(PATH, data={**OWN, "client_id": crm.id}, headers=header))
    check_tokens(client.post(PATH, data={**OWN, **crm.fields}, headers=header))
    other = {"Authorization": "Bearer 0123456789"}
    check_tokens(client.post(PATH, data={**OWN, **crm.fields}, headers=other))


def test_scope(client: FlaskClient, crm: AppKey) -> None:
    """A token can be for less than the app may do."""
    check_tokens(client.post(PATH, data={**crm.fields, **OWN, "scope": "uapi"}), "uapi")


def test_query_is_passed_over(client: FlaskClient, crm: AppKey) -> None:
    """Nothing is read from where it would be logged."""
    answer = client.post(f"{PATH}?{urlencode({**crm.fields, **OWN})}")
    assert answer.get_json()["error_description"] == "The field grant_type is missing."
    check_tokens(client.post(f"{PATH}?client_id=x&scope=y", data={**crm.fields, **OWN}))


def test_code_and_refresh(client: FlaskClient, crm: AppKey) -> None:
    """A code gives a refresh token too, which gives the next ones."""
    code = allow(crm)
    fields = {**crm.fields, "grant_type": "authorization_code", "code": code, "redirect_uri": BACK}
    first = check_tokens(client.post(PATH, data=fields))
    fields = {**crm.fields, "grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    second = check_tokens(client.post(PATH, json={**fields, "redirect_uri": BACK}))
    assert second["refresh_token"] != first["refresh_token"]
    fields["refresh_token"] = second["refresh_token"]
    narrowed = check_tokens(client.post(PATH, data={**fields, "scope": "uapi"}), "uapi")
    assert re.fullmatch(r"[A-Za-z0-9_.-]{20,}", narrowed["refresh_token"])


def test_stolen_code(client: FlaskClient, crm: AppKey) -> None:
    """The history names the app that used it twice, and from where."""
    fields = {"grant_type": "authorization_code", "code": allow(crm), "redirect_uri": BACK}
    first = check_tokens(client.post(PATH, data={**crm.fields, **fields}))
    elsewhere = {"REMOTE_ADDR": "192.0.2.7"}
    again = client.post(PATH, data={**crm.fields, **fields}, environ_base=elsewhere)
    assert (again.status_code, again.get_json()["error"]) == (400, "invalid_grant")
    assert scopes_of(first["access_token"]) is None
    revoked = select(AuditEntry).where(AuditEntry.action == "app.access_revoked")
    entry = db.session.scalars(revoked).one()
    assert (entry.actor_kind, entry.actor_name, entry.actor_id) == ("app", "CRM", crm.id)
    assert (entry.address, entry.before) == ("192.0.2.7", {"user": "ana"})


def test_pkce(client: FlaskClient, crm: AppKey) -> None:
    """With a challenge the verifier is needed."""
    code = allow(crm, code_challenge=CHALLENGE, code_challenge_method="S256")
    fields = {**crm.fields, "grant_type": "authorization_code", "code": code, "redirect_uri": BACK}
    assert client.post(PATH, data=fields).get_json()["error"] == "invalid_grant"
    check_tokens(client.post(PATH, data={**fields, "code_verifier": VERIFIER}))


def test_session_of_a_browser_does_not_matter(client: FlaskClient, crm: AppKey) -> None:
    """Neither a cookie nor a CSRF token is needed, and a cookie is neither read nor set."""
    client.set_cookie("callevents", "broken")
    check_tokens(client.post(PATH, data={**crm.fields, **OWN}))


def test_cost(client: FlaskClient, crm: AppKey) -> None:
    """A request costs few statements, and no work that passwords need."""
    statements: list[str] = []
    with counting(statements):
        check = client.post(PATH, data={**crm.fields, **OWN})
    assert check.status_code == 200
    assert [one.split()[0] for one in statements] == ["SELECT", "SELECT", "SELECT", "INSERT"]


def test_absolute_target(app: Flask, served: Served, crm: AppKey) -> None:
    """The request line may have the whole URL, with any case of the scheme, and a slash."""
    for target in (f"https://calls.example{PATH}", f"http://calls.example:80{PATH}/", PATH):
        body = urlencode({**crm.fields, **OWN}).encode()
        head = (
            f"POST {target} HTTP/1.1\r\nHost: calls.example\r\nConnection: close\r\n"
            f"Content-Type: {FORM}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", served.port), timeout=30) as client:
            client.sendall(head.encode() + body)
            answer = client.makefile("rb").read()
        assert answer.startswith(b"HTTP/1.1 200 "), answer
        found = json.loads(answer.partition(b"\r\n\r\n")[2])
        assert scopes_of(found["access_token"]) == "uapi hooks:read"


def test_reads_no_body_of_other_methods(served: Served) -> None:
    """Through the web server too, other methods get the error as JSON."""
    for method in ("GET", "PUT", "DELETE"):
        answer = served.send(path=PATH, method=method, headers={}, data="x=1")
        assert answer.status_code == 405
        assert set(answer.headers["Allow"].split(", ")) == {"OPTIONS", "POST"}
        assert answer.json()["error"] == "invalid_request"
