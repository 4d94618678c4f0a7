"""The second factor on the pages: set-up, the step after the password, and roles that need it."""

import re
from collections.abc import Iterator

import pyotp
import pytest
import time_machine
from flask import Flask

from callevents.db.models import Pbx, User
from callevents.db.session import begin_write
from callevents.enums import Role, SignInMethod
from callevents.extensions import app_state, db
from callevents.users import users
from callevents.users.second_factor import app_codes
from callevents.web import login
from tests.web.conftest import PASSWORD, Visitor
from tests.web.test_login import copy_cookies, is_signed_in

NOW = "2026-11-23T12:00:00Z"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
APP = pyotp.TOTP(SECRET)
PATH = "/account/second-factor"
STEP = 30


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """A clock that stands still."""
    with time_machine.travel(NOW, tick=False) as clock:
        yield clock


@pytest.fixture
def user(clock: time_machine.Traveller, people: None) -> User:
    """The admin, who set up an app five minutes ago."""
    begin_write()
    user = users.find_user("admin")
    assert user
    app_codes.set_up(user, SECRET, APP.now())
    db.session.commit()
    clock.shift(300)
    return user


def enter_password(visitor: Visitor, username: str = "admin") -> None:
    """Submit the sign-in form with the right password."""
    visitor.get("/sign-in")
    answer = visitor.post("/sign-in", username=username, password=PASSWORD)
    assert (answer.status_code, answer.location) == (303, "/sign-in/code")
    visitor.get("/sign-in/code")


def find_secret(page: str) -> str:
    """Return the key that the page of the set-up shows."""
    found = re.search(r'id="app-key">([A-Z2-7]+)<', page)
    assert found
    return found[1]


def set_up(visitor: Visitor, code: str = "", current: str = PASSWORD) -> str:
    """Set up an app on the page; return the page that follows."""
    secret = find_secret(visitor.get(f"{PATH}/app").text)
    code = code or pyotp.TOTP(secret).now()
    return visitor.post(f"{PATH}/app", code=code, current=current).text


def find_codes(page: str) -> list[str]:
    """Return the recovery codes on a page."""
    return re.findall(r"<li><code>([a-z2-9-]{19})</code>", page)


def test_sign_in_with_a_code(user: User, stranger: Visitor) -> None:
    """After the password the code is needed; then the page that was asked for opens."""
    enter_password(stranger)
    assert not is_signed_in(stranger)
    stranger.get("/overview")
    enter_password(stranger)
    answer = stranger.post("/sign-in/code", code=APP.now())
    assert (answer.status_code, answer.location) == (303, "/overview")
    assert is_signed_in(stranger)


def test_replayed_code(user: User, stranger: Visitor, app: Flask) -> None:
    """Somebody who saw the code and knows the password cannot use it again."""
    enter_password(stranger)
    assert stranger.post("/sign-in/code", code=APP.now()).status_code == 303
    thief = Visitor(app.test_client())
    enter_password(thief)
    answer = thief.post("/sign-in/code", code=APP.now())
    assert answer.status_code == 422
    assert "Wrong code, or one that was used before." in answer.text
    assert not is_signed_in(thief)


def test_half_signed_in_user_reaches_nothing(user: User, stranger: Visitor, pbx: Pbx) -> None:
    """With the password alone, every page leads to the sign-in page and nothing can be changed."""
    enter_password(stranger)
    rules = stranger.client.application.url_map.iter_rules()
    # An app's request is answered with errors before anyone signs in: see test_authorize.py.
    open_pages = {"account.show_sign_in", "sign_in_code.show", "static", "authorization.show"}
    # The description of the API says nothing of this installation.
    open_pages.add("api_docs.index")
    plain = [r for r in rules if not r.arguments and r.endpoint not in open_pages]
    api = tuple(app_state().error_responses)
    pages = [r for r in plain if "GET" in (r.methods or ()) and not r.rule.startswith(api)]
    asked = 0
    for rule in pages:
        answer = stranger.client.get(rule.rule)
        assert (answer.status_code, answer.location) == (303, "/sign-in"), rule.rule
        asked += 1
    assert asked >= 8
    for path in (f"/pbxs/{pbx.slug}", f"/pbxs/{pbx.slug}/deliveries"):
        assert stranger.client.get(path).location == "/sign-in"
    stranger.get("/sign-in/code")
    assert stranger.post("/pbxs/new", name="Forged").location == "/sign-in"
    assert stranger.post(f"{PATH}/turn-off", current=PASSWORD).location == "/sign-in"


