"""Single sign-on on the pages: attacks, failures, signing out, and local passwords switched off."""

import pytest
import time_machine
from flask import Flask

from callevents import create_app
from callevents.config.settings import Settings
from callevents.db.session import begin_write
from callevents.enums import Role
from callevents.extensions import app_state, db
from callevents.users import users
from callevents.users.hashing import matches
from tests.support.oidc_provider import CLIENT_ID, Provider
from tests.web.conftest import PASSWORD, Visitor
from tests.web.provider import BEGIN, begin, find_user, make_settings, server
from tests.web.test_login import copy_cookies, is_signed_in

__all__ = ["server"]


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
    server.error = "access_denied&error_description=Dial+0900"
    answer = stranger.get(begin(stranger, server))
    assert answer.status_code == 422
    assert "Acme did not sign you in. Start again." in answer.text
    assert "Dial" not in answer.text


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
