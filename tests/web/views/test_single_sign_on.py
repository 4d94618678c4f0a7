"""Single sign-on on the pages, with a provider on loopback: users and their roles."""

import re

import pytest
from sqlalchemy import select

from callevents.db.models import AuditEntry, Pbx, UserIdentity, utc_now
from callevents.db.session import begin_write
from callevents.extensions import app_state, db
from callevents.users import lifecycle, users
from callevents.users.grants import describe_grants
from callevents.users.oidc.identities import KEPT
from tests.conftest import Configure
from tests.support.oidc_provider import Provider
from tests.web.conftest import Visitor
from tests.web.provider import begin, find_user, make_settings, server
from tests.web.test_login import copy_cookies, is_signed_in

__all__ = ["server"]


def test_first_sign_in_adds_the_user(server: Provider, stranger: Visitor) -> None:
    """The user gets the name and the role of the claims, and the page that was asked for opens."""
    stranger.get("/overview")
    assert "Sign in with Acme" in stranger.get("/sign-in").text
    answer = stranger.get(begin(stranger, server))
    assert (answer.status_code, answer.location) == (303, "/overview")
    assert is_signed_in(stranger)
    olga = find_user("olga")
    assert olga
    assert describe_grants(olga) == ["admin"]
    identity = db.session.scalars(select(UserIdentity)).one()
    assert (identity.user_id, identity.issuer, identity.subject) == (olga.id, server.issuer, "42")
    page = stranger.get("/account").text
    assert "by single sign-on" in page
    assert "Change password" not in page


def test_user_is_known_by_the_subject(server: Provider, stranger: Visitor) -> None:
    """After a new name at the provider it is the same user, and the grants are those of now."""
    stranger.get(begin(stranger, server))
    server.user |= {"preferred_username": "olga.petrova", "groups": ["staff"]}
    stranger.get(begin(stranger, server))
    olga = find_user("olga")
    assert olga
    assert describe_grants(olga) == ["viewer"]
    assert find_user("olga.petrova") is None


def test_namesake_is_not_taken_over(server: Provider, stranger: Visitor) -> None:
    """Somebody who is named admin at the provider does not become our admin."""
    server.user |= {
        "preferred_username": "Admin",
        "email": "admin@acme.example",
        "groups": ["staff"],
    }
    stranger.get(begin(stranger, server))
    assert is_signed_in(stranger)
    admin, namesake = find_user("admin"), find_user("admin-2")
    assert admin
    assert namesake
    assert [describe_grants(admin), describe_grants(namesake)] == [["admin"], ["viewer"]]
    server.user["sub"] = "43"
    stranger.get(begin(stranger, server))
    assert find_user("admin-3")


def test_user_of_another_provider_is_another_user(server: Provider, stranger: Visitor) -> None:
    """The same subject of two providers is not the same person."""
    stranger.get(begin(stranger, server))
    other = Provider(["http://localhost/sign-in/with/other/return"], {**server.user})
    try:
        app_state().settings.oidc_providers += (make_settings(other, "other"),)
        url = stranger.get("/sign-in/with/other").location
        stranger.get(other.visit(url).removeprefix("http://localhost"))
    finally:
        other.close()
    assert is_signed_in(stranger)
    assert find_user("olga-2")


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("sales/eve", "sales-eve"),
        ("viewer/remove", "viewer-remove"),
        ("acme\\eve", "acme-eve"),
        ("a\0b", "a-b"),
        ("..", "olga@acme.example"),
        (".", "olga@acme.example"),
    ],
)
def test_any_name_has_a_page(
    server: Provider, stranger: Visitor, admin: Visitor, name: str, stored: str
) -> None:
    """Names that no URL can have are replaced, so each user has a page and can be disabled."""
    server.user |= {"preferred_username": name, "email": "olga@acme.example"}
    stranger.get(begin(stranger, server))
    assert is_signed_in(stranger)
    links = re.findall(r'href="(/users/[^"]*)"', admin.get("/users").text)
    [page] = [one for one in links if one not in {"/users/admin", "/users/viewer"}]
    assert f"<h1>{stored}</h1>" in admin.get(page).text
    assert admin.post(f"{page}/disable").status_code == 303
    assert not is_signed_in(stranger)


