"""POST /oauth/token.php refuses: every error in the form of RFC 6749, and never a trace."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from callevents.enums import Role
from callevents.extensions import app_state, db
from tests.api.test_oauth_token import FORM, OWN, PATH, basic
from tests.support.database_faults import before_statement, missing_table, refused_inserts
from tests.support.log_capture import Logged, capture_log
from tests.support.oauth_app import BACK, AppKey, add_app, add_user

MULTIPART = "multipart/form-data; boundary=x"
WRONG = "0" * 64


@pytest.fixture
def crm(app: Flask) -> AppKey:
    """An app of an admin."""
    add_user("ana", Role.ADMIN)
    return add_app("ana")


def check_error(answer: TestResponse, status: int, code: str) -> dict[str, Any]:
    """Check the form of an error; return it."""
    assert (answer.status_code, answer.get_json()["error"]) == (status, code), answer.text
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Pragma"] == "no-cache"
    found: dict[str, Any] = answer.get_json()
    assert set(found) == {"error", "error_description"}
    sentence = found["error_description"]
    assert sentence.endswith(".")
    assert sentence.isascii()
    assert not set('"\\') & set(sentence)
    return found


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"client_secret": WRONG}, 401, "invalid_client"),
        ({"client_id": "unknown"}, 401, "invalid_client"),
        ({"client_id": ""}, 401, "invalid_client"),
        ({"client_secret": ""}, 401, "invalid_client"),
        ({"client_id": "a\0"}, 401, "invalid_client"),
        ({"grant_type": ""}, 400, "invalid_request"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": "CLIENT_CREDENTIALS"}, 400, "unsupported_grant_type"),
        ({"scope": "uapi users:write"}, 400, "invalid_scope"),
        ({"scope": "\0"}, 400, "invalid_scope"),
        ({"grant_type": "authorization_code", "redirect_uri": BACK}, 400, "invalid_request"),
        ({"grant_type": "authorization_code", "code": "x"}, 400, "invalid_request"),
        (
            {"grant_type": "authorization_code", "code": "x", "redirect_uri": BACK},
            400,
            "invalid_grant",
        ),
        ({"grant_type": "refresh_token"}, 400, "invalid_request"),
        ({"grant_type": "refresh_token", "refresh_token": "x"}, 400, "invalid_grant"),
    ],
)
@pytest.mark.parametrize("form", ["data", "json"])
def test_errors(
    client: FlaskClient, crm: AppKey, changed: dict[str, str], status: int, code: str, form: str
) -> None:
    """Each one has its code and its status."""
    answer = client.post(PATH, **{form: {**crm.fields, **OWN, **changed}})  # type: ignore[arg-type]
    check_error(answer, status, code)
    assert ("WWW-Authenticate" in answer.headers) == (status == 401)
    if status == 401:
        assert answer.headers["WWW-Authenticate"].startswith("Basic realm=")


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", FORM),
        (b"", ""),
        (b"{", "application/json"),
        (b"[]", "application/json"),
        (b"null", "application/json"),
        (b"1e999", "application/json"),
        (b'{"a": NaN}', "application/json"),
        (b"[" * 100_000, "application/json"),
        (b"\xff\xfe", "application/json"),
        (b'{"grant_type": ["client_credentials"]}', "application/json"),
        (b'{"grant_type": 1}', "application/json"),
        (b'{"grant_type": "client_credentials", "client_id": {}}', "application/json"),
        (b'{"client_secret": "geheim"\n{"a": 1}', FORM),
        (b'{"grant_type": "client_credentials"}\n{"client_id": "x"}', "application/json"),
        (b"grant_type=client_credentials&grant_type=refresh_token", FORM),
        (b"a=1&" * 500, FORM),
        (b"grant_type=client_credentials", "text/plain"),
        (b"<xml/>", "application/xml"),
        (b"", "multipart/form-data"),
        (b"--x", MULTIPART),
        (b"--x\r\n\r\n--x--", MULTIPART),
        (b'--x\r\nContent-Disposition: form-data; name="grant_type"\r\n\r\nx', MULTIPART),
        (b"--x\r\nContent-Disposition: form-data\r\n\r\nx\r\n--x--", MULTIPART),
    ],
)
def test_malformed_bodies(client: FlaskClient, crm: AppKey, body: bytes, content_type: str) -> None:
    """What cannot be read is the client's mistake, and nothing of it is repeated."""
    answer = client.post(PATH, data=body, content_type=content_type)
    found = check_error(answer, 400, "invalid_request")
    assert "geheim" not in found["error_description"]


