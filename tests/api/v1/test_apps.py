"""OAuth 2.0 apps by the management API: list, add, change, give another secret, remove."""

from datetime import timedelta
from typing import Any

import pytest

from callevents.api.v1.problems import ProblemType
from callevents.api_access import app_tokens, apps
from callevents.api_access.scopes import split_scopes
from callevents.db.models import ApiToken, Extension, OAuthApp, Pbx, utc_now
from callevents.db.session import begin_write
from callevents.enums import Role
from callevents.extensions import db
from tests.api.v1.conftest import (
    Api,
    MakeApi,
    check_actor,
    check_problem,
    last_entry,
)
from tests.audit.conftest import entries

BACK = "https://portal.example.com/oauth"
NEW = {"name": "Portal", "scopes": ["uapi", "hooks:read"], "redirect_uris": [BACK]}
READS = [("GET", "/apps", None), ("GET", "/apps/ID", None)]
WRITES = [
    ("POST", "/apps", NEW),
    ("PATCH", "/apps/ID", {"name": "Other"}),
    ("POST", "/apps/ID/secret", None),
    ("DELETE", "/apps/ID", None),
]


def add(api: Api, **changes: Any) -> dict[str, Any]:
    """Add an app; return the answer."""
    answer = api.post("/apps", NEW | changes)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.get_json()
    return made


def get(client_id: str) -> OAuthApp:
    """Return the app as stored now."""
    db.session.rollback()
    return apps.get_app(client_id)


def act_as(api: Api, client_id: str) -> Api:
    """Return a program with an access token of the app, for its owner."""
    begin_write()
    app = apps.get_app(client_id)
    issued = app_tokens.issue_to_owner(app, split_scopes(app.scopes))
    made = Api(api.app, issued.access_token, app.name, app.id, app.user.username)
    db.session.commit()
    return made


def expire(api: Api) -> None:
    """Let the program's token expire in an hour."""
    begin_write()
    db.session.get_one(ApiToken, api.token_id).expires_at = utc_now() + timedelta(hours=1)
    db.session.commit()


def test_a_new_app(admin: Api) -> None:
    """The secret is in the answer once; the app is what was asked for, and is found again."""
    answer = admin.post("/apps", NEW)
    assert answer.status_code == 201
    made = answer.get_json()
    secret = made.pop("client_secret")
    assert apps.is_secret_of(get(made["client_id"]), secret)
    location = answer.headers["Location"].removeprefix("/api/v1")
    assert admin.get(location).get_json() == made
    assert made.pop("created_at").endswith("Z")
    assert made == {
        "client_id": location.removeprefix("/apps/"),
        "name": "Portal",
        "user": admin.username,
        "scopes": ["uapi", "hooks:read"],
        "pbx": None,
        "redirect_uris": [BACK],
        "last_used_at": None,
        "last_used_address": "",
    }
    entry = last_entry()
    assert (entry.action, entry.object_name) == ("app.added", "Portal")
    assert secret not in str(entry.after)
    check_actor(entry, admin)


def test_an_app_of_another_user(api: MakeApi, pbx: Pbx) -> None:
    """It has the rights of its owner, and is limited to the PBX."""
    admin, viewer = api(), api(Role.VIEWER)
    made = add(admin, user=viewer.username, pbx="head-office", scopes=["hooks:read"])
    assert (made["user"], made["pbx"]) == (viewer.username, "head-office")
    me = act_as(admin, made["client_id"]).get("/me").get_json()
    assert (me["kind"], me["user"], me["roles"][0]["role"]) == ("app", viewer.username, "viewer")


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"name": ""}, "#/name"),
        ({"scopes": []}, "#/scopes"),
        ({"scopes": ["secret:word"]}, "#/scopes/0"),
        ({"user": "nobody"}, "#/user"),
        ({"pbx": "elsewhere"}, "#/pbx"),
        ({"redirect_uris": ["http://portal.example.com/back"]}, "#/redirect_uris"),
        ({"redirect_uris": ["https://portal.example.com/#x"]}, "#/redirect_uris"),
        ({"redirect_uris": [BACK, 5]}, "#/redirect_uris/1"),
        ({"redirect_uris": [f"{BACK}/{number}" for number in range(21)]}, "#/redirect_uris"),
        ({"client_id": "mine"}, "#/"),
    ],
)
def test_wrong_values_are_pointed_to(
    admin: Api, pbx: Pbx, changes: dict[str, Any], pointer: str
) -> None:
    """The error says where and what, and repeats nothing; no app is added."""
    answer = admin.post("/apps", NEW | changes)
    check_problem(answer, ProblemType.INVALID_REQUEST, pointer)
    assert not any(word in answer.text for word in ("portal", "elsewhere", "nobody", "secret:"))
    assert admin.get("/apps").get_json()["data"] == []