def test_code_comes_too_late(user: User, stranger: Visitor, clock: time_machine.Traveller) -> None:
    """Five minutes after the password it has to be entered again."""
    enter_password(stranger)
    clock.shift(299)
    assert stranger.client.get("/sign-in/code").status_code == 200
    clock.shift(1)
    answer = stranger.post("/sign-in/code", code=APP.now())
    assert (answer.status_code, answer.location) == (303, "/sign-in")
    assert "Enter your password again" in stranger.get("/sign-in").text
    assert not is_signed_in(stranger)


def test_code_without_a_password(user: User, stranger: Visitor) -> None:
    """A code alone signs nobody in, and the page is not shown."""
    stranger.get("/sign-in")
    assert stranger.post("/sign-in/code", code=APP.now()).location == "/sign-in"
    assert stranger.client.get("/sign-in/code").location == "/sign-in"
    assert not is_signed_in(stranger)


def test_changed_password_voids_the_half_sign_in(
    user: User, stranger: Visitor, app: Flask, clock: time_machine.Traveller
) -> None:
    """A thief who entered the former password cannot go on with a code."""
    owner = Visitor(app.test_client())
    enter_password(owner)
    owner.post("/sign-in/code", code=APP.now())
    enter_password(stranger)
    owner.get("/account")
    changed = owner.post("/account/password", current=PASSWORD, new="battery staple")
    assert changed.status_code == 303
    clock.shift(STEP)
    assert stranger.post("/sign-in/code", code=APP.now()).location == "/sign-in"


def test_session_is_new_after_the_code(user: User, stranger: Visitor) -> None:
    """A cookie that somebody planted before the code is worth nothing after it."""
    enter_password(stranger)
    planted = copy_cookies(stranger)
    stranger.post("/sign-in/code", code=APP.now())
    assert is_signed_in(stranger)
    assert not is_signed_in(planted)
    with stranger.client.session_transaction() as session:
        assert "half" not in session


def test_guesses_of_the_code_are_delayed(user: User, stranger: Visitor) -> None:
    """After several wrong codes the right one has to wait, although the password is right."""
    for number in range(5):
        enter_password(stranger)
        assert stranger.post("/sign-in/code", code=f"00000{number}").status_code == 422
    answer = stranger.post("/sign-in/code", code=APP.now())
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")
    assert "Too many failed sign-ins" in answer.text


def test_set_up(admin: Visitor, stranger: Visitor) -> None:
    """The page shows a QR code and the key; after a code ten recovery codes are shown once."""
    stranger.sign_in("admin")
    page = admin.get(f"{PATH}/app").text
    assert "<svg" in page
    assert find_secret(admin.get(f"{PATH}/app").text) == find_secret(page), (
        "the same after a reload"
    )
    codes = find_codes(set_up(admin))
    assert len(codes) == 10
    assert is_signed_in(admin)
    assert not is_signed_in(stranger), "started with the password alone"
    account = admin.get("/account").text
    assert "10 left" in account
    assert codes[0] not in account
    enter_password(stranger)
    assert stranger.post("/sign-in/code", code=codes[0]).status_code == 303
    assert "9 left" in stranger.get("/account").text


def test_set_up_needs_password_and_code(clock: time_machine.Traveller, admin: Visitor) -> None:
    """With a wrong password or a wrong code nothing is set up, and the same key is shown again."""
    secret = find_secret(admin.get(f"{PATH}/app").text)
    page = set_up(admin, current="wrong")
    assert "Current password is incorrect." in page
    assert find_secret(page) == secret
    page = set_up(admin, code="000000")
    assert "This is not the current code." in page
    assert ">off<" in admin.get("/account").text