@pytest.mark.parametrize(
    ("headers", "code", "status"),
    [
        ({"Authorization": "Basic"}, "invalid_client", 401),
        ({"Authorization": "Basic ?"}, "invalid_request", 400),
        ({"Authorization": "basic /////w=="}, "invalid_request", 400),
        (basic("", ""), "invalid_client", 401),
        (basic("a", "b"), "invalid_client", 401),
        (basic("a\0", "b\0"), "invalid_client", 401),
        ({"Content-Encoding": "gzip"}, "invalid_request", 400),
    ],
)
def test_headers(
    client: FlaskClient, crm: AppKey, headers: dict[str, str], code: str, status: int
) -> None:
    """Malformed headers, and wrong credentials in them, are refused."""
    check_error(client.post(PATH, data=OWN, headers=headers), status, code)


def test_header_and_fields_differ(client: FlaskClient, crm: AppKey) -> None:
    """Two different secrets are refused, so that none can be tried beside a right one."""
    wrong = {**crm.fields, **OWN, "client_secret": WRONG}
    answer = client.post(PATH, data=wrong, headers=basic(crm.id, crm.secret))
    check_error(answer, 400, "invalid_request")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.binary(max_size=200),
    content_type=st.sampled_from(
        [FORM, "application/json", MULTIPART, "", "text/json", "x/y+json"]
    ),
    header=st.sampled_from(["", "Basic "]).flatmap(
        lambda scheme: st.text(st.characters(max_codepoint=126, min_codepoint=32), max_size=30).map(
            lambda text: scheme + text
        )
    ),
)
def test_any_request(client: FlaskClient, body: bytes, content_type: str, header: str) -> None:
    """Whatever is sent, the answer is an error of the client in the right form."""
    headers = {"Authorization": header}
    answer = client.post(PATH, data=body, content_type=content_type, headers=headers)
    assert answer.status_code in {400, 401, 429}
    check_error(answer, answer.status_code, answer.get_json()["error"])


def test_other_methods(client: FlaskClient) -> None:
    """They get 405 as JSON; nothing is ever redirected."""
    for path in (PATH, f"{PATH}/"):
        for method in ("GET", "PUT", "PATCH", "DELETE"):
            answer = client.open(path, method=method)
            check_error(answer, 405, "invalid_request")
            assert set(answer.headers["Allow"].split(", ")) == {"OPTIONS", "POST"}
        assert client.head(path).status_code == 405
    check_error(client.post(f"{PATH}/more"), 404, "invalid_request")


def test_large_body(client: FlaskClient) -> None:
    """More than 1 MiB is a 413, as JSON."""
    for content_type in (FORM, MULTIPART, "application/json"):
        answer = client.post(PATH, data=b"x" * 2_000_000, content_type=content_type)
        check_error(answer, 413, "invalid_request")


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """A clock that stands still."""
    with time_machine.travel("2026-03-01T10:00:00Z", tick=False) as clock:
        yield clock


