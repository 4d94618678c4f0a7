"""Sessions in the browser: the cookie, its end, and the addresses that sign-ins come from."""

import pytest
import time_machine
from flask import Flask

from callevents import create_app
from callevents.config.settings import Settings
from callevents.users.sessions import LIFETIME
from callevents.web.login import find_client
from tests.conftest import let_go
from tests.web.conftest import PASSWORD, Visitor

NOW = "2026-11-23T12:00:00Z"


def copy_cookies(visitor: Visitor) -> Visitor:
    """Return a client with copies of all of the visitor's cookies."""
    copied = Visitor(visitor.client.application.test_client(), visitor.token)
    for cookie in visitor.client._cookies.values():
        copied.client._cookies[cookie._storage_key] = cookie
    return copied


def cookies(visitor: Visitor) -> str:
    """Return the header with all of the visitor's cookies."""
    return "; ".join(f"{c.key}={c.value}" for c in visitor.client._cookies.values())


def device_id(visitor: Visitor) -> str:
    """Return the ID in the visitor's device cookie."""
    return cookies(visitor).partition("callevents_device=")[2].partition(".")[0]


def is_signed_in(visitor: Visitor) -> bool:
    """Return True if the visitor can see a page."""
    return visitor.client.get("/pbxs").status_code == 200


def test_sign_out_makes_copied_cookies_useless(admin: Visitor) -> None:
    """After signing out, a copy of the cookie that was valid before signs nobody in."""
    thief = copy_cookies(admin)
    assert is_signed_in(thief)
    assert admin.post("/sign-out").status_code == 303
    assert not is_signed_in(thief)
    assert not is_signed_in(admin)


def test_signing_in_again_ends_the_session_before(admin: Visitor) -> None:
    """A browser has one session."""
    before = copy_cookies(admin)
    assert admin.post("/sign-in", username="admin", password=PASSWORD).status_code == 303
    assert is_signed_in(admin)
    assert not is_signed_in(before)


def test_signing_in_again_keeps_the_device(admin: Visitor) -> None:
    """A browser keeps its device ID at each sign-in and when its password changes, so its count."""
    first = device_id(admin)
    admin.post("/sign-in", username="admin", password=PASSWORD)
    assert device_id(admin) == first
    admin.get("/account")
    admin.post("/account/password", current=PASSWORD, new="battery staple")
    assert device_id(admin) == first
    with admin.client.application.test_request_context(headers={"Cookie": cookies(admin)}):
        assert find_client("admin").device_id == first


def test_changed_password_ends_other_sessions(admin: Visitor, stranger: Visitor) -> None:
    """Other browsers and copies of the cookie are signed out; this browser is not."""
    stranger.sign_in("admin")
    thief = copy_cookies(admin)
    changed = admin.post("/account/password", current=PASSWORD, new="battery staple")
    assert changed.status_code == 303
    assert is_signed_in(admin)
    assert not is_signed_in(stranger)
    assert not is_signed_in(thief)


def test_session_without_a_row(admin: Visitor) -> None:
    """A cookie of an earlier version, without a token, asks to sign in."""
    with admin.client.session_transaction() as session:
        del session["token"]
        session["_user_id"] = "1.1"
    answer = admin.client.get("/pbxs")
    assert (answer.status_code, answer.location) == (303, "/sign-in")


def test_token_of_another_user(admin: Visitor, viewer: Visitor) -> None:
    """User and session of a cookie must belong together."""
    with viewer.client.session_transaction() as session:
        viewers_token = session["token"]
    with admin.client.session_transaction() as session:
        session["token"] = viewers_token
    assert not is_signed_in(admin)


def test_idle_end(stranger: Visitor, settings: Settings) -> None:
    """A session ends after the set time without a request."""
    assert settings.session_idle_seconds == 12 * 3600
    with time_machine.travel(NOW, tick=False) as clock:
        stranger.sign_in("admin")
        for _ in range(3):
            clock.shift(settings.session_idle_seconds - 1)
            assert is_signed_in(stranger)
        clock.shift(settings.session_idle_seconds)
        assert not is_signed_in(stranger)


def test_absolute_end(stranger: Visitor) -> None:
    """A session ends after thirty days, however much it is used."""
    with time_machine.travel(NOW, tick=False) as clock:
        stranger.sign_in("admin")
        for _ in range(LIFETIME.days * 4 - 1):
            clock.shift(6 * 3600)
            assert is_signed_in(stranger)
        clock.shift(6 * 3600)
        assert not is_signed_in(stranger)


def test_cookie_over_tls(app: Flask, people: None) -> None:
    """Over TLS the session cookie has the prefix __Host- and what browsers require for it."""
    visitor = Visitor(app.test_client())
    secure = {"base_url": "https://localhost"}
    cookie = visitor.get("/sign-in", **secure).headers["Set-Cookie"]
    assert cookie.startswith("__Host-callevents=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(cookie.split("; "))
    assert "Domain" not in cookie
    fields = {"csrf_token": visitor.token, "username": "admin", "password": PASSWORD}
    headers = {"Referer": "https://localhost/sign-in"}
    answer = visitor.client.post("/sign-in", data=fields, headers=headers, **secure)  # type: ignore[arg-type]  # passed through
    assert answer.status_code == 303
    names = {cookie.partition("=")[0] for cookie in answer.headers.getlist("Set-Cookie")}
    assert names == {"__Host-callevents", "__Host-callevents_device"}
    assert visitor.get("/pbxs", **secure).status_code == 200


def test_cookie_of_plain_http_is_not_valid_over_tls(admin: Visitor) -> None:
    """An attacker who can set cookies by plain HTTP cannot set the one that counts over TLS."""
    [value] = [c.value for c in admin.client._cookies.values() if c.key == "callevents"]
    headers = {"Cookie": f"callevents={value}"}
    bare = admin.client.application.test_client(use_cookies=False)
    assert bare.get("/pbxs", headers=headers).status_code == 200
    assert bare.get("/pbxs", headers=headers, base_url="https://localhost").status_code == 303


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "", "192.0.2.1"),
        (0, "198.51.100.7", "192.0.2.1"),
        (1, "198.51.100.7", "198.51.100.7"),
        (1, "203.0.113.1, 198.51.100.7", "198.51.100.7"),
        (1, '", 198.51.100.7', "198.51.100.7"),
        (2, "198.51.100.7, 10.0.0.2", "198.51.100.7"),
        # Some proxies add the port, which the client can change each time.
        (1, "198.51.100.7:5060", "198.51.100.7"),
        (1, "2001:db8::1", "2001:db8::1"),
        (1, "[2001:db8::1]", "2001:db8::1"),
        (1, "[2001:DB8::1]:5060", "2001:db8::1"),
        (1, "unknown", None),
        (1, "198.51.100.7:5060:1", None),
        (1, "[198.51.100.7", "198.51.100.7"),
        # The remote address is that of a proxy, which others use as well.
        (1, "", None),
        (1, " ", None),
        (2, "10.0.0.2", None),
    ],
)
def test_address_behind_proxies(
    settings: Settings, proxies: int, forwarded: str, address: str | None
) -> None:
    """The address is the client's, and that of a trusted proxy is none."""
    app = create_app(settings.model_copy(update={"trusted_proxies": proxies}))
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    environ = {"REMOTE_ADDR": "192.0.2.1"}
    with app.test_request_context(headers=headers, environ_base=environ):
        client = find_client("ana")
    let_go(app)
    assert client.address == address
    assert not client.is_known
