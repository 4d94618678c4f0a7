"""Single sign-on on the pages, with a provider on loopback."""

import re
from collections.abc import Iterator

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from callevents import create_app
from callevents.config.oidc import OidcProvider
from callevents.config.settings import Settings
from callevents.db.models import AuditEntry, Pbx, User, UserIdentity, utc_now
from callevents.db.session import begin_write
from callevents.enums import Role
from callevents.extensions import app_state, db
from callevents.users import lifecycle, users
from callevents.users.grants import describe_grants
from callevents.users.hashing import matches
from callevents.users.oidc.identities import KEPT
from tests.conftest import Configure
from tests.support.oidc_provider import CLIENT_ID, CLIENT_SECRET, Provider
from tests.web.conftest import PASSWORD, Visitor
from tests.web.test_login import copy_cookies, is_signed_in

BEGIN, BACK = "/sign-in/with/acme", "/sign-in/with/acme/return"
GRANTS = {
    "groups": {
        "pbx-admins": ["admin"],
        "staff": ["viewer"],
        "office": ["operator:head-office", "self-service:head-office:101"],
        "gone": ["viewer:gone", "self-service:head-office:999"],
    }
}


@pytest.fixture
def server(app: Flask) -> Iterator[Provider]:
    """A provider whose user olga is an admin, and which our settings name."""
    server = Provider([f"http://localhost{BACK}"])
    server.user["groups"] = ["pbx-admins"]
    app_state().settings.oidc_providers = (make_settings(server),)
    yield server
    server.close()


def make_settings(server: Provider, slug: str = "acme") -> OidcProvider:
    """Return the settings of a provider."""
    values = {
        "slug": slug,
        "label": slug.capitalize(),
        "issuer": server.issuer,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "grants": GRANTS,
    }
    return OidcProvider.model_validate(values)


def begin(visitor: Visitor, server: Provider) -> str:
    """Follow our link and sign in at the provider; return the path back to us."""
    answer = visitor.get(BEGIN)
    assert answer.status_code == 303
    return server.visit(answer.location).removeprefix("http://localhost")


def find_user(username: str) -> User | None:
    """Return the user as stored now."""
    db.session.rollback()
    return users.find_user(username)


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
        assert "olga signs in by single sign-on and has no password here." in answer.text
    assert is_signed_in(stranger)


def test_nobody_is_added_without_a_grant(server: Provider, stranger: Visitor) -> None:
    """A stranger at the provider leaves no trace here."""
    server.user["groups"] = []
    assert stranger.get(begin(stranger, server)).status_code == 422
    assert find_user("olga") is None


def test_state_works_once(server: Provider, stranger: Visitor) -> None:
    """The same return is refused a second time."""
    back = begin(stranger, server)
    assert stranger.get(back).status_code == 303
    answer = stranger.get(back)
    assert answer.status_code == 422
    assert "begun in another browser, or too long ago" in answer.text