def test_guesses_are_delayed(
    client: FlaskClient, crm: AppKey, clock: time_machine.Traveller
) -> None:
    """After five wrong secrets the right one has to wait too; from elsewhere it does not."""
    for _ in range(5):
        answer = client.post(PATH, data={**crm.fields, **OWN, "client_secret": WRONG})
        check_error(answer, 401, "invalid_client")
    right = {**crm.fields, **OWN}
    answer = client.post(PATH, data=right)
    found = check_error(answer, 429, "temporarily_unavailable")
    assert answer.headers["Retry-After"] == "1"
    assert found["error_description"] == "Too many wrong secrets. Try again in 1 s."
    elsewhere = {"REMOTE_ADDR": "192.0.2.7"}
    assert client.post(PATH, data=right, environ_base=elsewhere).status_code == 200
    clock.shift(1)
    assert client.post(PATH, data=right).status_code == 200


def test_missing_secrets_do_not_count(client: FlaskClient, crm: AppKey) -> None:
    """A request without a secret is no guess."""
    for _ in range(10):
        check_error(client.post(PATH, data={**OWN, "client_id": crm.id}), 401, "invalid_client")
    assert client.post(PATH, data={**crm.fields, **OWN}).status_code == 200


def test_address_behind_a_proxy(
    client: FlaskClient, crm: AppKey, clock: time_machine.Traveller
) -> None:
    """The client that the trusted proxy names is delayed, and not all that come through it."""
    app_state().settings.trusted_proxies = 1
    wrong, right = {**crm.fields, **OWN, "client_secret": WRONG}, {**crm.fields, **OWN}
    guesser = {"X-Forwarded-For": "203.0.113.9, 192.0.2.7:4711"}
    for _ in range(5):
        client.post(PATH, data=wrong, headers=guesser)
    spoofed = {"X-Forwarded-For": "198.51.100.1, 192.0.2.7:4712"}
    assert client.post(PATH, data=right, headers=spoofed).status_code == 429
    other = {"X-Forwarded-For": "192.0.2.8"}
    assert client.post(PATH, data=right, headers=other).status_code == 200


def test_database_is_away(app: Flask, client: FlaskClient, crm: AppKey) -> None:
    """Its errors are 503 or 500, as JSON, and nothing is issued."""
    app.testing = False
    db.session.rollback()
    with missing_table(db.engine, "oauth_app"):
        answer = client.post(PATH, data={**crm.fields, **OWN})
        assert answer.status_code in {500, 503}
        code = "server_error" if answer.status_code == 500 else "temporarily_unavailable"
        check_error(answer, answer.status_code, code)
    with refused_inserts(db.engine, "oauth_token"):
        check_error(client.post(PATH, data={**crm.fields, **OWN}), 409, "invalid_request")
    assert client.post(PATH, data={**crm.fields, **OWN}).status_code == 200


def test_unexpected_error(app: Flask, client: FlaskClient, crm: AppKey) -> None:
    """It is a 500 as JSON; what it quotes is masked in the log, which has the trace."""
    quoted = f"POST /oauth/token.php?code=geheim: {crm.fields}, Bearer {crm.secret}"

    def fail() -> None:
        raise RuntimeError(quoted)

    app.testing = False
    with (
        capture_log(logging.INFO) as logged,
        before_statement(db.engine, "SELECT oauth_app", fail),
    ):
        check_error(client.post(PATH, data={**crm.fields, **OWN}), 500, "server_error")
    check_log(logged, crm)
    assert "RuntimeError: POST /oauth/token.php?code=" in logged.text


def check_log(logged: Logged, key: AppKey) -> None:
    """Check that the log has no secrets."""
    assert key.secret not in logged.text
    assert "geheim" not in logged.text


def test_log(client: FlaskClient, crm: AppKey) -> None:
    """The log names the path and the status, and nothing that was sent."""
    with capture_log(logging.DEBUG) as logged:
        client.post(f"{PATH}?code=geheim", data={**crm.fields, **OWN})
        client.post(PATH, data={**crm.fields, "code": "geheim"})
    check_log(logged, crm)
    assert crm.id not in logged.text
    assert "geheim" not in logged.text
