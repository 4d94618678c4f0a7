"""The pages of users: only admins of all PBXs see them; what they do takes effect at once."""

import html
import re

import pytest
from flask import Flask

from callevents.config.settings import Settings
from callevents.db.models import Notification, Pbx, User
from callevents.db.session import begin_write
from callevents.enums import Role, UserState
from callevents.extensions import app_state, db
from callevents.pbxs import pbxs
from callevents.pbxs.removal import begin_removal
from callevents.users import lifecycle, users
from callevents.users.grants import describe_grant, parse_grant
from tests.audit.conftest import actions
from tests.conftest import Configure
from tests.support.mail_server import MailServer
from tests.support.ports import find_free_port
from tests.support.statement_count import counting
from tests.web.conftest import PASSWORD, Visitor

HTMX = {"HX-Request": "true"}
OWN = "This is your own account. Another admin can change or remove it."
LINK = re.compile(r'<code id="password-link">([^<]*/welcome/([\w-]+))</code>')
SCOPES = ("viewer", "operator:head-office", "self-service:head-office:101")
ANY_VIEWER = {"roles-0-role": "viewer", "roles-0-pbx": "*"}
BOB = {"username": "Bob"} | ANY_VIEWER


@pytest.fixture
def settings(settings: Settings, mail_server: MailServer) -> Settings:
    """Settings with a mail server and an address for links."""
    return settings.model_copy(
        update={
            "smtp_url": mail_server.url,
            "mail_from": "calls@example.com",
            "mail_to": ("olga@example.com",),
            "public_url": "https://calls.example",
        }
    )


def get(username: str) -> User:
    """Return the user as it is stored now."""
    db.session.rollback()
    return users.get_user(username)


def roles(username: str) -> list[str]:
    """Return the roles as commands write them."""
    return list(map(describe_grant, get(username).grants))


def test_list(admin: Visitor, viewer: Visitor, pbx: Pbx, configure: Configure) -> None:
    """Names, roles, last sign-ins and states; the fragment is a part of the page."""
    configure.extension("101")
    begin_write()
    users.add_user("carl", PASSWORD, parse_grant("self-service:head-office:101"))
    users.add_user("<b>", PASSWORD, Role.VIEWER)
    lifecycle.disable_user(users.get_user("carl"))
    db.session.commit()
    page = admin.get("/users").text
    rows = [" ".join(re.sub(r"<[^>]*>", " ", row).split()) for row in page.split("<tr")[2:]]
    assert "&lt;b&gt; viewer of all PBXs never active" in rows[0]
    assert "carl self-service of Head office, extension 101 never disabled" in rows[2]
    assert "(you)" in rows[1]
    assert admin.client.get("/users", headers=HTMX).text in page


@pytest.mark.parametrize(
    "name", ["o'neil & co", "a?b#c%2fd%", "é ü", "new", "..x", "a+b@c.example"]
)
def test_any_name_has_pages(admin: Visitor, name: str) -> None:
    """The links of the list and of the page lead to the user, whatever the name has in it."""
    admin.post("/invitations/new", username=name, **ANY_VIEWER)
    links = re.findall(r'href="(/users/[^"]+)"', admin.get("/users").text)
    [page] = [html.unescape(one) for one in links if one not in {"/users/admin", "/users/viewer"}]
    text = admin.get(page).text
    assert f"<h1>{html.escape(name).replace('&#x27;', '&#39;')}</h1>" in text
    [disable] = re.findall(r'action="([^"]+/disable)"', text)
    assert admin.post(html.unescape(disable)).status_code == 303
    assert get(name).state is UserState.DISABLED


def test_list_sends_few_statements(admin: Visitor, pbx: Pbx, configure: Configure) -> None:
    """Ten more users with roles for PBXs and extensions cost no more statements."""
    configure.extension("101")

    def count() -> int:
        db.session.rollback()
        statements: list[str] = []
        with counting(statements):
            admin.get("/users")
        return len(statements)

    few = 0
    for number in range(12):
        begin_write()
        user = users.add_user(f"user{number}", PASSWORD, parse_grant("operator:head-office"))
        lifecycle.change_roles(user, [*map(parse_grant, SCOPES)])
        db.session.commit()
        few = few or count()
    assert count() == few


