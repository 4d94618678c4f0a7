"""Whoever has to sign in first comes back to the app's request: all ways of signing in."""

from collections.abc import Iterator
from random import Random
from string import ascii_letters, digits

import pyotp
import pytest
import time_machine
from flask import Flask

from callevents.api_access.authorization import MAX_LENGTH
from callevents.db.session import begin_write
from callevents.enums import Role
from callevents.extensions import app_state, db
from callevents.users import users
from callevents.users.second_factor import app_codes
from tests.support.oauth_app import AppKey, add_app
from tests.support.oidc_provider import Provider
from tests.web.conftest import PASSWORD, Visitor
from tests.web.provider import begin, server
from tests.web.views.test_authorize import count_grants, decide, sent_to, url_of
from tests.web.views.test_second_factor import find_secret

__all__ = ["server"]

NOW = "2026-11-23T12:00:00Z"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
STATE = "a b&c=ö/+%20"


@pytest.fixture
def crm(app: Flask, people: None) -> AppKey:
    """An app of the admin."""
    return add_app("admin")


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """A clock that stands still."""
    with time_machine.travel(NOW, tick=False) as clock:
        yield clock


def check_back(visitor: Visitor, location: str | None, wanted: str) -> None:
    """Check that this leads to the request, and that the app can be allowed there."""
    assert location == wanted
    page = visitor.get(location)
    assert "Allow CRM?" in page.text
    found = sent_to(decide(visitor, page, "allow"))
    assert found["state"] == STATE
    assert count_grants() == 1


def test_password(stranger: Visitor, crm: AppKey) -> None:
    """After the password."""
    wanted = url_of(crm, state=STATE, nonce="n")
    assert stranger.get(wanted).location == "/sign-in"
    stranger.get("/sign-in")
    assert stranger.post("/sign-in", username="viewer", password="wrong").status_code == 422
    answer = stranger.post("/sign-in", username="viewer", password=PASSWORD)
    check_back(stranger, answer.location, wanted)


def test_longest_request(stranger: Visitor, crm: AppKey) -> None:
    """The longest request that is accepted survives in the browser's cookie; longer are refused."""
    random = Random(7)
    state = "".join(random.choices(ascii_letters + digits, k=MAX_LENGTH))
    shorter = url_of(crm, state="-").partition("?")[2]
    wanted = url_of(crm, state=state[: MAX_LENGTH - len(shorter) + 1])
    assert stranger.get(wanted).location == "/sign-in"
    stranger.get("/sign-in")
    answer = stranger.post("/sign-in", username="viewer", password=PASSWORD)
    assert answer.location == wanted
    assert "Allow CRM?" in stranger.get(wanted).text
    assert sent_to(stranger.get(f"{wanted}x"))["error"] == "invalid_request"


def test_second_factor(stranger: Visitor, crm: AppKey, clock: time_machine.Traveller) -> None:
    """After the code of the second factor."""
    begin_write()
    user = users.get_user("viewer")
    app_codes.set_up(user, SECRET, pyotp.TOTP(SECRET).now())
    db.session.commit()
    clock.shift(300)
    wanted = url_of(crm, state=STATE)
    stranger.get(wanted)
    stranger.get("/sign-in")
    answer = stranger.post("/sign-in", username="viewer", password=PASSWORD)
    assert answer.location == "/sign-in/code"
    assert stranger.get(wanted).location == "/sign-in", "the password alone is not enough"
    stranger.get("/sign-in")
    stranger.post("/sign-in", username="viewer", password=PASSWORD)
    stranger.get("/sign-in/code")
    answer = stranger.post("/sign-in/code", code=pyotp.TOTP(SECRET).now())
    check_back(stranger, answer.location, wanted)


def test_second_factor_is_set_up_first(
    stranger: Visitor, crm: AppKey, clock: time_machine.Traveller
) -> None:
    """A user whose role needs one sets it up, and goes on to the request from there."""
    app_state().settings.second_factor_roles = (Role.VIEWER,)
    wanted = url_of(crm, state=STATE)
    stranger.get(wanted)
    stranger.get("/sign-in")
    answer = stranger.post("/sign-in", username="viewer", password=PASSWORD)
    assert answer.location == wanted
    assert stranger.get(wanted).location == "/account/second-factor"
    stranger.get("/account/second-factor")
    forced = stranger.post("/oauth/consent", **crm.asks(), decision="allow")
    assert forced.location == "/account/second-factor"
    assert count_grants() == 0
    secret = find_secret(stranger.get("/account/second-factor/app").text)
    code = pyotp.TOTP(secret).now()
    page = stranger.post("/account/second-factor/app", current=PASSWORD, code=code)
    link = wanted.replace("&", "&amp;")
    assert f'href="{link}"' in page.text
    check_back(stranger, wanted, wanted)
    again = stranger.get("/account/second-factor").text
    assert link not in again


def test_single_sign_on(server: Provider, stranger: Visitor, crm: AppKey) -> None:
    """After signing in at a provider."""
    wanted = url_of(crm, state=STATE)
    assert stranger.get(wanted).location == "/sign-in"
    answer = stranger.get(begin(stranger, server))
    check_back(stranger, answer.location, wanted)


def test_ended_session(stranger: Visitor, crm: AppKey) -> None:
    """Whoever has been signed out since signs in again and comes back."""
    stranger.sign_in("viewer")
    wanted = url_of(crm, state=STATE)
    stranger.get("/account")
    stranger.post("/sign-out")
    assert stranger.get(wanted).location == "/sign-in"
    stranger.get("/sign-in")
    answer = stranger.post("/sign-in", username="viewer", password=PASSWORD)
    check_back(stranger, answer.location, wanted)
