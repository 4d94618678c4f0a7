"""The public page of a password link: opening it changes nothing, and the token does not leak."""

import json
import re

import pytest
from flask import Flask
from sqlalchemy import update

from callevents.db.models import PasswordLink, utc_now
from callevents.db.session import begin_write
from callevents.enums import Role
from callevents.extensions import db
from callevents.users import invitations, users
from callevents.users.grants import NewGrant
from tests.support.log_capture import Logged
from tests.web.conftest import PASSWORD, Visitor

NOT_VALID = "This link is not valid. It has been used, replaced by a newer one, or is older than"


@pytest.fixture
def visitor(app: Flask) -> Visitor:
    """Somebody with a link, who has never signed in."""
    return Visitor(app.test_client())


@pytest.fixture
def link(app: Flask) -> str:
    """The path of the link of an invitation for bob."""
    begin_write()
    _, token = invitations.invite_user("bob", "", [NewGrant(Role.VIEWER)])
    db.session.commit()
    return f"/welcome/{token}"


def test_link_works_once(visitor: Visitor, link: str) -> None:
    """It may be opened often; the password is set once, and the sign-in page says so."""
    for _ in range(3):
        page = visitor.get(link)
        assert (page.status_code, 'value="bob"' in page.text) == (200, True)
    assert visitor.client.head(link).status_code == 200
    answer = visitor.post(link, password=PASSWORD)
    assert (answer.status_code, answer.location) == (303, "/sign-in")
    assert "The password of bob is set. Sign in with it." in visitor.get("/sign-in").text
    visitor.sign_in("bob")
    for again in (visitor.get(link), visitor.post(link, password=PASSWORD)):
        assert (again.status_code, NOT_VALID in again.text) == (404, True)


@pytest.mark.parametrize("is_expired", [True, False])
def test_link_that_is_not_valid(visitor: Visitor, link: str, is_expired: bool) -> None:
    """An expired and an unknown link get the same clear sentence, and set nothing."""
    visitor.get(link)
    path = link if is_expired else "/welcome/unknown"
    begin_write()
    db.session.execute(update(PasswordLink).values(expires_at=utc_now()))
    db.session.commit()
    for answer in (visitor.get(path), visitor.post(path, password=PASSWORD)):
        assert (answer.status_code, NOT_VALID in answer.text) == (404, True)
    db.session.rollback()
    assert users.get_user("bob").password_hash == ""


@pytest.mark.parametrize(
    ("password", "sentence"),
    [
        ("", "Must be 10 to 200 characters."),
        ("Password123", "This password is too common."),
        ("bob-bob-bob", "Must not consist of the username"),
    ],
)
def test_password_has_the_usual_rules(
    visitor: Visitor, link: str, password: str, sentence: str
) -> None:
    """A refused password does not use the link up."""
    visitor.get(link)
    answer = visitor.post(link, password=password)
    assert (answer.status_code, sentence in answer.text) == (422, True)
    assert visitor.post(link, password=PASSWORD).status_code == 303


def test_token_does_not_leak(visitor: Visitor, link: str, logged: Logged) -> None:
    """It is in no log line, in no cache, and in no Referer header: browsers send the origin."""
    answers = (visitor.get(link), visitor.post(link, password="short"), visitor.get(link + "x"))
    for answer in answers:
        assert answer.headers["Referrer-Policy"] == "strict-origin"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Frame-Options"] == "DENY"
    assert "http" not in re.sub(r"http://www.w3.org/\S*", "", answers[0].text)
    assert [json.loads(line)["path"] for line in logged.lines] == ["/welcome/••••"] * 3
    # Other pages keep theirs.
    assert visitor.get("/sign-in").headers["Referrer-Policy"] == "same-origin"


def test_form_works_over_tls(visitor: Visitor, link: str) -> None:
    """The check against forged forms reads the Referer header there: the origin is enough."""
    base = "https://calls.example"
    page = visitor.client.get(link, base_url=base)
    [token] = re.findall(r'name="csrf_token"[^>]* value="([^"]+)"', page.text)
    fields = {"csrf_token": token, "password": PASSWORD}
    answer = visitor.client.post(link, base_url=base, data=fields, headers={"Referer": f"{base}/"})
    assert answer.status_code == 303


def test_form_of_another_site_is_refused(visitor: Visitor, link: str) -> None:
    """Without the CSRF token nothing is set."""
    assert visitor.client.post(link, data={"password": PASSWORD}).status_code == 400
    db.session.rollback()
    assert users.get_user("bob").password_hash == ""
