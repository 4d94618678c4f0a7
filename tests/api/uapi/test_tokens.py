"""Tokens: how they are sent, which are refused and how, and that no log has them."""

from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import quote

import pytest
from flask import Flask
from sqlalchemy import delete, update

from callevents import create_app
from callevents.api_access import api_tokens, app_tokens, apps
from callevents.api_access.scopes import ApiScope
from callevents.config.settings import Settings
from callevents.db.models import OAuthApp, OAuthToken, User, utc_now
from callevents.db.session import begin_write
from callevents.extensions import db
from tests.api.uapi.conftest import (
    URL,
    Api,
    GetToken,
    check_error,
    stored_hooks,
    succeeded,
)
from tests.conftest import let_go
from tests.support.log_capture import Logged

BODY = {"type": 0, "url": URL}
INVALID = 'Bearer realm="uapi", error="invalid_token"'
INSUFFICIENT = 'Bearer realm="uapi", error="insufficient_scope", scope="uapi"'


def check_denied(answer: object, challenge: str) -> None:
    """Check that the token is refused with 403, on which VoipNow's apps get another one."""
    check_error(answer, 403, "access_denied")  # type: ignore[arg-type]  # an answer
    assert answer.headers["WWW-Authenticate"] == challenge  # type: ignore[attr-defined]


def test_header(api: Api) -> None:
    """Bearer in any case, with any blanks, or the token alone."""
    token = api.token
    for value in (
        f"Bearer {token}",
        f"bearer {token}",
        f"BEARER   {token} ",
        token,
        f" {token} ",
    ):
        succeeded(api.send("GET", headers={"Authorization": value}))
        assert succeeded(api.send("POST", headers={"Authorization": value}, json=BODY))


def test_token_of_the_token_route(api: Api, admin_user: User) -> None:
    """What VoipNow's clients do: get a token with ID and secret, and use it."""
    begin_write()
    app, secret = apps.add_app(admin_user, "CRM")
    fields = {"client_id": app.id, "client_secret": secret, "grant_type": "client_credentials"}
    db.session.commit()
    answer = api.client.post("/oauth/token.php", data={**fields, "type": "unifiedapi"})
    api.token = succeeded(answer)["access_token"]
    assert api.create()["type"] == "0"


def test_query(api: Api) -> None:
    """The token in the query, with and without Bearer; a token in the header comes first."""
    for text in (api.token, f"Bearer {api.token}", f"bearer {api.token}"):
        for query in (quote(text), text.replace(" ", "+")):
            path = f"?accessRequestToken={query}"
            succeeded(api.send("GET", path, headers={}))
            succeeded(api.send("POST", path, headers={}, json=BODY))
    good, bad = f"?accessRequestToken={api.token}", "?accessRequestToken=x"
    succeeded(api.send("GET", bad))
    check_denied(api.send("GET", good, headers={"Authorization": "Bearer x"}), INVALID)
    # Of a proxy, or of nothing.
    for other in ("Basic eDp5", "", "Bearer", "Bearer "):
        succeeded(api.send("GET", good, headers={"Authorization": other}))


def test_no_token(api: Api) -> None:
    """Without a token it is a 401, with how to send one."""
    for headers in ({}, {"Authorization": "Basic eDp5"}, {"Authorization": "Bearer "}):
        for method in ("GET", "POST", "DELETE"):
            answer = api.send(method, headers=headers, json=BODY)
            check_error(answer, 401, "unauthorized")
            assert answer.headers["WWW-Authenticate"] == 'Bearer realm="uapi"'
    for query in ("", "Bearer", "Bearer+"):
        answer = api.send("GET", f"?accessRequestToken={query}", headers={})
        check_error(answer, 401, "unauthorized")
    assert stored_hooks() == []


