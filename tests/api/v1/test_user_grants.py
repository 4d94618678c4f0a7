"""The roles of a user by the management API, and links with which users set passwords."""

import threading
from typing import Any

import pytest
from flask import Flask

from callevents.api.v1.problems import ProblemType
from callevents.config.settings import Settings
from callevents.db.models import Pbx, User, UserIdentity
from callevents.db.session import begin_write
from callevents.enums import Role
from callevents.extensions import app_state, db
from callevents.users import sessions, users
from tests.api.v1.conftest import PASSWORD, Api, MakeApi, check_actor, check_problem, last_entry
from tests.audit.conftest import entries
from tests.support.mail_server import MailServer
from tests.users.signing_in import WRONG, sign_in

GRANTS = "/users/olga/grants"
ROLES = [
    {"role": "self-service", "pbx": "head-office", "extension": "102"},
    {"role": "viewer", "pbx": None, "extension": None},
]
BEN = {"username": "ben", "email": "ben@example.com", "roles": [{"role": "viewer"}]}


@pytest.fixture
def olga(app: Flask) -> User:
    """A viewer with a password."""
    begin_write()
    olga = users.add_user("olga", PASSWORD, Role.VIEWER, email="olga@example.com")
    db.session.commit()
    return olga


@pytest.fixture
def mail(app: Flask, settings: Settings, mail_server: MailServer) -> MailServer:
    """A mail server that the application sends e-mail with."""
    changed = {
        "smtp_url": mail_server.url,
        "mail_from": "calls@example.com",
        "public_url": "https://calls.example.com",
    }
    state = app_state(app)
    state.settings = settings.model_copy(update=changed)
    return mail_server


def open_link(api: Api, link: str) -> int:
    """Open the link and return the status."""
    return api.app.test_client().get("/welcome/" + link.rpartition("/")[2]).status_code


def test_roles_are_replaced(admin: Api, olga: User, pbx: Pbx) -> None:
    """The list replaces the old one, is one entry of the history, and is what GET returns."""
    answer = admin.put(GRANTS, {"roles": ROLES})
    assert (answer.status_code, answer.get_json()) == (200, {"roles": ROLES})
    read = admin.get(GRANTS)
    assert (read.get_json(), read.headers["ETag"]) == (answer.get_json(), answer.headers["ETag"])
    assert admin.get("/users/olga").get_json()["roles"] == ROLES
    [entry] = entries(object_kind="user", actor_kind="token")
    assert (entry.action, entry.before) == ("user.changed", {"roles": ["viewer"]})
    assert entry.after == {"roles": ["self-service:head-office:102", "viewer"]}
    check_actor(entry, admin)
    # The same once more changes nothing.
    assert admin.put(GRANTS, {"roles": ROLES}).status_code == 200
    assert len(entries(object_kind="user", actor_kind="token")) == 1


@pytest.mark.parametrize("body", [{}, {"roles": []}, {"roles": [{"role": "x"}]}, [], "viewer"])
def test_wrong_lists_change_nothing(admin: Api, olga: User, body: Any) -> None:
    """The roles stay."""
    check_problem(admin.put(GRANTS, body), ProblemType.INVALID_REQUEST)
    assert [one["role"] for one in admin.get(GRANTS).get_json()["roles"]] == ["viewer"]


def test_two_writers_with_one_version(admin: Api, olga: User, pbx: Pbx) -> None:
    """Of two changes at once that are based on the same version, one is refused."""
    tag = {"If-Match": admin.get(GRANTS).headers["ETag"]}
    statuses = []

    def write(role: str) -> None:
        body = {"roles": [{"role": role, "pbx": "head-office"}]}
        statuses.append(admin.put(GRANTS, body, headers=tag).status_code)

    threads = [threading.Thread(target=write, args=[role]) for role in ("admin", "operator")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200, 412]


