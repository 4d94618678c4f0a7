"""The page on which a user allows an app: who sees what, where the browser goes, and what stays."""

import logging
from html.parser import HTMLParser
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from callevents.api_access import apps
from callevents.api_access.scopes import ApiScope
from callevents.audit import Action
from callevents.db.models import AuditEntry, Grant, OAuthApp, OAuthGrant, Pbx, User
from callevents.db.session import begin_write
from callevents.enums import Role
from callevents.extensions import db
from callevents.pbxs import removal
from callevents.users import lifecycle, users
from tests.support.log_capture import capture_log
from tests.support.oauth_app import BACK, CHALLENGE, VERIFIER, AppKey, add_app, scopes_of
from tests.web.conftest import PASSWORD, Visitor

PATH = "/oauth/authorize.php"
CONSENT = "/oauth/consent"
TOKENS = "/oauth/token.php"


@pytest.fixture
def crm(app: Flask, people: None) -> AppKey:
    """An app of the admin."""
    return add_app("admin")


def url_of(key: AppKey, **more: str) -> str:
    """Return the URL of the request for consent."""
    return f"{PATH}?{urlencode(key.asks(**more))}"


class _Form(HTMLParser):
    """Collects the hidden fields of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Note a hidden field."""
        found = dict(attributes)
        if tag == "input" and found.get("type") == "hidden":
            self.fields[found["name"] or ""] = found["value"] or ""


def decide(visitor: Visitor, page: TestResponse, decision: str, **changed: str) -> TestResponse:
    """Submit the form of the page with this button."""
    form = _Form()
    form.feed(page.text)
    fields = {**form.fields, "decision": decision, **changed}
    return visitor.client.post(CONSENT, data=fields)


def sent_to(answer: TestResponse) -> dict[str, str]:
    """Check that the browser goes to the app; return what it brings along."""
    assert answer.status_code == 302, answer.text
    assert (answer.location or "").startswith(f"{BACK}&")
    query = parse_qs(urlsplit(answer.location).query, strict_parsing=True)
    assert query.pop("tenant") == ["7"]
    return {name: value for name, [value] in query.items()}


def exchange(client: FlaskClient, key: AppKey, code: str, **more: str) -> TestResponse:
    """Exchange the code for tokens."""
    fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK}
    return client.post(TOKENS, data={**key.fields, **fields, **more})


def count_grants() -> int:
    """Return the number of consents."""
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(OAuthGrant)) or 0


def test_page(viewer: Visitor, crm: AppKey, pbx: Pbx) -> None:
    """It says which app, whose, for which PBX and account, and what it may do."""
    page = viewer.get(url_of(crm))
    assert page.status_code == 200
    for text in ("Allow CRM?", "viewer", "admin", "all that you have access to", "crm.example.com"):
        assert text in page.text
    assert ApiScope.UAPI.description.replace("'", "&#39;") in page.text
    assert ApiScope.HOOKS_READ.description in page.text
    assert viewer.get(url_of(crm, scope="uapi")).text.count("<li>") == 1
    phones = add_app("admin", "Phones <b>", pbx=pbx)
    page = viewer.get(url_of(phones))
    assert "Allow Phones &lt;b&gt;?" in page.text
    assert "Head office" in page.text
    assert count_grants() == 0


def test_headers(viewer: Visitor, crm: AppKey) -> None:
    """The policy lets the form be answered with a redirect to the app; framing is refused."""
    answer = viewer.get(url_of(crm))
    policy = answer.headers["Content-Security-Policy"]
    assert policy.endswith("form-action 'self' https://crm.example.com https:")
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "form-action 'self'" in viewer.get("/account").headers["Content-Security-Policy"]
    assert "https:" not in viewer.get("/account").headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("back", "sources"),
    [
        ("https://crm.example.com:8443/back", "https://crm.example.com:8443 https:"),
        (
            "http://127.0.0.1:9/back",
            "http://127.0.0.1:9 http://localhost:* http://127.0.0.1:* https:",
        ),
        ("http://[::1]:9/back", "http: https:"),
        ("https://[2001:db8::1]/back", "https: https:"),
        ("https://a;script-src%20*/back", "https: https:"),
        ("https://*.example/back", "https: https:"),
    ],
)
def test_policy(viewer: Visitor, people: None, back: str, sources: str) -> None:
    """It names the app's origin, if a policy can; of the user's own machine, all ports."""
    answer = viewer.get(url_of(add_app("admin", back=back), redirect_uri=back))
    policy = answer.headers["Content-Security-Policy"]
    assert policy.endswith(f"; form-action 'self' {sources}")


