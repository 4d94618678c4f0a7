"""Users by the management API: list, add, show, change, remove."""

from typing import Any

import pytest

from callevents.api.v1.problems import ProblemType
from callevents.db.models import AuditEntry, Extension, PasswordLink, Pbx, User
from callevents.db.session import begin_write
from callevents.enums import Role
from callevents.extensions import db
from callevents.users import users
from tests.api.v1.conftest import (
    PASSWORD,
    Api,
    MakeApi,
    check_actor,
    check_problem,
    last_entry,
    owner_of,
)
from tests.audit.conftest import actions, entries
from tests.users.signing_in import WRONG, sign_in

BEN = {"username": "ben", "roles": [{"role": "viewer"}]}
WRITES = [
    ("POST", "/users", BEN),
    ("PATCH", "/users/olga", {"disabled": True}),
    ("DELETE", "/users/olga", None),
    ("PUT", "/users/olga/grants", {"roles": [{"role": "viewer"}]}),
    ("POST", "/users/olga/invitation", None),
    ("POST", "/users/olga/password-reset", None),
]
READS = [("GET", "/users", None), ("GET", "/users/olga", None), ("GET", "/users/olga/grants", None)]


@pytest.fixture
def olga(pbx: Pbx, extension: Extension) -> User:
    """An operator of 'head-office' who also owns its extension 101."""
    begin_write()
    roles = [users.NewGrant(Role.OPERATOR, pbx)]
    roles.append(users.NewGrant(Role.SELF_SERVICE, pbx, extension))
    olga = users.add_user("olga", PASSWORD, *roles, email="olga@example.com")
    db.session.commit()
    return olga


def find(username: str) -> User | None:
    """Return the user as stored now."""
    db.session.rollback()
    return users.find_user(username)


