"""The page 'API access': what each user sees of tokens and apps, and apps with access."""

import re
from datetime import timedelta

import pytest
from flask import Flask

from callevents.api_access import apps
from callevents.api_access.api_tokens import principal_of
from callevents.api_access.scopes import V1_SCOPES
from callevents.audit import acting_as
from callevents.db.models import ApiToken, OAuthApp, Pbx, utc_now
from callevents.db.session import begin_write
from callevents.extensions import db
from callevents.pbxs import pbxs
from callevents.pbxs.removal import begin_removal
from callevents.users import lifecycle, users
from tests.api_access.adding import add_app, add_token, add_user, allow
from tests.support.statement_count import counting
from tests.web.conftest import Visitor

PAGE = "/api-access"
HTMX = {"HX-Request": "true"}


def rows(page: str, table: str) -> list[str]:
    """Return the texts of the rows of the table with this class."""
    found = re.search(rf'<table class="[^"]*\b{table}\b.*?</table>', page, re.DOTALL)
    texts = found[0].split("<tr")[2:] if found else []
    return [" ".join(re.sub(r"<[^>]*>|^[^>]*>", " ", text).split()) for text in texts]


def titles(page: str) -> list[str]:
    """Return the headings of the sections."""
    return re.findall(r"<h2[^>]*>([^<]*)</h2>", page)


def test_empty_page(admin: Visitor, viewer: Visitor) -> None:
    """Each section says what belongs there; only an admin has apps to manage."""
    page = viewer.get(PAGE).text
    assert titles(page) == ["API tokens", "Apps with access"]
    assert "No tokens. A script or program signs in to the API with a token" in page
    assert "No apps. An app that asks for access" in page
    page = admin.get(PAGE).text
    assert titles(page) == ["API tokens", "Apps", "Apps with access"]
    assert "No apps. Add one for a program that speaks" in page
    assert f'href="{PAGE}"' in viewer.get("/account").text


def test_tokens(admin: Visitor, viewer: Visitor, pbx: Pbx) -> None:
    """Users see their own tokens; admins also those of others, with their owners."""
    own, other = users.get_user("viewer"), add_user("olga", "operator:head-office")
    used, _ = add_token(own, "<b>Export</b>", "hooks:read", "calls:read", pbx=pbx)
    expired, _ = add_token(own, "Old", *V1_SCOPES)
    add_token(other, "Sync", expires_at=utc_now() + timedelta(days=30))
    begin_write()
    used.last_used_at, used.last_used_address = utc_now(), "192.0.2.7"
    expired.expires_at = utc_now() - timedelta(days=1)
    lifecycle.disable_user(other)
    db.session.commit()
    page = viewer.get(PAGE).text
    first, second = rows(page, "api-tokens")
    assert first.startswith(f"Old {expired.hint}… all all ")
    assert "expired" in first
    assert "never Revoke Old" in first
    assert second.startswith(f"&lt;b&gt;Export&lt;/b&gt; {used.hint}… hooks:read calls:read Head")
    assert "UTC from 192.0.2.7 Revoke" in second
    assert "olga" not in page
    page = admin.get(PAGE).text
    assert titles(page)[:2] == ["API tokens", "API tokens of other users"]
    found = rows(page, "other-tokens")
    assert len(found) == 3
    assert found[0].startswith("olga (disabled) Sync cea_")
    assert admin.client.get(PAGE, headers=HTMX).text in page


def test_apps_are_for_admins_of_all_pbxs(app: Flask, stranger: Visitor, pbx: Pbx) -> None:
    """An admin of one PBX sees neither apps nor tokens of others, and changes none."""
    ana = users.get_user("admin")
    crm, (token, _) = add_app(ana), add_token(ana)
    add_user("of-one", "admin:head-office")
    stranger.sign_in("of-one")
    page = stranger.get(PAGE).text
    assert titles(page) == ["API tokens", "Apps with access"]
    assert crm.id not in page
    for path in ("new", f"{crm.id}/edit", f"{crm.id}/secret", f"{crm.id}/remove"):
        assert stranger.get(f"{PAGE}/apps/{path}").status_code == 403
        assert stranger.post(f"{PAGE}/apps/{path}").status_code == 403
    assert stranger.post(f"{PAGE}/tokens/{token.id}/revoke").status_code == 404
    assert stranger.post(f"{PAGE}/other-tokens/{token.id}/revoke").status_code == 403
    db.session.rollback()
    assert (db.session.query(OAuthApp).count(), db.session.query(ApiToken).count()) == (1, 1)