@pytest.mark.parametrize("username", ["viewer", "of-one"])
def test_only_admins_of_all_pbxs(app: Flask, stranger: Visitor, pbx: Pbx, username: str) -> None:
    """An admin of one PBX and a viewer see neither the pages nor the link, and change nothing."""
    begin_write()
    users.add_user("of-one", PASSWORD, parse_grant("admin:head-office"))
    db.session.commit()
    stranger.sign_in(username)
    assert 'href="/users"' not in stranger.get("/").text
    for path in ("/users", "/users/admin", "/users/nobody", "/invitations/new"):
        assert stranger.get(path).status_code == 403
    for path in ("edit", "disable", "enable", "end-sessions", "reset-password", "remove"):
        assert stranger.post(f"/users/{username}/{path}").status_code == 403
        assert stranger.post(f"/users/nobody/{path}").status_code == 403
    assert stranger.post("/invitations/new", **BOB).status_code == 403
    assert get("admin").state is UserState.ACTIVE
    assert users.find_user("bob") is None


def test_invitation_is_sent(admin: Visitor, mail_server: MailServer) -> None:
    """The link is in the e-mail and nowhere else, and sets the password."""
    answer = admin.post("/invitations/new", **BOB, email="bob@example.com")
    assert (answer.status_code, answer.location) == (303, "/users/bob")
    page = admin.get("/users/bob").text
    assert "The link was sent to bob@example.com." in page
    [mail] = mail_server.mails
    assert (mail["To"], mail["From"]) == ("bob@example.com", "calls@example.com")
    [token] = re.findall(r"https://calls\.example/welcome/([\w-]{43})\s", mail.get_content())
    assert token not in page
    # No table of messages to send keeps it.
    assert db.session.query(Notification).count() == 0
    visitor = Visitor(admin.client.application.test_client())
    visitor.get(f"/welcome/{token}")
    assert visitor.post(f"/welcome/{token}", password=PASSWORD).status_code == 303
    visitor.sign_in("bob")


@pytest.mark.parametrize("reason", ["no address", "not configured", "refused", "unreachable"])
def test_link_is_shown_if_it_is_not_sent(
    app: Flask, admin: Visitor, mail_server: MailServer, reason: str
) -> None:
    """It is shown once, with the reason, and works."""
    mail_server.refusal = "554 No." if reason == "refused" else ""
    new = {"not configured": "", "unreachable": f"smtp://127.0.0.1:{find_free_port()}"}
    if reason in new:
        app_state(app).settings.__dict__["smtp_url"] = new[reason]
    email = "" if reason == "no address" else "bob@example.com"
    page = admin.post("/invitations/new", **BOB, email=email).text
    match = LINK.search(page)
    assert match
    assert match[1].startswith("https://calls.example/welcome/")
    assert {
        "no address": 'id="not-sent"' not in page,
        "not configured": "E-mail is not configured." in page,
        "refused": "The e-mail to bob@example.com could not be sent: (554" in page,
        "unreachable": "The e-mail to bob@example.com could not be sent: [Errno" in page,
    }[reason]
    assert admin.get(f"/welcome/{match[2]}").status_code == 200
    assert match[2] not in admin.get("/users/bob").text


def test_roles_editor(admin: Visitor, pbx: Pbx, other_pbx: Pbx, configure: Configure) -> None:
    """Each row is a role; those without one are ignored, and stored ones are filled in."""
    configure.extension("101")
    rows = {
        "roles-0-role": "operator",
        "roles-0-pbx": "branch",
        "roles-1-role": "",
        "roles-1-pbx": "head-office",
        "roles-2-role": "self-service",
        "roles-2-pbx": "head-office",
        "roles-2-extension": " 101 ",
    }
    admin.post("/invitations/new", username="bob", **rows)
    assert roles("bob") == ["operator:branch", "self-service:head-office:101"]
    form = admin.get("/users/bob/edit").text
    chosen = re.findall(r'<option selected value="([^"]*)"', form)
    assert chosen == ["operator", "branch", "self-service", "head-office"]
    # Two empty rows, for more roles without JavaScript: no role, and no PBX.
    assert form.count('aria-label="Role ') == 4
    assert 'value="101"' in form
    changed = {"email": "b@example.com"} | ANY_VIEWER
    assert admin.post("/users/bob/edit", **changed).status_code == 303
    assert (roles("bob"), get("bob").email) == (["viewer"], "b@example.com")
    assert actions(object_name="bob", actor_name="admin") == ["user.invited", "user.changed"]


