"""API tokens by the management API: list, create, show, revoke."""

from datetime import timedelta
from typing import Any

import pytest

from callevents.api.v1.problems import ProblemType
from callevents.api_access import api_tokens
from callevents.db.models import ApiToken, Pbx, utc_now
from callevents.db.session import begin_write
from callevents.enums import Role
from callevents.extensions import db
from callevents.users import users
from tests.api.v1.conftest import (
    Api,
    MakeApi,
    check_actor,
    check_problem,
    last_entry,
    owner_of,
)

NEW = {"name": "CRM import", "scopes": ["hooks:read"]}
SCOPES = ["tokens:read", "tokens:write"]
LATER = "2099-01-01T00:00:00.000Z"


def listed(api: Api, **query: Any) -> list[str]:
    """Return the IDs of the tokens that the program sees."""
    answer = api.get("/tokens", query_string=query)
    assert answer.status_code == 200
    return [one["id"] for one in answer.get_json()["data"]]


def test_a_new_token_works(api: MakeApi) -> None:
    """Its text is in the answer once, and it has the scopes that were asked for."""
    mine = api(Role.VIEWER)
    answer = mine.post("/tokens", NEW | {"expires_at": LATER})
    assert answer.status_code == 201
    made = answer.get_json()
    text = made.pop("token")
    assert made["begins_with"] == text[:9]
    assert made["expires_at"] == LATER
    location = answer.headers["Location"].removeprefix("/api/v1")
    assert mine.get(location).get_json() == made
    me = Api(mine.app, text).get("/me").get_json()
    expected = (made["id"], mine.username, ["hooks:read"], None)
    assert (me["id"], me["user"], me["scopes"], me["pbx"]) == expected
    assert text not in mine.get("/tokens").text


def test_the_history_names_the_token(api: MakeApi) -> None:
    """It says which token made another one, what for, and what it got; not its text."""
    mine = api(Role.VIEWER)
    text = mine.post("/tokens", NEW).get_json()["token"]
    entry = last_entry()
    assert (entry.action, entry.object_name) == ("api_token.added", "CRM import")
    assert entry.after == {"owner": mine.username, "scopes": ["hooks:read"]}
    assert text not in str(entry.after)
    check_actor(entry, mine)


def test_a_repeated_request_makes_one_token(api: MakeApi) -> None:
    """With the same key there is the same text again, which is stored encrypted."""
    mine, key = api(Role.VIEWER), {"Idempotency-Key": "1"}
    first, again = (mine.post("/tokens", NEW, headers=key).get_json() for _ in range(2))
    assert first == again
    assert len(listed(mine)) == 2


def test_a_token_for_another_user(api: MakeApi) -> None:
    """Only an admin of all PBXs makes one; others learn nothing about names."""
    admin, viewer = api(), api(Role.VIEWER)
    made = admin.post("/tokens", NEW | {"user": viewer.username.upper()}).get_json()
    assert made["user"] == viewer.username
    assert made["id"] in listed(viewer)
    for name in (admin.username, "nobody"):
        check_problem(viewer.post("/tokens", NEW | {"user": name}), ProblemType.FORBIDDEN)
    answer = admin.post("/tokens", NEW | {"user": "nobody"})
    check_problem(answer, ProblemType.INVALID_REQUEST, "#/user")
    own = viewer.post("/tokens", NEW | {"user": viewer.username})
    assert own.status_code == 201


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"name": " "}, "#/name"),
        ({"name": "x" * 101}, "#/name"),
        ({"scopes": []}, "#/scopes"),
        ({"scopes": ["secret:word"]}, "#/scopes/0"),
        ({"scopes": ["uapi"]}, "#/scopes/0"),
        ({"scopes": "hooks:read"}, "#/scopes"),
        ({"pbx": "unknown"}, "#/pbx"),
        ({"pbx": "branch"}, "#/pbx"),
        ({"expires_at": "2001-01-01T00:00:00Z"}, "#/expires_at"),
        ({"expires_at": "2099-01-01T00:00:00"}, "#/expires_at"),
        ({"expires_at": "0001-01-01T00:00:00+14:00"}, "#/expires_at"),
        ({"expires_at": "tomorrow"}, "#/expires_at"),
    ],
)
def test_wrong_values_are_pointed_to(
    api: MakeApi, pbx: Pbx, other_pbx: Pbx, changes: dict[str, Any], pointer: str
) -> None:
    """The error says where and what, and repeats nothing. A PBX that is not seen is none."""
    mine = api(Role.OPERATOR, pbx=pbx)
    answer = mine.post("/tokens", NEW | changes)
    check_problem(answer, ProblemType.INVALID_REQUEST, pointer)
    assert not any(word in answer.text for word in ("unknown", "branch", "secret", "tomorrow"))
    assert listed(mine) == [mine.token_id]


def test_too_many_tokens(api: MakeApi) -> None:
    """A user has at most 100."""
    mine = api(Role.VIEWER)
    begin_write()
    owner = owner_of(mine)
    for number in range(api_tokens.MAX_TOKENS - 1):
        api_tokens.add_api_token(owner, f"token {number}", ["hooks:read"])
    db.session.commit()
    check_problem(mine.post("/tokens", NEW), ProblemType.CONFLICT)