def test_finished_flow_of_a_careless_provider(
    server: Provider, stranger: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a provider accepts a code twice, the flow still signs in once, whatever the cookie."""

    class Kept(dict[str, object]):
        def __delitem__(self, key: str) -> None:
            """Keep the code."""

    server.codes = Kept()  # type: ignore[assignment]  # as careless as needed
    back = begin(stranger, server)
    before = copy_cookies(stranger)
    assert stranger.get(back).status_code == 303
    answer = before.get(back)
    assert answer.status_code == 422
    assert "Acme did not sign you in." in answer.text
    assert not is_signed_in(before)


def test_return_in_another_browser(server: Provider, stranger: Visitor, app: Flask) -> None:
    """A link with an attacker's code does not sign the victim in as the attacker."""
    back = begin(stranger, server)
    victim = Visitor(app.test_client())
    assert victim.get(back).status_code == 422
    begin(victim, server)
    assert victim.get(back).status_code == 422
    assert not is_signed_in(victim)


def test_flow_expires(server: Provider, stranger: Visitor) -> None:
    """Ten minutes after the beginning a return is too late."""
    with time_machine.travel("2026-11-23T12:00:00Z", tick=False) as clock:
        back = begin(stranger, server)
        clock.shift(600)
        assert stranger.get(back).status_code == 422
        assert not is_signed_in(stranger)


def test_session_fixation(server: Provider, stranger: Visitor) -> None:
    """A cookie that somebody planted before the sign-in is worth nothing after it."""
    stranger.get("/sign-in")
    back = begin(stranger, server)
    planted = copy_cookies(stranger)
    stranger.get(back)
    assert is_signed_in(stranger)
    assert not is_signed_in(planted)


@pytest.mark.parametrize("name", ["next", "redirect_uri", "wanted", "state"])
def test_open_redirect(server: Provider, stranger: Visitor, name: str) -> None:
    """No parameter of our pages sends the browser anywhere else."""
    evil = "https://evil.example/"
    begun = stranger.get(f"{BEGIN}?{name}={evil}")
    assert begun.location.startswith(f"{server.issuer}/authorize?")
    assert "evil" not in begun.location
    back = server.visit(begun.location).removeprefix("http://localhost")
    extra = "" if name == "state" else f"&{name}={evil}"
    answer = stranger.get(back + extra)
    assert (answer.status_code, answer.location) == (303, "/")


def test_host_that_is_not_ours(server: Provider, stranger: Visitor) -> None:
    """A name that somebody pointed at this server is not sent to the provider."""
    answer = stranger.get(BEGIN, headers={"Host": "evil.example"})
    assert answer.status_code == 422
    assert "CALLEVENTS_PUBLIC_URL" in answer.text


def test_error_of_the_provider(server: Provider, stranger: Visitor) -> None:
    """A user who declines at the provider gets a sentence, without the provider's text."""
    server.error = "access_denied&error_description=Call+0900"
    answer = stranger.get(begin(stranger, server))
    assert answer.status_code == 422
    assert "Acme did not sign you in. Start again." in answer.text
    assert "0900" not in answer.text


def test_provider_that_is_down(server: Provider, stranger: Visitor) -> None:
    """There is a sentence, and the password still signs in."""
    server.close()
    answer = stranger.get(BEGIN)
    assert answer.status_code == 422
    assert "Acme cannot be reached at the moment." in answer.text
    stranger.sign_in("admin")
    assert is_signed_in(stranger)


def test_start_without_the_provider(settings: Settings, server: Provider) -> None:
    """The application starts while the provider is down."""
    server.close()
    other = create_app(settings.model_copy(update={"oidc_providers": (make_settings(server),)}))
    assert other.test_client().get("/sign-in").status_code == 200
    with other.app_context():
        db.session.remove()
        db.engine.dispose()


def test_unknown_provider(server: Provider, stranger: Visitor) -> None:
    """A provider that is not configured is not found."""
    assert stranger.get("/sign-in/with/other").status_code == 404
    assert stranger.get("/sign-in/with/other/return").status_code == 404


def test_sign_out(server: Provider, stranger: Visitor) -> None:
    """Our session ends first, then the browser is led to the provider's sign-out."""
    stranger.get(begin(stranger, server))
    stranger.get("/account")
    page = stranger.post("/sign-out")
    assert page.status_code == 200
    refresh = page.headers["Refresh"]
    assert refresh.startswith(f"0; url={server.issuer}/end?client_id={CLIENT_ID}&")
    assert "&id_token_hint=ey" in refresh
    assert "Sign out at Acme" in page.text
    assert not is_signed_in(stranger)


def test_sign_out_without_the_provider(server: Provider, stranger: Visitor) -> None:
    """If the provider has no sign-out, the page says that the user may be signed in there."""
    server.metadata = {"end_session_endpoint": ""}
    stranger.get(begin(stranger, server))
    stranger.get("/account")
    answer = stranger.post("/sign-out")
    assert "You may still be signed in at Acme." in answer.text
    assert "Refresh" not in answer.headers
    assert not is_signed_in(stranger)


def test_second_factor_is_the_providers_affair(server: Provider, stranger: Visitor) -> None:
    """A role that requires a second factor does not ask users of single sign-on for ours."""
    app_state().settings.second_factor_roles = (Role.ADMIN,)
    stranger.get(begin(stranger, server))
    assert is_signed_in(stranger)


def test_users_of_single_sign_on_have_no_password(server: Provider, stranger: Visitor) -> None:
    """No password signs them in, not even the one that unknown users are compared with."""
    stranger.get(begin(stranger, server))
    olga = find_user("olga")
    assert olga
    for password in ("", "nobody has this password"):
        assert not matches(olga.password_hash, password)
        assert not matches(None, password)


@pytest.fixture
def only_single_sign_on(server: Provider, people: None) -> None:
    """Local passwords are off; admin is the break-glass user."""
    begin_write()
    users.add_user("second", PASSWORD, Role.ADMIN)
    db.session.commit()
    settings = app_state().settings
    settings.local_passwords, settings.break_glass_user = False, "admin"


def test_local_passwords_are_off(only_single_sign_on: None, stranger: Visitor) -> None:
    """Only the break-glass admin can use a password; others seem to have a wrong one."""
    page = stranger.get("/sign-in").text
    assert "Emergency sign-in" in page
    for username in ("viewer", "second", "nobody"):
        answer = stranger.post("/sign-in", username=username, password=PASSWORD)
        assert answer.status_code == 422
        assert "Wrong username or password." in answer.text
    stranger.sign_in("admin")
    assert is_signed_in(stranger)


def test_break_glass_user_must_be_an_admin(only_single_sign_on: None, stranger: Visitor) -> None:
    """A viewer with that name is no exception."""
    app_state().settings.break_glass_user = "viewer"
    stranger.get("/sign-in")
    assert stranger.post("/sign-in", username="viewer", password=PASSWORD).status_code == 422


def test_sessions_of_passwords_end(viewer: Visitor, admin: Visitor, server: Provider) -> None:
    """When local passwords are switched off, sessions that one started end."""
    assert is_signed_in(viewer)
    settings = app_state().settings
    settings.local_passwords, settings.break_glass_user = False, "admin"
    assert not is_signed_in(viewer)
    assert is_signed_in(admin)


def test_name_of_the_break_glass_user_is_not_given(
    only_single_sign_on: None, server: Provider, stranger: Visitor
) -> None:
    """Somebody with that name at the provider gets another one here."""
    app_state().settings.break_glass_user = "rescue"
    server.user["preferred_username"] = "rescue"
    stranger.get(begin(stranger, server))
    assert find_user("rescue") is None
    assert find_user("rescue-2")


def test_no_local_sign_in_without_a_break_glass_user(
    only_single_sign_on: None, stranger: Visitor
) -> None:
    """The page shows the providers only."""
    app_state().settings.break_glass_user = ""
    page = stranger.get("/sign-in").text
    assert "Sign in with Acme" in page
    assert 'name="password"' not in page


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
    """Whom an admin has disabled, no provider signs in."""
    stranger.get(begin(stranger, server))
    begin_write()
    found = users.find_user("olga")
    assert found
    found.disabled_at = utc_now()
    db.session.commit()
    assert not is_signed_in(stranger)
    assert "gives you no access" in stranger.get(begin(stranger, server)).text
    assert not is_signed_in(stranger)