@pytest.mark.parametrize("change", ["expired", "revoked", "disabled", "no app"])
def test_tokens_that_are_valid_no_more(api: Api, admin_user: User, change: str) -> None:
    """An expired token, a revoked one, one of a disabled user and of a removed app: 403."""
    succeeded(api.send("GET"))
    user_id = admin_user.id
    db.session.rollback()
    begin_write()
    statements = {
        "expired": update(OAuthToken).values(expires_at=utc_now() - timedelta(seconds=1)),
        "revoked": delete(OAuthToken),
        "disabled": update(User).where(User.id == user_id).values(disabled_at=utc_now()),
        "no app": delete(OAuthApp),
    }
    db.session.execute(statements[change])
    db.session.commit()
    for method in ("GET", "POST", "DELETE"):
        check_denied(api.send(method, json=BODY), INVALID)
    assert stored_hooks() == []


def test_odd_tokens(api: Api) -> None:
    """Anything else in place of a token is refused in the same way."""
    for text in ("x", "x" * 5000, "cea_x", f"{api.token}x", f"{api.token},{api.token}", "ü"):
        check_denied(api.send("GET", headers={"Authorization": f"Bearer {text}"}), INVALID)
    for text in ("%00", "%FF", "a%20b%20c", "Basic%20x%20y"):
        answer = api.send("GET", f"?accessRequestToken={text}", headers={})
        assert answer.status_code in (401, 403)


def test_scope(api: Api, admin_user: User, get_token: GetToken) -> None:
    """Only tokens with the scope uapi are let in; API tokens never have it."""
    api.token = get_token(admin_user, scopes=[ApiScope.HOOKS_READ, ApiScope.HOOKS_WRITE])
    check_denied(api.send("GET"), INSUFFICIENT)
    check_denied(api.send("POST", json=BODY), INSUFFICIENT)
    begin_write()
    api.token = api_tokens.add_api_token(admin_user, "CI", ["hooks:read", "hooks:write"])[1]
    db.session.commit()
    check_denied(api.send("GET"), INSUFFICIENT)


def test_scope_that_the_app_has_lost(api: Api, admin_user: User) -> None:
    """A token may do what its app may do now."""
    begin_write()
    app, _secret = apps.add_app(admin_user, "CRM")
    api.token = app_tokens.issue_to_owner(app, frozenset({ApiScope.UAPI})).access_token
    db.session.commit()
    succeeded(api.send("GET"))
    begin_write()
    apps.change_app(apps.get_app(app.id), scopes=[ApiScope.HOOKS_READ])
    db.session.commit()
    check_denied(api.send("GET"), INSUFFICIENT)


def test_logs_have_no_token(api: Api, logged: Logged) -> None:
    """Neither a token in the query nor one in the header is in a log line."""
    api.send("GET", f"?accessRequestToken={api.token}", headers={})
    api.send("GET")
    api.send("POST", f"?accessRequestToken={api.token}", data=b"{")
    api.send("PUT", f"?accessRequestToken={api.token}")
    assert "phoneCallEvents" in logged.text
    assert api.token not in logged.text


def test_use_is_noted(api: Api) -> None:
    """The app's last use has the address of the client."""
    api.client.open(
        api.base,
        headers={"Authorization": f"Bearer {api.token}"},
        environ_overrides={"REMOTE_ADDR": "192.0.2.7"},
    )
    db.session.rollback()
    [app] = apps.list_apps()
    assert app.last_used_at is not None
    assert app.last_used_address == "192.0.2.7"


@pytest.fixture
def limited(settings: Settings, api: Api) -> Iterator[Flask]:
    """An application on the same database that allows three requests a minute."""
    app = create_app(settings.model_copy(update={"api_requests_per_minute": 3}))
    app.testing = True
    yield app
    let_go(app)


def test_limit(limited: Flask, api: Api, get_token: GetToken, admin_user: User) -> None:
    """Beyond the limit of an app it is a 429 with the time to wait; others go on."""
    other = get_token(admin_user)
    api.client = limited.test_client()
    # More than two minutes allow, if one ends meanwhile.
    answers = [api.send("POST", json=BODY) for _ in range(7)]
    refused = [answer for answer in answers if answer.status_code != 200]
    assert refused
    for answer in refused:
        check_error(answer, 429, "too_many_requests")
        assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert len(stored_hooks()) == len(answers) - len(refused)
    api.token = other
    succeeded(api.send("GET"))
