"""The device cookie: given to a browser at its first sign-in, and valid for that user only."""

from datetime import timedelta

import pytest
import time_machine
from flask import Flask, Response

from callevents.db.models import User
from callevents.db.session import begin_write
from callevents.enums import Role
from callevents.extensions import db
from callevents.users import users
from callevents.users.hashing import hash_password
from callevents.web.device_cookie import COOKIE, find_device_id, set_device_cookie
from tests.web.conftest import PASSWORD

NOW = "2026-11-23T12:00:00Z"


@pytest.fixture(autouse=True)
def _people(app: Flask) -> None:
    """Users named ana and bob."""
    begin_write()
    for username in ("ana", "bob"):
        users.add_user(username, PASSWORD, Role.ADMIN)
    db.session.commit()


def find(username: str) -> User:
    """Return the user."""
    user = users.find_user(username)
    assert user is not None
    return user


def issue(app: Flask, username: str, device_id: str | None = None) -> str:
    """Return the value of a device cookie."""
    with app.test_request_context():
        response = Response()
        set_device_cookie(response, find(username), device_id)
        return response.headers["Set-Cookie"].partition("=")[2].partition(";")[0]


def read(app: Flask, username: str, value: str, name: str = COOKIE) -> str | None:
    """Return the ID that a request with this cookie has for the user."""
    with app.test_request_context(headers={"Cookie": f"{name}={value}"}):
        return find_device_id(username)


def test_it_names_one_user_and_one_device(app: Flask) -> None:
    """It is valid for the user who signed in, in any spelling, and different each time."""
    value = issue(app, "ana")
    device_id = read(app, "ana", value)
    assert device_id is not None
    assert len(device_id) == 22
    assert read(app, " Ana ", value) == device_id
    assert read(app, "bob", value) is None
    assert read(app, "", value) is None
    assert read(app, "ana", issue(app, "ana")) != device_id
    assert read(app, "ana", issue(app, "ana", device_id)) == device_id
    # The ID and the signature are random, and may have these letters.
    assert len(value.split(".")) == 3
    assert value.split(".")[0] == device_id


def test_it_ends_with_the_password(app: Flask) -> None:
    """Whoever has a copy of the cookie is a stranger after the password has changed."""
    value = issue(app, "ana")
    assert read(app, "ana", value) is not None
    begin_write()
    users.change_password(find("ana"), hash_password("battery staple"))
    db.session.commit()
    assert read(app, "ana", value) is None


@pytest.mark.parametrize("value", ["", "x", "a.b.c", "..", "é", "x" * 5000])
def test_other_values_are_no_device(app: Flask, value: str) -> None:
    """A value that we did not sign is ignored."""
    assert read(app, "ana", value) is None


def test_changed_value_is_no_device(app: Flask) -> None:
    """Another ID with the same signature is ignored."""
    value = issue(app, "ana")
    assert read(app, "ana", "x" + value[1:] if value[0] != "x" else "y" + value[1:]) is None


def test_it_is_valid_for_a_year(app: Flask) -> None:
    """The signature has an end too, not only the cookie."""
    with time_machine.travel(NOW, tick=False) as clock:
        value = issue(app, "ana")
        clock.shift(timedelta(days=365))
        assert read(app, "ana", value) is not None
        clock.shift(timedelta(seconds=1))
        assert read(app, "ana", value) is None


def test_attributes(app: Flask) -> None:
    """Scripts and other sites cannot use it; over TLS it has the prefix and what that requires."""
    for base_url, start, is_secure in (
        ("http://localhost", f"{COOKIE}=", False),
        ("https://localhost", f"__Host-{COOKIE}=", True),
    ):
        with app.test_request_context(base_url=base_url):
            response = Response()
            set_device_cookie(response, find("ana"), None)
        cookie = response.headers["Set-Cookie"]
        assert cookie.startswith(start)
        parts = set(cookie.split("; ")[1:])
        assert {"HttpOnly", "Path=/", "SameSite=Lax", "Max-Age=31536000"} <= parts
        assert ("Secure" in parts) == is_secure
        assert "Domain" not in cookie