def values(entry: AuditEntry) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Return what the entry says was done."""
    return entry.action, entry.before, entry.after


def test_a_user_is_shown_with_roles(admin: Api, olga: User) -> None:
    """Roles name PBX and extension; nothing secret is shown."""
    answer = admin.get("/users/Olga")
    assert answer.status_code == 200
    shown = answer.get_json()
    assert shown.pop("created_at").endswith("Z")
    assert shown == {
        "username": "olga",
        "email": "olga@example.com",
        "roles": [
            {"role": "operator", "pbx": "head-office", "extension": None},
            {"role": "self-service", "pbx": "head-office", "extension": "101"},
        ],
        "disabled": False,
        "state": "active",
        "last_sign_in_at": None,
    }
    again = admin.get("/users/olga", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_users_are_listed_in_pages(admin: Api) -> None:
    """The newest are first, each once, also while others are added."""
    for number in range(5):
        admin.post("/users", BEN | {"username": f"user{number}"})
    found, path = [], "/users?limit=2"
    while path:
        page = admin.get(path).get_json()
        found += [one["username"] for one in page["data"]]
        admin.post("/users", BEN | {"username": f"late{len(found)}"})
        cursor = page["next_cursor"]
        path = f"/users?limit=2&cursor={cursor}" if cursor else ""
    assert found == ["user4", "user3", "user2", "user1", "user0", admin.username]


def test_a_user_with_a_password(admin: Api, pbx: Pbx) -> None:
    """The user can sign in; the password is neither in the answer nor in the history."""
    roles = [{"role": "self-service", "pbx": "head-office", "extension": "102"}]
    body = {"username": " Ben ", "email": "ben@example.com", "roles": roles, "password": PASSWORD}
    answer = admin.post("/users", body)
    assert answer.status_code == 201
    made = answer.get_json()
    assert (made.pop("invitation"), made["username"], made["roles"]) == (None, "ben", roles)
    assert PASSWORD not in answer.text
    assert admin.get(answer.headers["Location"].removeprefix("/api/v1")).get_json() == made
    after = {"roles": ["self-service:head-office:102"], "email": "ben@example.com"}
    assert values(last_entry()) == ("user.added", {}, after)
    check_actor(last_entry(), admin)
    assert sign_in("ben", PASSWORD) == "ben"


def test_an_invited_user_gets_a_link(admin: Api) -> None:
    """The answer has the link once. It opens the page on which the user sets a password."""
    answer = admin.post("/users", BEN | {"email": "ben@example.com"})
    assert answer.status_code == 201
    made = answer.get_json()
    assert made["state"] == "invited"
    # Without a mail server nothing is sent.
    assert made["invitation"]["email_to"] is None
    link = made["invitation"]["link"]
    assert admin.app.test_client().get(link).status_code == 200
    assert values(last_entry())[0] == "user.invited"
    assert link not in admin.get("/users/ben").text


def test_a_name_that_needs_quoting(admin: Api) -> None:
    """Location is an address that works, whatever the name."""
    location = admin.post("/users", BEN | {"username": "jürgen #1%"}).headers["Location"]
    assert location == "/api/v1/users/j%C3%BCrgen%20%231%25"
    assert admin.get(location.removeprefix("/api/v1")).get_json()["username"] == "jürgen #1%"


def test_a_repeated_request_adds_one_user(admin: Api) -> None:
    """With the same key there is the same answer, with the same link, and one user."""
    key = {"Idempotency-Key": "ben-1"}
    first, again = (admin.post("/users", BEN, headers=key) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.get_json() == again.get_json()
    assert again.headers["Idempotent-Replayed"] == "true"
    check_problem(admin.post("/users", BEN), ProblemType.CONFLICT)


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"username": ""}, "#/username"),
        ({"username": "a/b"}, "#/username"),
        ({"username": "..."}, "#/username"),
        ({"username": "x" * 65}, "#/username"),
        ({"username": "tab\there"}, "#/username"),
        ({"email": "nobody"}, "#/email"),
        ({"email": "a..b@example.com"}, "#/email"),
        ({"email": None}, "#/email"),
        ({"password": "short"}, "#/password"),
        ({"password": "password1234"}, "#/password"),
        ({"roles": []}, "#/roles"),
        ({"roles": None}, "#/roles"),
        ({"roles": [{"role": "viewer"}] * 101}, "#/roles"),
        ({"roles": [{"role": "king"}]}, "#/roles/0/role"),
        ({"roles": [{"role": "viewer", "pbx": "elsewhere"}]}, "#/roles/0/pbx"),
        ({"roles": [{"role": "viewer", "pbx": ""}]}, "#/roles/0/pbx"),
        ({"roles": [{"role": "viewer"}, {"role": "self-service"}]}, "#/roles/1"),
        (
            {"roles": [{"role": "self-service", "pbx": "head-office", "extension": "nowhere"}]},
            "#/roles/0/extension",
        ),
        ({"roles": [{"role": "self-service", "extension": "101"}]}, "#/roles/0/extension"),
        (
            {"roles": [{"role": "admin", "pbx": "head-office", "extension": "101"}]},
            "#/roles/0",
        ),
        ({"admin": True}, "#/"),
    ],
)
def test_wrong_values_are_pointed_to(
    admin: Api, pbx: Pbx, changes: dict[str, Any], pointer: str
) -> None:
    """The error says where and what, repeats nothing, and no user is added."""
    answer = admin.post("/users", BEN | changes)
    check_problem(answer, ProblemType.INVALID_REQUEST, pointer)
    words = ("elsewhere", "nowhere", "king", "password1234", "nobody")
    assert not any(word in answer.text for word in words)
    assert find("ben") is None
    assert actions(object_kind="user", actor_kind="token") == []


def test_a_patch_is_one_change(admin: Api, olga: User) -> None:
    """Address and roles are one entry of the history; a field that is left out stays."""
    roles = [{"role": "viewer"}, {"role": "admin", "pbx": "head-office"}]
    changed = admin.patch("/users/olga", {"email": "o@example.com", "roles": roles})
    assert changed.status_code == 200
    assert [one["role"] for one in changed.get_json()["roles"]] == ["viewer", "admin"]
    before = {
        "email": "olga@example.com",
        "roles": ["operator:head-office", "self-service:head-office:101"],
    }
    after = {"email": "o@example.com", "roles": ["viewer", "admin:head-office"]}
    [entry] = entries(object_kind="user", actor_kind="token")
    assert values(entry) == ("user.changed", before, after)
    check_actor(entry, admin)
    answer = admin.patch("/users/olga", {"email": None}).get_json()
    assert (answer["email"], len(answer["roles"])) == ("", 2)
    assert changed.headers["ETag"] != admin.get("/users/olga").headers["ETag"]


def test_disable_and_enable(admin: Api, olga: User) -> None:
    """A disabled user cannot sign in. The same once more changes nothing and is no entry."""
    for _ in range(2):
        answer = admin.patch("/users/olga", {"disabled": True}).get_json()
        assert (answer["disabled"], answer["state"]) == (True, "disabled")
    assert sign_in("olga", PASSWORD) == WRONG
    for _ in range(2):
        assert admin.patch("/users/olga", {"disabled": None}).get_json()["disabled"] is False
    assert sign_in("olga", PASSWORD) == "olga"
    done = actions(object_kind="user", actor_kind="token")
    assert done == ["user.disabled", "user.enabled"]


def test_a_wrong_patch_changes_nothing(admin: Api, olga: User) -> None:
    """If one value is wrong, the others are not stored either."""
    body = {"email": "new@example.com", "disabled": True, "roles": [{"role": "self-service"}]}
    check_problem(admin.patch("/users/olga", body), ProblemType.INVALID_REQUEST, "#/roles/0")
    shown = admin.get("/users/olga").get_json()
    assert (shown["email"], shown["disabled"]) == ("olga@example.com", False)
    check_problem(admin.patch("/users/olga", {"roles": None}), ProblemType.INVALID_REQUEST)
    assert actions(object_kind="user", actor_kind="token") == []


def test_only_the_current_version_is_changed(admin: Api, olga: User) -> None:
    """With the ETag of an older version there is a 412 and no change."""
    old = admin.get("/users/olga").headers["ETag"]
    assert admin.patch("/users/olga", {"email": ""}, headers={"If-Match": old}).status_code == 200
    for method, body in (("PATCH", {"disabled": True}), ("DELETE", None)):
        answer = admin.send(method, "/users/olga", json=body, headers={"If-Match": old})
        check_problem(answer, ProblemType.PRECONDITION_FAILED)
    current = admin.get("/users/olga").headers["ETag"]
    assert admin.delete("/users/olga", headers={"If-Match": current}).status_code == 204
    assert find("olga") is None


def test_remove_a_user(admin: Api, olga: User) -> None:
    """The user is gone; the history says what the roles were."""
    assert admin.delete("/users/olga").status_code == 204
    check_problem(admin.get("/users/olga"), ProblemType.NOT_FOUND)
    check_problem(admin.delete("/users/olga"), ProblemType.NOT_FOUND)
    assert last_entry().action == "user.removed"
    check_actor(last_entry(), admin)


@pytest.mark.parametrize(
    ("method", "body"),
    [("PATCH", {"disabled": True}), ("PATCH", {"roles": [{"role": "viewer"}]}), ("DELETE", None)],
)
def test_the_last_enabled_admin_stays(admin: Api, method: str, body: dict[str, Any] | None) -> None:
    """While the caller's owner cannot sign in, the other admin is the last one."""
    begin_write()
    users.add_user("boss", PASSWORD, Role.ADMIN)
    owner_of(admin).password_hash = ""
    db.session.commit()
    answer = admin.send(method, "/users/boss", json=body)
    assert "last enabled admin" in check_problem(answer, ProblemType.CONFLICT)["detail"]
    boss = find("boss")
    assert boss is not None
    assert (boss.disabled_at, boss.is_admin) == (None, True)