@pytest.mark.parametrize("path", [PATH, f"{PATH}/"])
def test_allow(viewer: Visitor, client: FlaskClient, crm: AppKey, path: str) -> None:
    """The app gets a code and the state, and tokens for the user who allowed it."""
    page = viewer.get(f"{path}?{urlencode(crm.asks(state='a b&c=ö'))}")
    answer = decide(viewer, page, "allow")
    found = sent_to(answer)
    assert set(found) == {"code", "state"}
    assert found["state"] == "a b&c=ö"
    assert answer.headers["Cache-Control"] == "no-store"
    tokens = exchange(client, crm, found["code"]).get_json()
    assert scopes_of(tokens["access_token"]) == tokens["scope"] == "uapi hooks:read"
    entry = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "app.allowed")).one()
    assert (entry.actor_name, entry.address) == ("viewer", "127.0.0.1")
    assert found["code"] not in f"{entry.before}{entry.after}"


def test_allow_with_pkce_and_less(viewer: Visitor, client: FlaskClient, crm: AppKey) -> None:
    """The challenge and the scope of the request hold for the code."""
    challenge = {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}
    page = viewer.get(url_of(crm, scope="uapi", **challenge))
    code = sent_to(decide(viewer, page, "allow"))["code"]
    assert exchange(client, crm, code).get_json()["error"] == "invalid_grant"
    assert exchange(client, crm, code, code_verifier=VERIFIER).get_json()["scope"] == "uapi"


def test_deny(viewer: Visitor, crm: AppKey) -> None:
    """The app gets an error and the state; nothing is stored."""
    found = sent_to(decide(viewer, viewer.get(url_of(crm)), "deny"))
    assert found == {
        "error": "access_denied",
        "error_description": "The user denied access.",
        "state": "s-1",
    }
    assert count_grants() == 0
    assert Action.APP_ALLOWED not in db.session.scalars(select(AuditEntry.action)).all()


@pytest.mark.parametrize("signed_in", [False, True])
def test_pages_instead_of_redirects(
    stranger: Visitor, viewer: Visitor, crm: AppKey, signed_in: bool
) -> None:
    """An unknown app, or an address that is not registered, is a page, whoever comes."""
    visitor = viewer if signed_in else stranger
    for changed, text in (
        ({"client_id": "unknown"}, "The app that sent you here is not known."),
        ({"client_id": ""}, "The app that sent you here is not known."),
        ({"redirect_uri": "https://evil.example/"}, "The app CRM wants to take you to an address"),
        ({"redirect_uri": ""}, "The app CRM wants to take you to an address"),
    ):
        answer = visitor.get(url_of(crm, **changed))
        assert answer.status_code == 400
        assert answer.text.count("<h1") == 1
        assert text in answer.text
        assert "evil" not in answer.text
        assert "Location" not in answer.headers
    assert visitor.get(f"{PATH}?client_id=%00").status_code == 400
    assert visitor.get(f"{PATH}?{urlencode(crm.asks())}&client_id=x").status_code == 400


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": ""}, "invalid_request"),
        ({"scope": "users:write"}, "invalid_scope"),
        ({"code_challenge": CHALLENGE, "code_challenge_method": "plain"}, "invalid_request"),
    ],
)
def test_errors_for_the_app(
    stranger: Visitor, crm: AppKey, changed: dict[str, str], code: str
) -> None:
    """They go to the app, with the state, before anyone has to sign in."""
    found = sent_to(stranger.get(url_of(crm, **changed)))
    assert (found["error"], found["state"]) == (code, "s-1")
    assert found["error_description"].endswith(".")


def test_state_is_needed(stranger: Visitor, crm: AppKey) -> None:
    """Without one, the error has none either."""
    found = sent_to(stranger.get(url_of(crm, state="")))
    assert set(found) == {"error", "error_description"}
    assert found["error"] == "invalid_request"


def test_app_of_a_pbx_that_is_being_removed(viewer: Visitor, people: None, pbx: Pbx) -> None:
    """It cannot be allowed, even on a page that is open already; the app is told."""
    phones = add_app("admin", "Phones", pbx=pbx)
    page = viewer.get(url_of(phones))
    begin_write()
    removal.begin_removal(db.session.get_one(Pbx, pbx.id), "head-office")
    db.session.commit()
    for answer in (decide(viewer, page, "allow"), viewer.get(url_of(phones))):
        assert sent_to(answer)["error"] == "unauthorized_client"
    assert count_grants() == 0