@pytest.mark.parametrize("name", ["", "\u202eevil", "x" * 300, "Olga Petrova", 42])
def test_odd_names(server: Provider, stranger: Visitor, name: object) -> None:
    """Names that cannot be stored are replaced or cut."""
    server.user["preferred_username"] = name
    assert stranger.get(begin(stranger, server)).status_code == 303
    assert is_signed_in(stranger)


def test_no_grant(server: Provider, stranger: Visitor) -> None:
    """Who is in no group that is meant cannot sign in, and former sessions end."""
    stranger.get(begin(stranger, server))
    thief = copy_cookies(stranger)
    assert is_signed_in(thief)
    server.user["groups"] = ["others"]
    answer = stranger.get(begin(stranger, server))
    assert answer.status_code == 422
    assert "Acme signed you in, but gives you no access to Call Events." in answer.text
    assert not is_signed_in(stranger)
    assert not is_signed_in(thief)
    olga = find_user("olga")
    assert olga
    assert describe_grants(olga) == []
    [change] = [one for one in read_changes() if one.object_name == "olga"]
    assert (change.before, change.after) == ({"roles": ["admin"]}, {})


def read_changes() -> list[AuditEntry]:
    """Return the entries of the history about changed users."""
    db.session.rollback()
    found = select(AuditEntry).where(AuditEntry.action == "user.changed").order_by(AuditEntry.id)
    return list(db.session.scalars(found))


@pytest.mark.parametrize("groups", [["staff"], ["others"]])
def test_last_admin_keeps_the_role(
    server: Provider, stranger: Visitor, caplog: pytest.LogCaptureFixture, groups: list[str]
) -> None:
    """The provider cannot take the last admin away; log and history say so. Another one it can."""
    stranger.get(begin(stranger, server))
    begin_write()
    admin = users.get_user("admin")
    lifecycle.disable_user(admin)
    db.session.commit()
    server.user["groups"] = groups
    stranger.get(begin(stranger, server))
    gives_access = groups == ["staff"]
    assert is_signed_in(stranger) is gives_access
    olga = find_user("olga")
    assert olga
    assert describe_grants(olga) == (["admin", "viewer"] if gives_access else ["admin"])
    assert "the last admin keeps the role" in caplog.text
    [change] = read_changes()
    assert change.after["kept_role"] == KEPT

    begin_write()
    lifecycle.enable_user(users.get_user("admin"))
    db.session.commit()
    stranger.get(begin(stranger, server))
    olga = find_user("olga")
    assert olga
    assert describe_grants(olga) == (["viewer"] if gives_access else [])


def test_password_of_a_user_of_single_sign_on_is_not_reset(
    server: Provider, stranger: Visitor, admin: Visitor
) -> None:
    """Otherwise it would sign the user in when the provider no longer does."""
    stranger.get(begin(stranger, server))
    page = admin.get("/users/olga").text
    assert "none: the user signs in by single sign-on" in page
    assert "Reset password" not in page
    for answer in (
        admin.get("/users/olga/reset-password"),
        admin.post("/users/olga/reset-password"),
    ):
        assert answer.status_code == 409
        assert "This user signs in by single sign-on and has no password here." in answer.text
    assert is_signed_in(stranger)


def test_nobody_is_added_without_a_grant(server: Provider, stranger: Visitor) -> None:
    """A stranger at the provider leaves no trace here."""
    server.user["groups"] = []
    assert stranger.get(begin(stranger, server)).status_code == 422
    assert find_user("olga") is None


def test_grants_of_one_pbx(
    server: Provider, stranger: Visitor, pbx: Pbx, configure: Configure
) -> None:
    """A grant may be for one PBX or extension; what is not there grants nothing."""
    configure.extension("101")
    server.user["groups"] = ["office", "gone"]
    stranger.get(begin(stranger, server))
    olga = find_user("olga")
    assert olga
    assert describe_grants(olga) == ["operator:head-office", "self-service:head-office:101"]
    server.user["groups"] = ["gone"]
    answer = stranger.get(begin(stranger, server))
    assert answer.status_code == 422
    assert "gives you no access" in answer.text
    assert not is_signed_in(stranger)


def test_disabled_user(server: Provider, stranger: Visitor) -> None:
    """A provider cannot sign in a user whom an admin has disabled."""
    stranger.get(begin(stranger, server))
    begin_write()
    found = users.find_user("olga")
    assert found
    found.disabled_at = utc_now()
    db.session.commit()
    assert not is_signed_in(stranger)
    assert "gives you no access" in stranger.get(begin(stranger, server)).text
    assert not is_signed_in(stranger)