def fill_in(page: str) -> dict[str, str]:
    """Return the fields of the roles as a browser sends them: of each list, what it shows."""
    fields = {}
    for name, options in re.findall(r'<select[^>]*name="([^"]+)"[^>]*>(.*?)</select>', page, re.S):
        values = re.findall(r'<option( selected)? value="([^"]*)"', options)
        shown = [value for selected, value in values if selected] or [values[0][1]]
        fields[name] = shown[0]
    numbers = re.findall(r'<input[^>]*name="(roles-\d+-extension)"[^>]*value="([^"]*)"', page)
    return fields | dict(numbers)


@pytest.mark.parametrize("text", [*SCOPES, "operator", "admin:head-office"])
def test_saving_the_form_changes_no_role(
    admin: Visitor, pbx: Pbx, configure: Configure, text: str
) -> None:
    """Also while the PBX is being removed: its roles never become those of all PBXs."""
    configure.extension("101")
    begin_write()
    users.add_user("bob", PASSWORD, parse_grant(text))
    db.session.commit()
    for is_removing in (False, True):
        if is_removing:
            begin_write()
            begin_removal(pbxs.get_pbx("head-office"), "head-office")
            db.session.commit()
        page = admin.get("/users/bob/edit").text
        assert ("Head office (being removed)" in page) is (is_removing and "head-office" in text)
        assert admin.post("/users/bob/edit", email="", **fill_in(page)).status_code == 303
        assert roles("bob") == [text]


def test_role_of_a_pbx_that_is_gone_is_not_of_all(admin: Visitor, pbx: Pbx) -> None:
    """The form was opened before the PBX was removed: a sentence, and no PBX is chosen."""
    fields = {"roles-0-role": "operator", "roles-0-pbx": "gone"}
    answer = admin.post("/users/viewer/edit", **fields)
    assert (answer.status_code, "There is no PBX" in answer.text) == (422, True)
    assert fill_in(answer.text)["roles-0-pbx"] == ""
    answer = admin.post("/users/viewer/edit", **fill_in(answer.text))
    assert (answer.status_code, roles("viewer")) == (422, ["viewer"])


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({}, "Choose at least one role."),
        ({"roles-0-role": "king", "roles-0-pbx": "*"}, "There is no role"),
        ({"roles-0-role": "operator"}, "Choose a PBX for the role, or &#39;All PBXs&#39;."),
        ({"roles-0-role": "operator", "roles-0-pbx": ""}, "Choose a PBX for the role"),
        ({"roles-0-role": "operator", "roles-0-pbx": "nowhere"}, "There is no PBX"),
        (
            {"roles-0-role": "self-service", "roles-0-pbx": "*"},
            "The role self-service needs a PBX and an extension.",
        ),
        (ANY_VIEWER | {"roles-0-extension": "1"}, "Choose the PBX of the extension."),
        (
            {
                "roles-0-role": "self-service",
                "roles-0-pbx": "head-office",
                "roles-0-extension": "9",
            },
            "Head office has no extension",
        ),
        (ANY_VIEWER | {"email": "x"}, "Enter an e-mail address such as"),
        (ANY_VIEWER | {"username": ""}, "Enter a username."),
        (ANY_VIEWER | {"username": "admin"}, "A user named"),
    ],
)
def test_wrong_input_is_explained(
    admin: Visitor, pbx: Pbx, fields: dict[str, str], sentence: str
) -> None:
    """The form is shown again with what was entered, and nothing is stored."""
    answer = admin.post("/invitations/new", **({"username": "bob"} | fields))
    assert answer.status_code == 422
    assert sentence in answer.text
    assert users.find_user("bob") is None
    if "username" not in fields:
        before = roles("viewer")
        assert admin.post("/users/viewer/edit", **fields).status_code == 422
        assert roles("viewer") == before
        assert get("viewer").email == ""


