"""Apps on the pages: added, changed, given a new secret, removed."""

import re

import pytest

from callevents.api_access import apps
from callevents.api_access.apps import is_secret_of
from callevents.api_access.scopes import ApiScope
from callevents.config.settings import Settings
from callevents.db.models import AuditEntry, OAuthApp, Pbx
from callevents.db.session import begin_write
from callevents.extensions import db
from callevents.users import lifecycle, users
from tests.api_access.adding import add_app, add_user, allow
from tests.web.conftest import Visitor
from tests.web.views.test_api_access import rows

PAGE = "/api-access"
NEW = f"{PAGE}/apps/new"
FIELDS = {
    "name": "CRM",
    "owner": "viewer",
    "pbx": "*",
    "scopes": ["uapi"],
    "redirect_uris": "https://crm.example.com/oauth\r\n\r\nhttp://localhost:7/\r\n",
}
SHOWN = re.compile(r'<code id="(client-id|client-secret|token-url)">([^<]*)</code>')


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings with an address for links."""
    return settings.model_copy(update={"public_url": "https://calls.example/pbx"})


def only_app() -> OAuthApp:
    """Return the only app, as it is stored now."""
    db.session.rollback()
    return db.session.query(OAuthApp).one()


def test_secret_is_shown_once(admin: Visitor, pbx: Pbx) -> None:
    """The page has what the app needs: client ID, secret and the absolute token URL."""
    page = admin.get(NEW).text
    assert '<option selected value="admin">' in page
    assert re.findall(r'value="([^"]+)"\s+id="scopes-\d+"\s+checked', page) == ["uapi"]
    answer = admin.post(NEW, **FIELDS | {"pbx": "head-office"})
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    shown = dict(SHOWN.findall(answer.text))
    app = only_app()
    assert shown["client-id"] == app.id
    assert shown["token-url"] == "https://calls.example/pbx/oauth/token.php"
    assert re.fullmatch("[0-9a-f]{64}", shown["client-secret"])
    assert is_secret_of(app, shown["client-secret"])
    assert (app.user.username, app.pbx_id, app.scopes) == ("viewer", pbx.id, "uapi")
    assert app.redirect_uris == ["https://crm.example.com/oauth", "http://localhost:7/"]
    [row] = rows(admin.get(PAGE).text, "apps")
    assert f"CRM {app.id[:4]}…{app.id[-4:]}" in row
    assert "viewer uapi Head office never New secret for CRM Remove CRM" in row
    assert shown["client-secret"] not in admin.get(PAGE).text


@pytest.mark.parametrize(
    ("changes", "sentences"),
    [
        (
            {"name": "", "scopes": [], "redirect_uris": "http://a/"},
            [
                "Enter a name.",
                "Choose at least one scope.",
                "URI 1: Use https; http is only for apps on the user&#39;s own machine.",
            ],
        ),
        ({"redirect_uris": "\n".join(f"https://a/{n}" for n in range(21))}, ["at most 20"]),
        ({"owner": "nobody"}, ["There is no user &#39;nobody&#39;."]),
        ({"owner": ""}, ["Choose the owner."]),
        ({"pbx": ""}, ["Choose a PBX, or &#39;All PBXs&#39;."]),
        ({"owner": "of-branch", "pbx": "head-office"}, ["of-branch has no role for Head office."]),
        ({"scopes": ["config:read"], "pbx": "head-office"}, ["config:read is for all PBXs"]),
    ],
)
def test_invalid_values(
    admin: Visitor, pbx: Pbx, other_pbx: Pbx, changes: dict[str, object], sentences: list[str]
) -> None:
    """Each field has its sentence and what was entered; no app is added."""
    add_user("of-branch", "operator:branch")
    admin.get(NEW)
    answer = admin.post(NEW, **FIELDS | changes)
    assert answer.status_code == 422
    for sentence in sentences:
        assert sentence in answer.text
    assert answer.text.count('aria-invalid="true"') == len(sentences)
    entered = {**FIELDS, **changes}
    assert f"{entered['redirect_uris']}".splitlines()[0] in answer.text
    db.session.rollback()
    assert apps.list_apps() == []


def test_disabled_users_are_not_offered(admin: Visitor) -> None:
    """An app of a disabled owner would not work."""
    assert '<option value="viewer">' in admin.get(NEW).text
    begin_write()
    lifecycle.disable_user(users.get_user("viewer"))
    db.session.commit()
    assert '<option value="viewer">' not in admin.get(NEW).text


def test_change(admin: Visitor) -> None:
    """Name, scopes and redirect URIs; the history has what differs."""
    app = add_app(users.get_user("viewer"), redirect_uris=["https://a/"])
    url = f"{PAGE}/apps/{app.id}/edit"
    page = admin.get(url).text
    assert 'value="CRM"' in page
    assert "https://a/</textarea>" in page
    fields = {"name": "Sync", "scopes": ["uapi", "calls:read"], "redirect_uris": "https://b/"}
    answer = admin.post(url, **fields)
    assert (answer.status_code, answer.location) == (303, PAGE)
    changed = only_app()
    assert (changed.name, changed.scopes, changed.redirect_uris) == (
        *("Sync", "uapi calls:read", ["https://b/"]),
    )
    assert changed.user.username == "viewer"
    admin.post(url, **fields)
    [entry] = db.session.query(AuditEntry).filter_by(action="app.changed")
    assert entry.before == {"name": "CRM", "scopes": ["uapi"], "redirect_uris": ["https://a/"]}
    assert entry.after["name"] == "Sync"
    answer = admin.post(url, **fields | {"name": "", "redirect_uris": "ftp://x/"})
    assert answer.status_code == 422
    assert "Enter a name." in answer.text
    assert "URI 1: Use https" in answer.text
    assert only_app().name == "Sync"


def test_reserved_scope_stays(admin: Visitor) -> None:
    """One that the page does not offer for new apps is not lost when another value changes."""
    app = add_app(users.get_user("admin"), scopes=["audit:write"])
    url = f"{PAGE}/apps/{app.id}/edit"
    page = admin.get(url).text
    ticked = re.findall(r'value="([^"]+)"\s+id="scopes-\d+"\s+checked', page)
    assert ticked == [ApiScope.AUDIT_WRITE]


def test_new_secret(admin: Visitor) -> None:
    """After a question; the old one is invalid at once."""
    begin_write()
    app, old = apps.add_app(users.get_user("viewer"), "CRM")
    db.session.commit()
    url = f"{PAGE}/apps/{app.id}/secret"
    assert "The current secret stops working at once" in admin.get(url).text
    assert is_secret_of(only_app(), old)
    answer = admin.post(url)
    shown = dict(SHOWN.findall(answer.text))
    assert answer.status_code == 200
    assert "New secret of CRM" in answer.text
    assert not is_secret_of(only_app(), old)
    assert is_secret_of(only_app(), shown["client-secret"])


def test_remove(admin: Visitor) -> None:
    """The question says what stops, and for how many users."""
    app = add_app(users.get_user("viewer"))
    url = f"{PAGE}/apps/{app.id}/remove"
    page = admin.get(url).text
    assert "All its access tokens stop working at once" in page
    assert "allowed it" not in page
    for name, sentence in (("admin", "1 user has"), ("viewer", "2 users have")):
        allow(users.get_user(name), app)
        assert f"<strong>{sentence} allowed it.</strong>" in admin.get(url).text
    answer = admin.post(url)
    assert (answer.status_code, answer.location) == (303, PAGE)
    assert "The app CRM was removed." in admin.get(PAGE).text
    db.session.rollback()
    assert apps.list_apps() == []
    assert admin.get(url).status_code == 404