def test_guesses_of_the_password_are_delayed(admin: Visitor, clock: time_machine.Traveller) -> None:
    """A stolen session gives no unlimited guesses here either."""
    admin.sign_in("admin")
    admin.get(f"{PATH}/turn-off")
    found = [admin.post(f"{PATH}/turn-off", current=f"guess {n}").status_code for n in range(6)]
    assert found == [422] * 5 + [429]


def test_renew_codes(admin: Visitor) -> None:
    """New codes replace the former ones, after the password."""
    former = find_codes(set_up(admin))
    assert admin.get(f"{PATH}/recovery-codes").status_code == 200
    assert admin.post(f"{PATH}/recovery-codes", current="wrong").status_code == 422
    page = admin.post(f"{PATH}/recovery-codes", current=PASSWORD).text
    assert len({*find_codes(page), *former}) == 20


def test_no_codes_without_a_second_factor(admin: Visitor) -> None:
    """Recovery codes stand in for a second factor only."""
    admin.get(f"{PATH}/recovery-codes")
    answer = admin.post(f"{PATH}/recovery-codes", current=PASSWORD)
    assert answer.status_code == 422
    assert "Set up an app or a passkey first." in answer.text


def test_turn_off(admin: Visitor) -> None:
    """After the password, the password alone signs in again."""
    set_up(admin)
    admin.get(f"{PATH}/turn-off")
    assert admin.post(f"{PATH}/turn-off", current="wrong").status_code == 422
    assert admin.post(f"{PATH}/turn-off", current=PASSWORD).location == "/account"
    admin.post("/sign-out")
    admin.sign_in("admin")


def test_expired_set_up(admin: Visitor) -> None:
    """A set-up that was forgotten begins again."""
    admin.get("/account")
    answer = admin.post(f"{PATH}/app", code="123456", current=PASSWORD)
    assert answer.location == f"{PATH}/app"


@pytest.fixture
def required(app: Flask) -> None:
    """A second factor is required for admins."""
    app_state().settings.second_factor_roles = (Role.ADMIN,)


def test_required_role_is_led_to_the_set_up(required: None, stranger: Visitor, pbx: Pbx) -> None:
    """An admin without a second factor sees and changes nothing before it is set up."""
    stranger.get("/sign-in")
    assert stranger.post("/sign-in", username="admin", password=PASSWORD).status_code == 303
    for path in ("/", "/pbxs", "/overview", "/account", f"/pbxs/{pbx.slug}/extensions"):
        assert stranger.client.get(path).location == PATH, path
    page = stranger.get(PATH).text
    assert "Your role requires a second factor." in page
    assert pbx.name not in page
    assert pbx.name not in stranger.get("/nowhere").text
    assert stranger.post("/pbxs/new", name="Forged").location == PATH
    assert (
        stranger.post("/account/password", current=PASSWORD, new="battery staple").location == PATH
    )
    htmx = stranger.client.get("/pbxs", headers={"HX-Request": "true"})
    assert htmx.headers["HX-Redirect"] == PATH
    assert len(find_codes(set_up(stranger))) == 10
    assert is_signed_in(stranger)


def test_request_that_signs_in(required: None, people: None, app: Flask) -> None:
    """The request that starts a session knows as much of it as later ones."""
    with app.test_request_context():
        begin_write()
        user = users.find_user("admin")
        assert user
        login.start_session(user, SignInMethod.PASSWORD)
        assert login.lacks_second_factor()
        login.start_session(user, SignInMethod.SINGLE_SIGN_ON)
        assert not login.lacks_second_factor()
        db.session.rollback()


def test_required_user_can_sign_out(required: None, stranger: Visitor) -> None:
    """Whoever does not want a second factor now can leave."""
    stranger.get("/sign-in")
    stranger.post("/sign-in", username="admin", password=PASSWORD)
    stranger.get(PATH)
    assert stranger.post("/sign-out").location == "/sign-in"


def test_other_roles_need_none(required: None, viewer: Visitor) -> None:
    """A viewer signs in with the password alone if only admins need more."""
    assert is_signed_in(viewer)
