"""The commands for users: text and JSON, errors, and what they change."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from callevents.config.settings import Settings
from callevents.db.models import Pbx, User, UserIdentity
from callevents.db.session import begin_write
from callevents.errors import NotFoundError
from callevents.extensions import app_state, db
from callevents.users import sessions, users
from callevents.users.password_links import get_user_of
from tests.cli.conftest import Run
from tests.cli.test_commands import check_failure
from tests.conftest import Configure
from tests.support.mail_server import MailServer

PASSWORD = "long enough for a test"
NEW = {"last_sign_in_at": None, "email": ""}


@pytest.fixture
def settings(settings: Settings, mail_server: MailServer) -> Settings:
    """Settings with a mail server and an address for links."""
    mail = {"mail_from": "calls@example.com", "mail_to": ("olga@example.com",)}
    changes = {"smtp_url": mail_server.url, "public_url": "https://calls.example"}
    return settings.model_copy(update=mail | changes)


@pytest.fixture
def admin(run: Run) -> User:
    """An admin, named ana."""
    assert run("users", "add", "ana", "--role", "admin", "--password", PASSWORD).exit_code == 0
    return users.get_user("ana")


def test_add_with_scopes(
    run: Run, answer: Callable[..., Any], pbx: Pbx, configure: Configure
) -> None:
    """A role for each --role; a wrong one adds no user."""
    configure.extension("sip:101")
    roles = ["operator:head-office", "self-service:head-office:sip:101"]
    options = [text for role in roles for text in ("--role", role)]
    added = answer("users", "add", "bob", "--password", PASSWORD, *options)
    assert added == {"username": "bob", "roles": roles, "state": "active", **NEW}
    add = ("users", "add", "carl", "--password", PASSWORD, "--role")
    sentence = "roles: There is no role 'king'. Use admin, operator, viewer, self-service."
    check_failure(run(*add, "king"), sentence)
    check_failure(run(*add, "viewer:nowhere"), "roles: There is no PBX 'nowhere'.")
    assert len(answer("users", "list")) == 1
    text = run("users", "add", "carl", "--password", PASSWORD, "--role", "viewer:head-office")
    assert text.stdout == "Added user carl (viewer:head-office).\n"


def test_list(run: Run, answer: Callable[..., Any], admin: User) -> None:
    """All users by name, as a table or as JSON."""
    answer("users", "invite", "bob", "--role", "viewer", "--role", "admin")
    assert answer("users", "list") == [
        {"username": "ana", "roles": ["admin"], "state": "active", **NEW},
        {"username": "bob", "roles": ["viewer", "admin"], "state": "invited", **NEW},
    ]
    assert run("users", "list").stdout.splitlines() == [
        "username  roles          last_sign_in_at  state    email",
        "ana       admin                           active",
        "bob       viewer, admin                   invited",
    ]


def test_invitation(run: Run, answer: Callable[..., Any], mail_server: MailServer) -> None:
    """The link is sent to --email; without an address it is printed. A new one replaces it."""
    sent = answer("users", "invite", "bob", "--email", "bob@example.com")
    assert (sent["sent_to"], sent["link"], sent["problem"]) == ("bob@example.com", None, None)
    assert "https://calls.example/welcome/" in mail_server.mails[0].get_content()
    printed = answer("users", "invite", "carl")
    assert (printed["state"], printed["sent_to"]) == ("invited", None)
    first = find_token(printed["link"])
    assert get_user_of(first).username == "carl"
    again = run("users", "reset-password", "carl")
    assert again.stdout.startswith(
        "New invitation for carl. The user has no e-mail address. Link, shown only once, valid for "
        "48 hours:\nhttps://calls.example/welcome/"
    )
    assert get_user_of(find_token(again.stdout)).username == "carl"
    with pytest.raises(NotFoundError):
        get_user_of(first)
    check_failure(run("users", "invite", "CARL"), "username: A user named 'carl' already exists.")


def test_link_that_cannot_be_sent(
    run: Run, answer: Callable[..., Any], mail_server: MailServer
) -> None:
    """The link is printed with the reason."""
    mail_server.refusal = "554 No."
    printed = answer("users", "invite", "bob", "--email", "bob@example.com")
    assert printed["problem"].startswith("The e-mail to bob@example.com could not be sent: (554")
    assert get_user_of(find_token(printed["link"])).username == "bob"


def test_link_without_a_known_address(app: Flask, run: Run) -> None:
    """Commands know the address only from the setting; a link without one is not sent."""
    app_state(app).settings.__dict__["public_url"] = ""
    done = run("users", "invite", "bob", "--email", "bob@example.com", "--json")
    printed = json.loads(done.stdout)
    assert printed["link"].startswith("http://YOUR-SERVER:8000/welcome/")
    assert printed["problem"] == "To send links by e-mail, set CALLEVENTS_PUBLIC_URL."


@pytest.mark.parametrize("option", [[], ["--json"]])
def test_hint_at_the_address_to_fill_in(app: Flask, run: Run, option: list[str]) -> None:
    """It says what to replace, beside the output, which stays valid JSON."""
    hint = (
        "Replace YOUR-SERVER:8000 in the link with the address of the pages. To have it filled in, "
        "set CALLEVENTS_PUBLIC_URL, such as https://calls.example.com.\n"
    )
    assert run("users", "invite", "ben", *option).stderr == ""
    app_state(app).settings.__dict__["public_url"] = ""
    for command in (("invite", "bob"), ("reset-password", "ben")):
        done = run("users", *command, *option)
        assert done.stderr == hint
        assert "http://YOUR-SERVER:8000/welcome/" in done.stdout
        if option:
            assert json.loads(done.stdout)["link"].startswith("http://YOUR-SERVER:8000/welcome/")


def test_reset_password(run: Run, answer: Callable[..., Any], admin: User) -> None:
    """The password and all sessions end; it works for the last admin too, who has forgotten it."""
    begin_write()
    session = sessions.start_session(admin, "Firefox", "10.0.0.1")
    db.session.commit()
    printed = answer("users", "reset-password", "ana")
    assert get_user_of(find_token(printed["link"])).username == "ana"
    assert sessions.find_session(session) is None
    assert users.get_user("ana").password_hash == ""
    assert run("users", "reset-password", "ana").stdout.startswith("Reset the password of ana.")


def test_disable_enable_and_remove(run: Run, answer: Callable[..., Any], admin: User) -> None:
    """Each prints the user; names may be written in any case."""
    answer("users", "add", "bob", "--password", PASSWORD)
    assert run("users", "disable", "Bob").stdout == "Disabled user bob.\n"
    assert answer("users", "disable", "bob")["state"] == "disabled"
    sentence = "This user is disabled. Enable the user first."
    check_failure(run("users", "reset-password", "bob"), sentence)
    assert run("users", "enable", "bob").stdout == "Enabled user bob.\n"
    assert answer("users", "enable", "bob")["state"] == "active"
    assert answer("users", "remove", "bob")["username"] == "bob"
    for command in ("disable", "enable", "remove", "reset-password", "roles"):
        check_failure(run("users", command, "bob"), "There is no user 'bob'.")


def test_roles(run: Run, answer: Callable[..., Any], admin: User, pbx: Pbx) -> None:
    """Shown without --set; --set replaces all, or nothing if one is wrong."""
    answer("users", "add", "bob", "--password", PASSWORD, "--role", "operator")
    assert run("users", "roles", "bob").stdout == "operator\n"
    options = ("--set", "viewer", "--set", "operator:head-office")
    assert run("users", "roles", "bob", *options).stdout == "viewer\noperator:head-office\n"
    wrong = run("users", "roles", "bob", "--set", "admin", "--set", "operator:nowhere")
    check_failure(wrong, "roles: There is no PBX 'nowhere'.")
    assert answer("users", "roles", "bob")["roles"] == ["viewer", "operator:head-office"]


def test_last_admin_stays(run: Run, admin: User) -> None:
    """The last enabled admin is not disabled, removed or demoted."""
    sentence = (
        "This user is the last enabled admin of all PBXs who can sign in. "
        "Make another user such an admin first."
    )
    for arguments in (("disable", "ana"), ("remove", "ana"), ("roles", "ana", "--set", "viewer")):
        check_failure(run("users", *arguments), sentence)
    assert run("users", "roles", "ana").stdout == "admin\n"


def find_token(text: str) -> str:
    """Return the token of the link in the text."""
    match = re.search(r"/welcome/([\w-]{43})$", text.strip())
    assert match
    return match[1]


def test_password_of_a_user_of_single_sign_on_is_not_reset(run: Run, admin: User) -> None:
    """The sentence says where the password is."""
    begin_write()
    db.session.add(UserIdentity(user_id=admin.id, issuer="https://login.example", subject="42"))
    db.session.commit()
    sentence = (
        "This user signs in by single sign-on and has no password here. Reset it at the provider."
    )
    check_failure(run("users", "reset-password", "ana"), sentence)
    db.session.rollback()
    assert users.get_user("ana").password_hash
