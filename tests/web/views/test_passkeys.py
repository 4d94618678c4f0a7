"""Passkeys on the pages, with an authenticator in software."""

from html import unescape

import pytest
import time_machine
from flask import Flask

from callevents.db.models import User
from callevents.extensions import app_state, db
from callevents.users import users
from callevents.users.second_factor import second_factor
from callevents.web.relying_party import find_relying_party
from tests.support.authenticator import Authenticator
from tests.web.conftest import PASSWORD, Visitor
from tests.web.test_login import copy_cookies, is_signed_in

PATH = "/account/passkeys"


def find_user(username: str) -> User:
    """Return the user as stored now."""
    db.session.rollback()
    user = users.find_user(username)
    assert user
    return user


def begin(visitor: Visitor, name: str = "Laptop", current: str = PASSWORD) -> str:
    """Enter name and password; return the options for the browser, empty if refused."""
    visitor.get(f"{PATH}/add")
    page = visitor.post(f"{PATH}/add", name=name, current=current).text
    return unescape(page.partition('data-options="')[2].partition('"')[0])


def add(visitor: Visitor, name: str = "Laptop") -> Authenticator:
    """Add a passkey; return its authenticator."""
    device = Authenticator(origin="http://localhost", party_id="localhost")
    answer = visitor.post(f"{PATH}/make", name=name, credential=device.make(begin(visitor, name)))
    assert "The passkey is added." in answer.text
    return device


def use(visitor: Visitor, device: Authenticator) -> int:
    """Sign in with the passkey; return the status."""
    options = visitor.post("/sign-in/passkey/options").text
    return visitor.post("/sign-in/passkey", credential=device.use(options)).status_code


def test_sign_in(admin: Visitor, stranger: Visitor) -> None:
    """A passkey alone signs in, and a session that was planted before is worth nothing."""
    device = add(admin)
    stranger.get("/sign-in")
    planted = copy_cookies(stranger)
    assert use(stranger, device) == 303
    assert is_signed_in(stranger)
    assert not is_signed_in(planted)


def test_password_is_needed_to_add_one(admin: Visitor) -> None:
    """Without the password there is no challenge, and the name belongs to the password."""
    assert begin(admin, current="wrong") == ""
    device = Authenticator(origin="http://localhost", party_id="localhost")
    options = begin(admin, "Laptop")
    answer = device.make(options)
    other = admin.post(f"{PATH}/make", name="Other", credential=answer)
    assert other.location == f"{PATH}/add"
    same = admin.post(f"{PATH}/make", name="Laptop", credential=answer)
    assert same.location == f"{PATH}/add", "the challenge is gone"
    assert not second_factor.has_any(find_user("admin"))


def test_wrong_answer(admin: Visitor, stranger: Visitor) -> None:
    """A wrong answer adds nothing and signs nobody in; the page says so."""
    begin(admin)
    answer = admin.post(f"{PATH}/make", name="Laptop", credential="{}")
    assert answer.status_code == 422
    assert "The browser&#39;s answer was not accepted." in answer.text
    stranger.get("/sign-in")
    stranger.post("/sign-in/passkey/options")
    answer = stranger.post("/sign-in/passkey", credential="{}")
    assert answer.status_code == 422
    assert "The passkey was not accepted." in answer.text


def test_challenge_expires(stranger: Visitor, app: Flask) -> None:
    """Five minutes after the options an answer is too late."""
    with time_machine.travel("2026-11-23T12:00:00Z", tick=False) as clock:
        stranger.sign_in("admin")
        device = add(stranger)
        visitor = Visitor(app.test_client())
        visitor.get("/sign-in")
        options = visitor.post("/sign-in/passkey/options").text
        clock.shift(300)
        answer = visitor.post("/sign-in/passkey", credential=device.use(options))
        assert answer.location == "/sign-in"
        assert not is_signed_in(visitor)


def test_passkey_of_another_user_after_a_password(
    admin: Visitor, viewer: Visitor, stranger: Visitor
) -> None:
    """After the password of one user, the passkey of another one is refused."""
    add(admin)
    viewers_device = add(viewer)
    stranger.get("/sign-in")
    stranger.post("/sign-in", username="admin", password=PASSWORD)
    stranger.get("/sign-in/code")
    assert use(stranger, viewers_device) == 422
    assert not is_signed_in(stranger)


def test_foreign_passkey_cannot_be_removed(admin: Visitor, viewer: Visitor) -> None:
    """Each user manages the own passkeys only."""
    add(admin)
    [passkey] = second_factor.find(find_user("admin")).passkeys
    path = f"{PATH}/{passkey.id}/remove"
    assert viewer.client.get(path).status_code == 404
    assert viewer.post(path, current=PASSWORD).status_code == 404
    assert admin.get(path).status_code == 200
    assert admin.post(path, current="wrong").status_code == 422
    assert admin.post(path, current=PASSWORD).location == "/account"
    assert not second_factor.has_any(find_user("admin"))


@pytest.mark.parametrize(
    ("public_url", "host", "found"),
    [
        ("https://calls.example", "attacker.example", ("calls.example", "https://calls.example")),
        ("https://calls.example:443/x", "localhost", ("calls.example", "https://calls.example")),
        (
            "https://calls.example:8443",
            "localhost",
            ("calls.example", "https://calls.example:8443"),
        ),
        ("http://calls.example", "localhost", None),
        ("https://192.0.2.1", "localhost", None),
        ("", "localhost:8000", ("localhost", "http://localhost:8000")),
        ("", "127.0.0.1:8000", None),
        ("", "attacker.example", None),
    ],
)
def test_relying_party(
    app: Flask, public_url: str, host: str, found: tuple[str, str] | None
) -> None:
    """It is the public address, else the request's host if that is known to be ours."""
    app_state().settings.public_url = public_url
    with app.test_request_context(base_url=f"http://{host}"):
        party = find_relying_party()
    assert (party and (party.id, party.origin)) == found


def test_no_options_for_a_host_that_is_not_ours(stranger: Visitor) -> None:
    """A name that somebody pointed at this server has no passkeys."""
    headers = {"Host": "attacker.example"}
    page = stranger.client.get("/sign-in", headers=headers)
    assert "Use a passkey" not in page.text
    stranger.get("/sign-in")
    token = stranger.token
    answer = stranger.client.post(
        "/sign-in/passkey/options", data={"csrf_token": token}, headers=headers
    )
    assert answer.status_code in {400, 404}