def test_two_admins_cannot_remove_each_other(api: MakeApi) -> None:
    """Of two changes at once that would leave no admin, one is refused; nothing waits for ever."""
    first, second = api(), api()
    statuses: list[int] = []

    def write(writer: Api, other: Api) -> None:
        path = f"/users/{other.username}"
        statuses.append(writer.patch(path, {"disabled": True}).status_code)

    pairs = ((first, second), (second, first))
    threads = [threading.Thread(target=write, args=pair) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(statuses) <= {200, 401, 403, 409}
    assert statuses.count(200) == 1


def test_roles_that_change_during_a_request(api: MakeApi, pbx: Pbx) -> None:
    """A caller whose roles are replaced at the same time gets an answer, and never a 500."""
    admin, caller = api(), api()
    roles = {"roles": [{"role": "admin"}, {"role": "viewer", "pbx": "head-office"}]}
    path = f"/users/{caller.username}/grants"
    statuses: set[int] = set()

    def call() -> None:
        for _ in range(30):
            body = {"name": "x", "scopes": ["hooks:read"], "pbx": "head-office"}
            statuses.add(caller.post("/tokens", body).status_code)

    thread = threading.Thread(target=call)
    thread.start()
    while thread.is_alive():
        assert admin.put(path, roles).status_code == 200
    thread.join()
    assert statuses <= {201, 409}


def test_invite_again(admin: Api) -> None:
    """The new link works, the old one no more."""
    old = admin.post("/users", BEN).get_json()["invitation"]["link"]
    answer = admin.post("/users/ben/invitation")
    assert answer.status_code == 200
    new = answer.get_json()
    assert new["expires_at"].endswith("Z")
    assert (open_link(admin, old), open_link(admin, new["link"])) == (404, 200)
    check_actor(last_entry(), admin)


def test_reset_a_password(admin: Api, olga: User) -> None:
    """The password and the sessions are gone; the link sets another password."""
    begin_write()
    session = sessions.start_session(olga, "Firefox", "10.0.0.1")
    db.session.commit()
    answer = admin.post("/users/olga/password-reset")
    assert answer.status_code == 200
    assert answer.get_json()["email_to"] is None
    assert open_link(admin, answer.get_json()["link"]) == 200
    assert sign_in("olga", PASSWORD) == WRONG
    assert sessions.find_session(session) is None
    done = {entry.action for entry in entries(object_name="olga", actor_kind="token")}
    assert done == {"user.password_reset", "user.password_changed"}


def test_no_link_for_these(admin: Api, olga: User) -> None:
    """Not for a disabled user, nor for one of single sign-on; no invitation after a sign-in."""
    check_problem(admin.post("/users/olga/invitation"), ProblemType.CONFLICT)
    admin.patch("/users/olga", {"disabled": True})
    check_problem(admin.post("/users/olga/password-reset"), ProblemType.CONFLICT)
    admin.patch("/users/olga", {"disabled": False})
    begin_write()
    db.session.add(UserIdentity(user_id=olga.id, issuer="https://id.example.com", subject="1"))
    db.session.commit()
    answer = admin.post("/users/olga/password-reset")
    document = check_problem(answer, ProblemType.CONFLICT)
    assert "single sign-on" in document["detail"]
    assert "olga" not in answer.text
    assert sign_in("olga", PASSWORD) == "olga"


def test_the_link_is_sent_by_email(admin: Api, mail: MailServer, olga: User) -> None:
    """With a mail server and a public URL, the user gets the link of the answer."""
    invited = admin.post("/users", BEN).get_json()["invitation"]
    reset = admin.post("/users/olga/password-reset").get_json()
    for link, address in ((invited, "ben@example.com"), (reset, "olga@example.com")):
        assert link["email_to"] == address
        [sent] = [one for one in mail.mails if one["To"] == address]
        assert link["link"].startswith("https://calls.example.com/welcome/")
        assert link["link"] in sent.get_content()
        assert open_link(admin, link["link"]) == 200


def test_a_repeated_request_sends_one_email(admin: Api, mail: MailServer) -> None:
    """The repeated request gets the same link, and no second e-mail is sent."""
    key = {"Idempotency-Key": "1"}
    first, again = (admin.post("/users", BEN, headers=key).get_json() for _ in range(2))
    assert first == again
    assert len(mail.mails) == 1


def test_a_mail_server_that_refuses(admin: Api, mail: MailServer) -> None:
    """The user is added, and the link of the answer works."""
    mail.refusal = "550 no"
    answer = admin.post("/users", BEN)
    assert answer.status_code == 201
    assert open_link(admin, answer.get_json()["invitation"]["link"]) == 200
