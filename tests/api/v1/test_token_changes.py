"""Changes of API tokens by the management API."""

from datetime import timedelta
from typing import Any

import pytest

from callevents.api.v1.models import format_moment
from callevents.api.v1.problems import ProblemType
from callevents.db.models import ApiToken, Pbx, utc_now
from callevents.db.session import begin_write
from callevents.enums import Role
from callevents.extensions import db
from tests.api.v1.conftest import Api, MakeApi, check_actor, check_problem, last_entry

SCOPES = ["tokens:read", "tokens:write", "hooks:read", "hooks:write"]
NEW = {"name": "CRM import", "scopes": ["hooks:read"]}
LATER = "2099-01-01T00:00:00.000Z"


def make(mine: Api, **values: Any) -> tuple[str, Api]:
    """Create a token; return its path, and the program that has it."""
    made = mine.post("/tokens", NEW | values).get_json()
    return f"/tokens/{made['id']}", Api(mine.app, made["token"])


def let_expire(mine: Api) -> str:
    """Let the program's token expire tomorrow; return when."""
    begin_write()
    token = db.session.get_one(ApiToken, mine.token_id)
    token.expires_at = utc_now() + timedelta(days=1)
    moment = format_moment(token.expires_at)
    db.session.commit()
    return moment


def test_a_change_works_at_once(api: MakeApi) -> None:
    """What is left out stays, and so does the token's text; the history says what differs."""
    mine = api(Role.VIEWER, SCOPES)
    path, other = make(mine)
    assert other.get("/hooks").status_code == 200
    changed = mine.patch(path, {"name": "CRM", "scopes": ["tokens:read"], "expires_at": LATER})
    assert changed.status_code == 200
    values = changed.get_json()
    assert (values["name"], values["scopes"]) == ("CRM", ["tokens:read"])
    assert values["expires_at"] == LATER
    entry = last_entry()
    assert (entry.action, entry.object_name) == ("api_token.changed", "CRM")
    assert entry.before == {"name": "CRM import", "scopes": ["hooks:read"]}
    check_actor(entry, mine)
    check_problem(other.get("/hooks"), ProblemType.INSUFFICIENT_SCOPE)
    assert other.get(path).get_json() == values
    assert mine.patch(path, {"expires_at": None}).get_json()["expires_at"] is None
    last = last_entry().id
    assert mine.patch(path, {"name": "CRM"}).status_code == 200
    assert last_entry().id == last


def test_versions(api: MakeApi) -> None:
    """A change of another version than the one that was read is refused."""
    mine = api(Role.VIEWER, SCOPES)
    path, _ = make(mine)
    headers = {"If-Match": mine.get(path).headers["ETag"]}
    changed = mine.patch(path, {"name": "CRM"}, headers=headers)
    assert changed.status_code == 200
    assert changed.headers["ETag"] == mine.get(path).headers["ETag"]
    check_problem(mine.patch(path, {"name": "x"}, headers=headers), ProblemType.PRECONDITION_FAILED)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"name": ""}, "#/name"),
        ({"name": None}, "#/name"),
        ({"scopes": []}, "#/scopes"),
        ({"scopes": ["geheim"]}, "#/scopes/0"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "#/expires_at"),
        ({"user": "geheim"}, "#/"),
    ],
)
def test_invalid_values(api: MakeApi, body: dict[str, Any], pointer: str) -> None:
    """Nothing changes."""
    mine = api(Role.VIEWER, SCOPES)
    path, _ = make(mine)
    before = mine.get(path).get_json()
    check_problem(mine.patch(path, body), ProblemType.INVALID_REQUEST, pointer)
    assert mine.get(path).get_json() == before


def test_no_token_gets_more_than_the_caller_has(api: MakeApi) -> None:
    """Neither scopes nor time, and one with more scopes is not changed at all."""
    admin = api()
    strong, _ = make(admin, scopes=["users:write"])
    plain, _ = make(admin)
    weak = api(scopes=["tokens:write", "tokens:read", "hooks:read"])
    check_problem(weak.patch(strong, {"name": "x"}), ProblemType.FORBIDDEN)
    answer = weak.patch(plain, {"scopes": ["hooks:read", "hooks:write"]})
    check_problem(answer, ProblemType.INSUFFICIENT_SCOPE)
    own = f"/tokens/{weak.token_id}"
    moment = let_expire(weak)
    for expires_at in (None, LATER):
        answer = weak.patch(own, {"expires_at": expires_at})
        check_problem(answer, ProblemType.INVALID_REQUEST, "#/expires_at")
    assert weak.patch(own, {"expires_at": moment}).status_code == 200
    # The other one does not expire: it may lose scopes, and get none.
    answer = weak.patch(plain, {"scopes": ["hooks:read", "tokens:read"]})
    check_problem(answer, ProblemType.INVALID_REQUEST, "#/expires_at")
    assert weak.patch(plain, {"name": "fine", "scopes": ["hooks:read"]}).status_code == 200


def test_tokens_of_others(api: MakeApi, pbx: Pbx, other_pbx: Pbx) -> None:
    """Only admins of all PBXs change them; for all others there are none."""
    path, _ = make(api(Role.VIEWER, SCOPES))
    check_problem(api(Role.OPERATOR).patch(path, {"name": "x"}), ProblemType.NOT_FOUND)
    check_problem(api(limited_to=pbx).patch(path, {"name": "x"}), ProblemType.NOT_FOUND)
    assert api().patch(path, {"name": "x"}).status_code == 200