def test_disabled_user_is_signed_out(admin: Visitor, viewer: Visitor) -> None:
    """The next request leads to the sign-in page, and the password is refused until enabled."""
    assert admin.post("/users/viewer/disable").status_code == 303
    assert "disabled and signed out" in admin.get("/users/viewer").text
    assert viewer.get("/pbxs").location == "/sign-in"
    assert "You have been signed out." in viewer.get("/sign-in").text
    answer = viewer.post("/sign-in", username="viewer", password=PASSWORD)
    assert (answer.status_code, "Wrong username or password." in answer.text) == (422, True)
    part = admin.client.post("/users/viewer/enable", data={"csrf_token": admin.token}, headers=HTMX)
    assert part.text.startswith('<div id="user"')
    assert "viewer is enabled." in part.headers["HX-Trigger"]
    viewer.sign_in("viewer")


def test_sessions_are_ended(admin: Visitor, viewer: Visitor) -> None:
    """The user is signed out and can sign in again."""
    assert admin.post("/users/viewer/end-sessions").status_code == 303
    assert viewer.get("/pbxs").location == "/sign-in"
    viewer.sign_in("viewer")


def test_password_is_reset(admin: Visitor, viewer: Visitor) -> None:
    """After a confirmation: the old password and all sessions end, the link sets a new one."""
    dialog = admin.get("/users/viewer/reset-password").text
    assert "stops working and all sessions end" in dialog
    assert "Passkeys and the authenticator app stay" in dialog
    assert "flask users reset-second-factor viewer" in dialog
    assert get("viewer").password_hash
    [(_, token)] = LINK.findall(admin.post("/users/viewer/reset-password").text)
    assert viewer.get("/pbxs").location == "/sign-in"
    viewer.get("/sign-in")
    assert viewer.post("/sign-in", username="viewer", password=PASSWORD).status_code == 422
    viewer.get(f"/welcome/{token}")
    viewer.post(f"/welcome/{token}", password=PASSWORD)
    viewer.sign_in("viewer")


def test_reset_of_a_disabled_user_is_refused(admin: Visitor) -> None:
    """The sentence says what to do first."""
    admin.post("/users/viewer/disable")
    answer = admin.post("/users/viewer/reset-password")
    assert (answer.status_code, "Enable the user first." in answer.text) == (409, True)


def test_user_is_removed(admin: Visitor, viewer: Visitor) -> None:
    """After a confirmation; the user is signed out, and the page is gone."""
    assert "This cannot be undone." in admin.get("/users/viewer/remove").text
    answer = admin.post("/users/viewer/remove")
    assert (answer.status_code, answer.location) == (303, "/users")
    assert "viewer was removed." in admin.get("/users").text
    assert viewer.get("/pbxs").location == "/sign-in"
    for path in ("", "/edit", "/remove", "/reset-password"):
        answer = admin.get(f"/users/viewer{path}")
        assert (answer.status_code, "There is no user" in answer.text) == (404, True)


def test_own_account_stays(admin: Visitor) -> None:
    """Nobody disables, removes or demotes himself, even if there are other admins."""
    begin_write()
    users.add_user("other", PASSWORD, Role.ADMIN)
    db.session.commit()
    page = admin.get("/users/admin").text
    assert OWN in page
    assert "Disable" not in page
    for action in ("edit", "disable", "enable", "end-sessions", "reset-password", "remove"):
        answer = admin.post(f"/users/admin/{action}", **{"roles-0-role": "viewer"})
        assert (answer.status_code, OWN in answer.text) == (409, True)
    assert admin.get("/users").status_code == 200
    assert roles("admin") == ["admin"]