def test_apps_are_listed_in_pages(admin: Api) -> None:
    """The newest are first, each once, also if two were added in the same millisecond."""
    made = [add(admin, name=f"app {number}")["client_id"] for number in range(5)]
    begin_write()
    for client_id in made[1:4]:
        apps.get_app(client_id).created_at = apps.get_app(made[1]).created_at
    db.session.commit()
    found, path = [], "/apps?limit=2"
    while path:
        page = admin.get(path).get_json()
        found += [one["client_id"] for one in page["data"]]
        path = page["next_cursor"] and f"/apps?limit=2&cursor={page['next_cursor']}"
    assert (found[0], found[-1]) == (made[4], made[0])
    assert found[1:4] == sorted(made[1:4], reverse=True)


def test_a_patch_changes_what_it_names(admin: Api) -> None:
    """The other values stay. It is one entry of the history; the same again is none."""
    path = f"/apps/{add(admin)['client_id']}"
    for _ in range(2):
        answer = admin.patch(path, {"name": "Intranet", "scopes": ["hooks:read"]})
        assert answer.status_code == 200
    shown = answer.get_json()
    values = (shown["name"], shown["scopes"], shown["redirect_uris"])
    assert values == ("Intranet", ["hooks:read"], [BACK])
    assert admin.patch(path, {"redirect_uris": None}).get_json()["redirect_uris"] == []
    [first, second] = entries(action="app.changed")
    assert set(first.after) == {"name", "scopes"}
    assert second.before == {"redirect_uris": [BACK]}
    check_actor(first, admin)
    for body in ({"name": None}, {"name": ""}, {"scopes": None}, {"scopes": []}, {"user": "x"}):
        check_problem(admin.patch(path, body), ProblemType.INVALID_REQUEST)


def test_only_the_current_version_is_changed(admin: Api) -> None:
    """With the ETag of an older version there is a 412 and no change."""
    path = f"/apps/{add(admin)['client_id']}"
    old = {"If-Match": admin.get(path).headers["ETag"]}
    changed = admin.patch(path, {"name": "Intranet"}, headers=old)
    assert changed.headers["ETag"] == admin.get(path).headers["ETag"]
    for answer in (admin.patch(path, {"name": "x"}, headers=old), admin.delete(path, headers=old)):
        check_problem(answer, ProblemType.PRECONDITION_FAILED)
    current = {"If-Match": changed.headers["ETag"]}
    assert admin.delete(path, headers=current).status_code == 204


def test_another_secret(admin: Api) -> None:
    """The old secret is invalid, and so are the tokens that the app got with it."""
    made = add(admin, scopes=["tokens:read"])
    program = act_as(admin, made["client_id"])
    assert program.get("/me").status_code == 200
    answer = admin.post(f"/apps/{made['client_id']}/secret")
    assert answer.status_code == 200
    renewed = answer.get_json()
    assert renewed["client_id"] == made["client_id"]
    stored = get(made["client_id"])
    assert apps.is_secret_of(stored, renewed["client_secret"])
    assert not apps.is_secret_of(stored, made["client_secret"])
    check_problem(program.get("/me"), ProblemType.UNAUTHORIZED)
    assert last_entry().action == "app.secret_changed"
    check_actor(last_entry(), admin)


def test_remove_an_app(admin: Api) -> None:
    """The app and its tokens are gone."""
    made = add(admin)
    program = act_as(admin, made["client_id"])
    assert admin.delete(f"/apps/{made['client_id']}").status_code == 204
    check_problem(program.get("/me"), ProblemType.UNAUTHORIZED)
    for method, path, body in READS[1:] + WRITES[1:]:
        answer = admin.send(method, path.replace("ID", made["client_id"]), json=body)
        check_problem(answer, ProblemType.NOT_FOUND)
    assert last_entry().action == "app.removed"
    check_actor(last_entry(), admin)


