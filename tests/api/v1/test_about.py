"""Tests of /me, and of the fixtures for all tests of the management API."""

from callevents.api.v1.problems import ProblemType
from callevents.api_access.scopes import ApiScope
from callevents.db.models import Extension, Pbx
from callevents.enums import Role
from tests.api.v1.conftest import Api, MakeApi, check_problem, owner_of


def test_a_token_describes_itself(api: MakeApi, pbx: Pbx) -> None:
    """It names its owner, the owner's roles and its own scopes."""
    mine = api(Role.OPERATOR, ["hooks:read", "hooks:write"], pbx=pbx)
    answer = mine.get("/me")
    assert answer.status_code == 200
    assert answer.get_json() == {
        "kind": "token",
        "id": mine.token_id,
        "name": mine.name,
        "user": owner_of(mine).username,
        "roles": [{"role": "operator", "pbx": "head-office", "extension": None}],
        "scopes": ["hooks:read", "hooks:write"],
        "pbx": None,
    }


def test_a_limited_token_names_its_pbx(api: MakeApi, pbx: Pbx) -> None:
    """The PBX of the limit is in the answer; the scopes are all that were given."""
    answer = api(limited_to=pbx).get("/me").get_json()
    assert answer["pbx"] == "head-office"
    assert ApiScope.HOOKS_READ in answer["scopes"]


def test_the_owner_of_an_extension(api: MakeApi, pbx: Pbx, extension: Extension) -> None:
    """A role for one extension is shown as that of any user."""
    mine = api(Role.SELF_SERVICE, pbx=pbx, extension=extension)
    assert mine.get("/me").get_json()["roles"] == [
        {"role": "self-service", "pbx": "head-office", "extension": "101"}
    ]


def test_without_a_token(nobody: Api) -> None:
    """There is nothing to see, and the answer says how to send a token."""
    answer = nobody.get("/me")
    check_problem(answer, ProblemType.UNAUTHORIZED)
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_an_unknown_parameter(admin: Api) -> None:
    """A parameter that the operation does not have is an error, and is not repeated."""
    answer = admin.get("/me?colour=red")
    check_problem(answer, ProblemType.INVALID_REQUEST)
    assert "colour" not in answer.text