def test_pbx_that_is_being_removed(admin: Visitor, pbx: Pbx) -> None:
    """Its tokens and apps do not work, and the list says why."""
    ana = users.get_user("admin")
    add_token(ana, pbx=pbx)
    add_app(ana, pbx=pbx)
    begin_write()
    begin_removal(pbx, "head-office")
    db.session.commit()
    page = admin.get(PAGE).text
    for table in ("api-tokens", "apps"):
        [row] = rows(page, table)
        assert "Head office (being removed)" in row


def test_allowed_apps(admin: Visitor, viewer: Visitor, pbx: Pbx) -> None:
    """Users see what they have allowed in plain words, and withdraw it after a question."""
    own = users.get_user("viewer")
    crm = add_app(users.get_user("admin"), "CRM", pbx=pbx, scopes=["hooks:read", "calls:read"])
    allow(own, crm, "hooks:read calls:read")
    allow(users.get_user("admin"), crm, "hooks:read")
    url = f"{PAGE}/allowed/{crm.id}/revoke"
    [row] = rows(viewer.get(PAGE).text, "allowed")
    assert row.startswith("CRM see calls and call events; see requests Head office 20")
    assert "Revoke the access of CRM?" in viewer.get(url).text
    answer = viewer.post(url)
    assert (answer.status_code, answer.location) == (303, PAGE)
    page = viewer.get(PAGE).text
    assert "CRM has no access any more." in page
    assert rows(page, "allowed") == []
    assert viewer.get(url).status_code == 404
    assert viewer.post(url).status_code == 404
    assert len(rows(admin.get(PAGE).text, "allowed")) == 1


@pytest.mark.parametrize("app_id", ["x", "\ufdd0", "%00", "é", "x" * 500])
def test_unknown_apps(admin: Visitor, app_id: str) -> None:
    """Any ID that is none is a 404."""
    for path in (f"allowed/{app_id}/revoke", f"apps/{app_id}/edit", f"apps/{app_id}/remove"):
        assert admin.get(f"{PAGE}/{path}").status_code == 404


def test_few_statements(admin: Visitor, pbx: Pbx) -> None:
    """More rows cost no more statements."""
    ana = users.get_user("admin")

    def count() -> int:
        db.session.rollback()
        statements: list[str] = []
        with counting(statements):
            admin.get(PAGE)
        return len(statements)

    few = 0
    for number in range(4):
        user = add_user(f"user{number}", "viewer")
        add_token(user, pbx=pbx)
        allow(ana, add_app(user, f"App {number}", pbx=pbx))
        few = few or count()
    assert count() == few
    assert len(apps.list_allowed(ana)) == 4


def test_disabling_and_removing_a_user(admin: Visitor) -> None:
    """The question and the answer say what stops."""
    viewer = users.get_user("viewer")
    assert "disabled and signed out.<" in _disable(admin)
    add_token(viewer)
    assert "signed out. 1 API token stops working.<" in _disable(admin)
    assert "<strong>1 API token stops working.</strong>" in admin.get("/users/viewer/remove").text
    add_token(viewer)
    add_app(viewer, "<CRM>")
    assert "signed out. 2 API tokens and 1 app stop working.<" in _disable(admin)
    page = admin.get("/users/viewer/remove").text
    assert "<strong>2 API tokens stop working.</strong>" in page
    assert "<strong>1 app is removed too:</strong> &lt;CRM&gt;." in page
    admin.post("/users/viewer/remove")
    db.session.rollback()
    assert db.session.query(ApiToken).count() == 0


def test_activity_names_the_token(admin: Visitor, pbx: Pbx) -> None:
    """What a program changed is listed with its token's name, and as such."""
    token, _ = add_token(users.get_user("viewer"), "<Sync>")
    with acting_as(principal_of(token).as_actor("192.0.2.7")):
        begin_write()
        pbxs.rename_pbx(pbxs.get_pbx("head-office"), "Main office")
        db.session.commit()
    page = " ".join(re.sub(r"<[^>]*>", " ", admin.get("/activity?who=<Sync>").text).split())
    assert "&lt;Sync&gt; API token, 192.0.2.7" in page
    assert "PBX renamed" in page


def _disable(admin: Visitor) -> str:
    """Disable the viewer; return the page that follows."""
    admin.post("/users/viewer/enable")
    admin.get("/users/viewer")
    admin.post("/users/viewer/disable")
    return admin.get("/users/viewer").text
