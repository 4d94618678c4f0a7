"""No token or app makes another one that may do more than itself and its owner."""

import random
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest

from callevents.api.v1.models import format_moment
from callevents.api.v1.problems import ProblemType
from callevents.api_access import app_tokens, apps
from callevents.api_access.api_tokens import add_api_token
from callevents.api_access.bearer import find_principal
from callevents.api_access.principal import Principal
from callevents.api_access.scopes import INSTALLATION_SCOPES, V1_SCOPES, ApiScope
from callevents.db.models import ApiToken, Pbx, User, utc_now
from callevents.db.session import begin_write
from callevents.enums import Right, Role
from callevents.extensions import db
from callevents.users import users
from callevents.users.grants import NewGrant
from tests.api.v1.conftest import PASSWORD, Api, MakeApi, check_problem

ROUNDS = 80
SAME = {ApiScope.HOOKS_READ, ApiScope.HOOKS_WRITE}


@pytest.fixture
def owners(pbx: Pbx, other_pbx: Pbx) -> list[User]:
    """Users of all roles, of all PBXs and of one."""
    begin_write()
    admin = users.add_user("admin", PASSWORD, Role.ADMIN)
    of_one = users.add_user("of-one", PASSWORD, NewGrant(Role.ADMIN, pbx))
    viewer = users.add_user("viewer", PASSWORD, Role.VIEWER, NewGrant(Role.OPERATOR, other_pbx))
    db.session.commit()
    return [admin, of_one, viewer]


def some_scopes(chance: random.Random, *always: ApiScope) -> list[ApiScope]:
    """Return a random choice of scopes of the API, and those that are always in it."""
    wide = chance.sample(V1_SCOPES, chance.choice([2, 4, 12, len(V1_SCOPES)]))
    return sorted({*wide, *always})


def make_caller(chance: random.Random, owner: User, pbxs: Sequence[Pbx | None]) -> str:
    """Return the text of a token that may add tokens: an API token, or one of an app."""
    begin_write()
    scopes = some_scopes(chance, ApiScope.TOKENS_WRITE)
    pbx = chance.choice(pbxs)
    if pbx is not None:
        scopes = [one for one in scopes if one not in INSTALLATION_SCOPES]
    if chance.random() < 0.3:
        app, _ = apps.add_app(owner, "app", pbx=pbx, scopes=[*scopes, ApiScope.UAPI])
        text = app_tokens.issue_to_owner(app, frozenset(scopes)).access_token
    else:
        expires_at = chance.choice([None, utc_now() + timedelta(days=9)])
        _, text = add_api_token(owner, "token", scopes, pbx=pbx, expires_at=expires_at)
    db.session.commit()
    return text


def ask_for(chance: random.Random, caller: Principal) -> dict[str, Any]:
    """Return a random body that asks for a token or an app, mostly with scopes of the caller."""
    scopes = some_scopes(chance)
    if chance.random() < 0.7:
        own = sorted(caller.scopes & set(V1_SCOPES))
        scopes = own[: chance.choice([1, 2, 9])]
    body: dict[str, Any] = {"name": "new", "scopes": scopes}
    if chance.random() < 0.5:
        body["pbx"] = chance.choice([None, "head-office", "branch"])
    if chance.random() < 0.3:
        body["user"] = chance.choice(["admin", "of-one", "viewer"])
    return body


def principal_of(text: str) -> Principal:
    """Return what the token may do now."""
    db.session.rollback()
    found = find_principal(text, "")
    assert found is not None
    return found


def rights(principal: Principal, pbxs: Sequence[Pbx | None]) -> Iterator[tuple[Right, str]]:
    """Yield each right that the principal has, with the PBX."""
    for right in Right:
        for pbx in pbxs:
            if principal.may(right, pbx.id if pbx else None):
                yield right, pbx.slug if pbx else "all"


def check_is_no_more(made: Principal, caller: Principal, pbxs: Sequence[Pbx | None]) -> None:
    """Check scopes, PBX, time and rights of what the caller has made."""
    own = {scope for scope in ApiScope if caller.has_scope(scope)}
    allowed = own | ({ApiScope.UAPI} if own >= SAME else set())
    assert {scope for scope in ApiScope if made.has_scope(scope)} <= allowed
    assert caller.pbx_id in (None, made.pbx_id)
    if caller.expires_at is not None:
        assert made.expires_at is not None
        assert made.expires_at <= caller.expires_at
    assert set(rights(made, pbxs)) <= set(rights(caller, pbxs))


def test_no_token_gains_anything(
    owners: list[User], admin: Api, pbx: Pbx, other_pbx: Pbx, seed: int
) -> None:
    """Whatever the caller and whatever it asks for, what it gets may do no more than the caller."""
    chance, made = random.Random(seed), 0
    for _ in range(ROUNDS):
        owner = chance.choice(owners)
        is_of_one = owner.username == "of-one"
        own: list[Pbx | None] = [None, pbx] if is_of_one else [None, pbx, other_pbx]
        text = make_caller(chance, owner, own)
        path = chance.choice(["/tokens", "/tokens", "/apps"])
        body = ask_for(chance, principal_of(text))
        if path == "/tokens" and chance.random() < 0.3:
            days = chance.choice([1, 30])
            body["expires_at"] = (utc_now() + timedelta(days=days)).isoformat()
        answer = Api(admin.app, text).post(path, body)
        assert answer.status_code in {201, 400, 403}, answer.text
        if answer.status_code != 201:
            continue
        made += 1
        new = answer.get_json()
        if path == "/apps":
            begin_write()
            app = apps.get_app(new["client_id"])
            issued = app_tokens.issue_to_owner(app, frozenset(map(ApiScope, new["scopes"])))
            db.session.commit()
            new["token"] = issued.access_token
        check_is_no_more(principal_of(new["token"]), principal_of(text), [None, pbx, other_pbx])
    assert made >= ROUNDS // 10


def test_what_is_left_out_is_as_for_the_caller(api: MakeApi, pbx: Pbx) -> None:
    """PBX and expiry are passed on; to ask for more is an error that says so."""
    limited = api(scopes=["tokens:write", "hooks:read"], limited_to=pbx)
    begin_write()
    expires_at = utc_now() + timedelta(days=1)
    db.session.get_one(ApiToken, limited.token_id).expires_at = expires_at
    db.session.commit()
    body: dict[str, Any] = {"name": "next", "scopes": ["hooks:read"]}
    made = limited.post("/tokens", body).get_json()
    assert made["pbx"] == "head-office"
    assert made["expires_at"] == format_moment(expires_at)
    later = (expires_at + timedelta(milliseconds=1)).isoformat()
    for name, value in (("pbx", None), ("expires_at", None), ("expires_at", later)):
        answer = limited.post("/tokens", body | {name: value})
        check_problem(answer, ProblemType.INVALID_REQUEST, f"#/{name}")
    same = {"pbx": "head-office", "expires_at": expires_at.isoformat()}
    assert limited.post("/tokens", body | same).status_code == 201
    answer = limited.post("/tokens", body | {"scopes": ["hooks:read", "calls:read"]})
    assert "calls:read" in check_problem(answer, ProblemType.INSUFFICIENT_SCOPE)["detail"]


def test_the_owner_of_a_limited_token_is_no_admin(api: MakeApi, pbx: Pbx) -> None:
    """Such a token makes none for other users, although its owner may."""
    limited, viewer = api(limited_to=pbx), api(Role.VIEWER)
    body = {"name": "x", "scopes": ["hooks:read"], "user": viewer.username}
    check_problem(limited.post("/tokens", body), ProblemType.FORBIDDEN)