@pytest.mark.parametrize(("method", "path", "body"), WRITES[1:])
def test_the_owner_of_the_token_stays(
    admin: Api, olga: User, method: str, path: str, body: dict[str, Any] | None
) -> None:
    """As on the pages, only another admin changes an admin's account."""
    own = path.replace("olga", admin.username)
    check_problem(admin.send(method, own, json=body), ProblemType.CONFLICT)
    assert admin.get("/me").status_code == 200


@pytest.mark.parametrize(("method", "path", "body"), READS + WRITES)
def test_only_admins_of_all_pbxs(
    api: MakeApi,
    olga: User,
    pbx: Pbx,
    extension: Extension,
    method: str,
    path: str,
    body: dict[str, Any] | None,
) -> None:
    """Others get a 403, also an admin of one PBX; a token for one PBX has no such scope."""
    for role in (Role.OPERATOR, Role.VIEWER):
        answer = api(role).send(method, path, json=body)
        check_problem(answer, ProblemType.FORBIDDEN)
    own = api(Role.SELF_SERVICE, pbx=pbx, extension=extension)
    check_problem(own.send(method, path, json=body), ProblemType.FORBIDDEN)
    check_problem(api(pbx=pbx).send(method, path, json=body), ProblemType.FORBIDDEN)
    limited = api(limited_to=pbx).send(method, path, json=body)
    check_problem(limited, ProblemType.INSUFFICIENT_SCOPE)
    scope = "users:read" if method == "GET" else "users:write"
    others = api(scopes=[one for one in ("users:read", "users:write") if one != scope])
    answer = others.send(method, path, json=body)
    assert scope in check_problem(answer, ProblemType.INSUFFICIENT_SCOPE)["detail"]
    assert api(scopes=[scope]).send(method, path, json=body).status_code in {200, 201, 204, 409}


@pytest.mark.parametrize("name", ["nobody", "%00", "%FF", "x" * 10_000, "a%2Fb", "..", "%0A"])
def test_no_such_user(admin: Api, name: str) -> None:
    """Whatever the name, it is a 404."""
    for method, path, body in READS[1:] + WRITES[1:]:
        answer = admin.send(method, path.replace("olga", name), json=body)
        assert answer.status_code in {404, 405}
        assert answer.content_type == "application/problem+json"


def test_links_are_stored_as_digests(admin: Api) -> None:
    """What is stored does not open the link."""
    link = admin.post("/users", BEN).get_json()["invitation"]["link"]
    db.session.rollback()
    [stored] = db.session.scalars(db.select(PasswordLink)).all()
    assert stored.digest not in link