@pytest.mark.parametrize(("method", "path", "body"), READS + WRITES)
def test_only_admins_of_all_pbxs(
    api: MakeApi,
    pbx: Pbx,
    extension: Extension,
    method: str,
    path: str,
    body: dict[str, Any] | None,
) -> None:
    """Others get a 403: operators, viewers, admins of one PBX, tokens that are limited to one."""
    path = path.replace("ID", add(api())["client_id"])
    for role in (Role.OPERATOR, Role.VIEWER):
        check_problem(api(role).send(method, path, json=body), ProblemType.FORBIDDEN)
    own = api(Role.SELF_SERVICE, pbx=pbx, extension=extension)
    for one in (own, api(pbx=pbx), api(limited_to=pbx)):
        check_problem(one.send(method, path, json=body), ProblemType.FORBIDDEN)
    scope = "tokens:read" if method == "GET" else "tokens:write"
    [other] = {"tokens:read", "tokens:write"} - {scope}
    answer = api(scopes=[other]).send(method, path, json=body)
    assert scope in check_problem(answer, ProblemType.INSUFFICIENT_SCOPE)["detail"]


def test_what_gives_more_scopes_is_refused(api: MakeApi) -> None:
    """A token with fewer scopes neither adds nor changes such an app, nor gets its secret."""
    admin, narrow = api(), api(scopes=["tokens:read", "tokens:write", "hooks:read"])
    wide = f"/apps/{add(admin)['client_id']}"
    own = f"/apps/{add(narrow, scopes=['hooks:read'])['client_id']}"
    for scopes in (["pbxs:write"], ["uapi"], ["hooks:read", "hooks:write"]):
        answer = narrow.post("/apps", NEW | {"scopes": scopes})
        check_problem(answer, ProblemType.INSUFFICIENT_SCOPE)
        answer = narrow.patch(own, {"scopes": scopes})
        check_problem(answer, ProblemType.INSUFFICIENT_SCOPE)
    for answer in (
        narrow.post(f"{wide}/secret"),
        narrow.patch(wide, {"redirect_uris": ["https://evil.example.com/"]}),
        narrow.patch(wide, {"scopes": ["hooks:read"]}),
    ):
        assert "uapi" in check_problem(answer, ProblemType.FORBIDDEN)["detail"]
    assert narrow.post(f"{own}/secret").status_code == 200
    # To take something away is no gain.
    assert narrow.delete(wide).status_code == 204
    assert len(entries(actor_name=narrow.name, object_kind="app")) == 3


def test_what_lasts_longer_is_refused(admin: Api) -> None:
    """A token that expires makes no app, no secret and no wider app.

    Nor does an app, whose tokens expire.
    """
    made = add(admin, scopes=["tokens:read", "tokens:write"])
    program = act_as(admin, made["client_id"])
    expire(admin)
    body = NEW | {"scopes": ["tokens:read"]}
    for one in (admin, program):
        check_problem(one.post("/apps", body), ProblemType.FORBIDDEN)
        check_problem(one.post(f"/apps/{made['client_id']}/secret"), ProblemType.FORBIDDEN)
        path = f"/apps/{made['client_id']}"
        more = {"scopes": ["tokens:read", "tokens:write", "hooks:read"]}
        check_problem(one.patch(path, more), ProblemType.FORBIDDEN)
        assert one.patch(path, {"name": one.name}).status_code == 200
    last = last_entry()
    assert (last.actor_kind, last.actor_id) == ("app", made["client_id"])


@pytest.mark.parametrize("client_id", ["x", "%00", "%FF", "x" * 10_000, "%0A"])
def test_no_such_app(admin: Api, client_id: str) -> None:
    """Whatever the ID, it is a 404."""
    for method, path, body in READS[1:] + WRITES[1:]:
        answer = admin.send(method, path.replace("ID", client_id), json=body)
        check_problem(answer, ProblemType.NOT_FOUND)


def test_uapi_needs_the_scopes_of_requests(api: MakeApi) -> None:
    """UnifiedAPI manages requests, so who may pass these scopes on may pass uapi on."""
    writer = api(scopes=["tokens:write", "hooks:read", "hooks:write"])
    assert add(writer, scopes=["uapi"])["scopes"] == ["uapi"]
    reader = api(scopes=["tokens:write", "hooks:read"])
    answer = reader.post("/apps", NEW | {"scopes": ["uapi"]})
    assert "hooks:write" in check_problem(answer, ProblemType.INSUFFICIENT_SCOPE)["detail"]