def test_app_that_is_removed_meanwhile(viewer: Visitor, crm: AppKey) -> None:
    """The open page leads to a page that says so."""
    page = viewer.get(url_of(crm))
    begin_write()
    apps.remove_app(db.session.get_one(OAuthApp, crm.id))
    db.session.commit()
    answer = decide(viewer, page, "allow")
    assert (answer.status_code, answer.location) == (400, None)


def test_owner_is_disabled(viewer: Visitor, people: None) -> None:
    """The app of a disabled user cannot be allowed."""
    begin_write()
    owner = users.add_user("carl", PASSWORD, Role.VIEWER)
    db.session.commit()
    fax = add_app("carl", "Fax")
    begin_write()
    lifecycle.disable_user(db.session.get_one(User, owner.id))
    db.session.commit()
    assert sent_to(viewer.get(url_of(fax)))["error"] == "unauthorized_client"


def test_changed_form(viewer: Visitor, crm: AppKey) -> None:
    """What the form sends is checked as the request was."""
    page = viewer.get(url_of(crm))
    wrong = decide(viewer, page, "allow", redirect_uri="https://evil.example/")
    assert (wrong.status_code, wrong.location) == (400, None)
    assert sent_to(decide(viewer, page, "allow", scope="users:write"))["error"] == "invalid_scope"
    assert decide(viewer, page, "maybe").status_code == 400
    assert decide(viewer, page, "").status_code == 400
    assert count_grants() == 0


def test_forged_form(viewer: Visitor, stranger: Visitor, crm: AppKey) -> None:
    """Without the token of the page, or signed in as somebody else since, nothing is allowed."""
    page = viewer.get(url_of(crm))
    assert decide(viewer, page, "allow", csrf_token="").status_code == 400
    viewer.get("/sign-in")
    viewer.post("/sign-in", username="admin", password=PASSWORD)
    assert decide(viewer, page, "allow").status_code == 400
    stranger.get("/sign-in")
    fields = crm.asks(decision="allow")
    assert stranger.post(CONSENT, **fields).location == "/sign-in"
    assert viewer.client.get(CONSENT).status_code == 405
    assert count_grants() == 0


def test_user_without_a_role(viewer: Visitor, client: FlaskClient, crm: AppKey) -> None:
    """The page says that the app can do nothing yet; the user can allow it all the same."""
    begin_write()
    for grant in db.session.scalars(select(Grant).join(User).where(User.username == "viewer")):
        db.session.delete(grant)
    db.session.commit()
    page = viewer.get(url_of(crm))
    assert "Your account has no role yet." in page.text
    code = sent_to(decide(viewer, page, "allow"))["code"]
    assert exchange(client, crm, code).status_code == 200


@pytest.mark.parametrize("path", [PATH, f"{PATH}/"])
def test_post_of_another_site(viewer: Visitor, client: FlaskClient, crm: AppKey, path: str) -> None:
    """It comes without cookies, sets none, and is answered with the same request as a GET."""
    values = crm.asks(state="a b&c=ö", nonce="n")
    first = dict(list(values.items())[:2])
    rest = {name: value for name, value in values.items() if name not in first}
    answer = client.post(f"{path}?{urlencode(first)}", data=rest)
    assert answer.status_code == 303
    assert "Set-Cookie" not in answer.headers
    location = urlsplit(answer.location)
    assert (location.scheme, location.netloc, location.path) == ("", "", PATH)
    assert parse_qs(location.query) == {name: [value] for name, value in values.items()}
    assert "Allow CRM?" in viewer.get(answer.location or "").text


@pytest.mark.parametrize(
    ("fields", "status"),
    [({}, 303), ({"client_id": "unknown"}, 303), ({"state": "x" * 9000}, 413), ({"a": "\0"}, 400)],
)
def test_no_cookie_is_set(client: FlaskClient, fields: dict[str, str], status: int) -> None:
    """Nothing replaces the session cookie that the browser has kept back, not even an error."""
    answer = client.post(PATH, data=fields)
    assert answer.status_code == status
    assert "Set-Cookie" not in answer.headers
    assert (answer.location is not None) == (status == 303)


def test_log(viewer: Visitor, crm: AppKey) -> None:
    """The log has neither the state nor the code."""
    with capture_log(logging.DEBUG) as logged:
        page = viewer.get(url_of(crm, state="geheim"))
        code = sent_to(decide(viewer, page, "allow"))["code"]
        viewer.get(f"{PATH}?code={code}&accessRequestToken=geheim")
        viewer.client.post(PATH, data={"state": "geheim", "code": code})
    assert logged.text.count(f'"{PATH}"') + logged.text.count(f"path={PATH}") == 3
    assert code not in logged.text
    assert "geheim" not in logged.text
