"""Slow work before a change is not in its transaction, in which rights count as they are then."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from callevents.api.v1 import make_blueprint
from callevents.api.v1.call import Call
from callevents.api.v1.models import NoQuery
from callevents.api.v1.operations import Created, Registry
from callevents.api.v1.problems import ProblemType
from callevents.api_access import api_tokens
from callevents.api_access.scopes import ApiScope
from callevents.db.models import ApiToken, Pbx
from callevents.db.session import begin_write
from callevents.enums import Role
from callevents.extensions import db
from callevents.pbxs import pbxs
from callevents.users import lifecycle
from callevents.users.grants import NewGrant
from tests.api.v1.conftest import Api, check_problem
from tests.api.v1.things import AddedThing, NewThing

Act = Callable[[ApiToken], object]
KEY = {"Idempotency-Key": "1"}


def nothing(_token: ApiToken) -> None:
    """Change nothing."""


def disable(token: ApiToken) -> None:
    """Disable the owner of the token, who is not the only admin."""
    lifecycle.disable_user(token.user)


def demote(token: ApiToken) -> None:
    """Make the owner of the token a viewer."""
    lifecycle.change_roles(token.user, [NewGrant(Role.VIEWER)])


def narrow(token: ApiToken) -> None:
    """Take all but one scope away."""
    token.scopes = ApiScope.HOOKS_READ


def serve(app: Flask, act: Act) -> None:
    """Add an operation during which this happens."""
    registry = Registry()

    def prepare(call: Call[NoQuery, NewThing]) -> str:
        begin_write()
        act(db.session.get_one(ApiToken, call.principal.actor_id))
        db.session.commit()
        return call.body.name.upper()

    @registry.operation(
        "POST",
        "/slow-things",
        scope=ApiScope.PBXS_WRITE,
        summary="Add a thing slowly",
        tag="Things",
        status=201,
        body=NewThing,
        answer=AddedThing,
        prepare=prepare,
    )
    def add_slowly(call: Call[NoQuery, NewThing]) -> Created:
        """Add a thing."""
        call.administer()
        pbx, secret = pbxs.add_pbx(call.prepared)
        made = AddedThing(slug=pbx.slug, name=pbx.name, secret=secret)
        return Created(made, f"/things/{pbx.slug}")

    app.register_blueprint(make_blueprint("slow_things", registry))


def test_what_was_prepared_is_used(app: Flask, admin: Api) -> None:
    """The operation gets it; the same key gives the same answer again."""
    serve(app, nothing)
    first, again = (admin.post("/slow-things", {"name": "a"}, headers=KEY) for _ in range(2))
    assert (first.status_code, first.get_json()["name"]) == (201, "A")
    assert again.get_json() == first.get_json()


@pytest.mark.parametrize(
    ("act", "expected"),
    [
        (api_tokens.revoke_api_token, ProblemType.UNAUTHORIZED),
        (disable, ProblemType.UNAUTHORIZED),
        (demote, ProblemType.FORBIDDEN),
        (narrow, ProblemType.INSUFFICIENT_SCOPE),
    ],
)
def test_rights_count_as_they_are_at_the_change(
    app: Flask, api: Callable[[], Api], act: Act, expected: ProblemType
) -> None:
    """What has been taken from the token or its owner since it was authenticated is gone."""
    caller, _other_admin = api(), api()
    serve(app, act)
    answer: Any = caller.post("/slow-things", {"name": "a"})
    check_problem(answer, expected)
    begin_write()
    assert db.session.scalar(select(func.count()).select_from(Pbx)) == 0