def test_who_sees_which_tokens(api: MakeApi, pbx: Pbx, other_pbx: Pbx) -> None:
    """Everyone sees their own, an admin of all PBXs all, a limited token those of its PBX."""
    admin, viewer, of_one = api(), api(Role.VIEWER), api(pbx=pbx)
    begin_write()
    owner = owner_of(admin)
    of_branch, _ = api_tokens.add_api_token(owner, "of branch", SCOPES, pbx=other_pbx)
    of_pbx, text = api_tokens.add_api_token(owner, "of head office", SCOPES, pbx=pbx)
    ids = of_branch.id, of_pbx.id
    db.session.commit()
    limited = Api(admin.app, text, "of head office", ids[1], admin.username)
    assert set(listed(admin)) == {admin.token_id, viewer.token_id, of_one.token_id, *ids}
    assert listed(admin, user=viewer.username) == [viewer.token_id]
    for one in (viewer, of_one, limited):
        assert listed(one) == [one.token_id]
        assert one.get(f"/tokens/{one.token_id}").status_code == 200
        for method in ("GET", "DELETE"):
            answer = one.send(method, f"/tokens/{ids[0]}")
            check_problem(answer, ProblemType.NOT_FOUND)
    for name, one in ((admin.username, viewer), ("nobody", viewer), ("nobody", admin)):
        answer = one.get("/tokens", query_string={"user": name})
        check_problem(answer, ProblemType.INVALID_REQUEST, "?user")
    assert len(listed(admin)) == 5


def test_tokens_are_listed_in_pages(api: MakeApi) -> None:
    """The newest are first, each once."""
    mine = api(Role.VIEWER)
    made = [mine.post("/tokens", NEW).get_json()["id"] for _ in range(3)]
    first = mine.get("/tokens?limit=2").get_json()
    second = mine.get(f"/tokens?limit=2&cursor={first['next_cursor']}").get_json()
    found = [one["id"] for page in (first, second) for one in page["data"]]
    assert found == [*reversed(made), mine.token_id]
    assert second["next_cursor"] is None


def test_revoke_a_token(api: MakeApi) -> None:
    """It is invalid at once, which is in the history."""
    mine = api(Role.VIEWER)
    made = mine.post("/tokens", NEW).get_json()
    assert mine.delete(f"/tokens/{made['id']}").status_code == 204
    check_problem(Api(mine.app, made["token"]).get("/me"), ProblemType.UNAUTHORIZED)
    check_problem(mine.delete(f"/tokens/{made['id']}"), ProblemType.NOT_FOUND)
    assert last_entry().action == "api_token.revoked"
    check_actor(last_entry(), mine)


def test_a_token_revokes_itself(api: MakeApi) -> None:
    """The answer is still a 204, the next one a 401."""
    mine = api(Role.VIEWER)
    assert mine.delete(f"/tokens/{mine.token_id}").status_code == 204
    check_problem(mine.get("/tokens"), ProblemType.UNAUTHORIZED)


def test_an_admin_revokes_any_token(api: MakeApi) -> None:
    """That of another user, also with fewer scopes than it has."""
    admin, viewer = api(scopes=["tokens:write"]), api(Role.VIEWER)
    assert admin.delete(f"/tokens/{viewer.token_id}").status_code == 204
    check_problem(viewer.get("/me"), ProblemType.UNAUTHORIZED)


def test_only_the_current_version_is_revoked(api: MakeApi) -> None:
    """A token that reads its own entry gets the current version, however old the last use is."""
    mine = api(Role.VIEWER)
    begin_write()
    row = db.session.get_one(ApiToken, mine.token_id)
    row.last_used_at = utc_now() - timedelta(hours=1)
    db.session.commit()
    path = f"/tokens/{mine.token_id}"
    answer = mine.get(path)
    assert answer.get_json()["last_used_address"] == "127.0.0.1"
    wrong = mine.delete(path, headers={"If-Match": '"x"'})
    check_problem(wrong, ProblemType.PRECONDITION_FAILED)
    done = mine.delete(path, headers={"If-Match": answer.headers["ETag"]})
    assert done.status_code == 204


@pytest.mark.parametrize("token_id", ["x", "%00", "%FF", "x" * 10_000, "0" * 32])
def test_no_such_token(api: MakeApi, token_id: str) -> None:
    """Whatever the ID, it is a 404."""
    mine = api(Role.VIEWER)
    for method in ("GET", "DELETE"):
        check_problem(mine.send(method, f"/tokens/{token_id}"), ProblemType.NOT_FOUND)


def test_scopes_are_needed(api: MakeApi) -> None:
    """Reading needs tokens:read, changing tokens:write."""
    reader, writer = api(scopes=["tokens:read"]), api(scopes=["tokens:write"])
    own = f"/tokens/{reader.token_id}"
    for method, path, body in (("POST", "/tokens", NEW), ("DELETE", own, None)):
        answer = reader.send(method, path, json=body)
        check_problem(answer, ProblemType.INSUFFICIENT_SCOPE)
    for path in ("/tokens", own):
        check_problem(writer.get(path), ProblemType.INSUFFICIENT_SCOPE)


def test_the_tokens_of_a_disabled_user(api: MakeApi) -> None:
    """They are listed, and they do not work."""
    admin, viewer = api(), api(Role.VIEWER)
    admin.patch(f"/users/{viewer.username}", {"disabled": True})
    check_problem(viewer.get("/me"), ProblemType.UNAUTHORIZED)
    assert listed(admin, user=viewer.username) == [viewer.token_id]
    assert users.find_user(viewer.username) is not None
