"""Tests of who may do what with hooks: scopes, roles, and tokens that are limited to a PBX."""

from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import select

from callevents.api.v1.problems import ProblemType
from callevents.db.models import Extension, Hook, Pbx
from callevents.enums import EventType, Role
from callevents.extensions import db
from tests.api.v1.conftest import Api, MakeApi, check_problem
from tests.conftest import Configure

READ, WRITE = ["hooks:read"], ["hooks:write"]
#: Method, path below the hook, body, the scope, and the status of success.
OPERATIONS: list[tuple[str, str, Any, list[str], int]] = [
    ("GET", "", None, READ, 200),
    ("GET", "/url", None, WRITE, 200),
    ("PATCH", "", {"note": "x"}, WRITE, 200),
    ("POST", "/resume", None, WRITE, 200),
    ("POST", "/test", None, WRITE, 200),
    ("POST", "/recover", {"since": "2026-01-01T00:00:00Z"}, WRITE, 200),
    ("POST", "/signing-secret", None, WRITE, 200),
    ("DELETE", "/signing-secret", None, WRITE, 204),
    ("DELETE", "", None, WRITE, 204),
]


@dataclass(frozen=True)
class Hooks:
    """Event IDs of hooks of 101, of 102 and for all extensions of 'head-office'."""

    own: str
    others: str
    for_all: str


@pytest.fixture
def made(pbx: Pbx, configure: Configure) -> Hooks:
    """Three hooks; nothing listens at their URL."""
    numbers = ("101", "102", "*")
    return Hooks(
        *(
            configure.hook(number, EventType.HANGUP, "http://127.0.0.1:9/").event_id
            for number in numbers
        )
    )


def try_all(api: Api, event_id: str) -> dict[tuple[str, str], int]:
    """Return the status of each operation on the hook."""
    return {
        (method, path): api.send(method, f"/hooks/{event_id}{path}", json=body).status_code
        for method, path, body, _scope, _status in OPERATIONS
    }


def expected(reading: int | None = None, writing: int | None = None) -> dict[tuple[str, str], int]:
    """Return the statuses: those of success, or these for what reads and for what writes."""
    wanted = {}
    for method, path, _body, _scope, status in OPERATIONS:
        wanted[method, path] = (reading if (method, path) == ("GET", "") else writing) or status
    return wanted


@pytest.mark.parametrize(("method", "path", "body", "scope", "status"), OPERATIONS)
def test_each_operation_needs_its_scope(
    api: MakeApi, made: Hooks, method: str, path: str, body: Any, scope: list[str], status: int
) -> None:
    """With all other scopes the error names the missing one; with it alone there is success."""
    full = f"/hooks/{made.own}{path}"
    [name] = scope
    others = [
        one
        for one in ("hooks:read", "hooks:write", "pbxs:write", "deliveries:write")
        if one != name
    ]
    answer = api(scopes=others).send(method, full, json=body)
    assert name in check_problem(answer, ProblemType.INSUFFICIENT_SCOPE)["detail"]
    assert f'scope="{name}"' in answer.headers["WWW-Authenticate"]
    assert api(scopes=scope).send(method, full, json=body).status_code == status


def test_without_a_token(nobody: Api, made: Hooks) -> None:
    """There is nothing to see and to change."""
    for method, path, body, _scope, _status in OPERATIONS:
        answer = nobody.send(method, f"/hooks/{made.own}{path}", json=body)
        check_problem(answer, ProblemType.UNAUTHORIZED)
    check_problem(nobody.get("/hooks"), ProblemType.UNAUTHORIZED)
    check_problem(nobody.post("/hooks", {}), ProblemType.UNAUTHORIZED)


def test_roles(api: MakeApi, made: Hooks, pbx: Pbx, other_pbx: Pbx, extension: Extension) -> None:
    """Editors do everything, viewers read, and others do not learn that there is such a hook."""
    for stranger in (
        api(Role.ADMIN, pbx=other_pbx),
        api(limited_to=other_pbx),
        api(Role.OPERATOR, pbx=pbx, limited_to=other_pbx),
    ):
        assert try_all(stranger, made.own) == expected(404, 404)
    assert try_all(api(Role.VIEWER), made.own) == expected(writing=403)
    assert try_all(api(Role.VIEWER, pbx=pbx), made.for_all) == expected(writing=403)
    mine = api(Role.SELF_SERVICE, pbx=pbx, extension=extension)
    for not_mine in (made.others, made.for_all):
        assert try_all(mine, not_mine) == expected(404, 404)
    assert try_all(mine, made.own) == expected()
    assert try_all(api(Role.OPERATOR, pbx=pbx), made.others) == expected()
    assert try_all(api(limited_to=pbx), made.for_all) == expected()


@pytest.mark.parametrize(
    ("role", "place", "number", "kind"),
    [
        (Role.ADMIN, "everywhere", None, None),
        (Role.OPERATOR, "head-office", "101", None),
        (Role.SELF_SERVICE, "101", "101", None),
        (Role.SELF_SERVICE, "101", "102", ProblemType.INVALID_REQUEST),
        (Role.SELF_SERVICE, "101", None, ProblemType.FORBIDDEN),
        (Role.VIEWER, "everywhere", "101", ProblemType.FORBIDDEN),
        (Role.VIEWER, "head-office", None, ProblemType.FORBIDDEN),
        (Role.ADMIN, "branch", None, ProblemType.INVALID_REQUEST),
    ],
)
def test_who_may_add(
    api: MakeApi,
    pbx: Pbx,
    other_pbx: Pbx,
    extension: Extension,
    role: Role,
    place: str,
    number: str | None,
    kind: ProblemType | None,
) -> None:
    """Editors add hooks where they have the role; nothing is stored for others."""
    where: dict[str, dict[str, Any]] = {
        "everywhere": {},
        "head-office": {"pbx": pbx},
        "branch": {"pbx": other_pbx},
        "101": {"pbx": pbx, "extension": extension},
    }
    values = {
        "pbx": "head-office",
        "extension": number,
        "event": "hangup",
        "url": "http://a.example/",
    }
    answer = api(role, **where[place]).post("/hooks", values)
    if kind is not None:
        check_problem(answer, kind)
    db.session.rollback()
    assert (
        (answer.status_code == 201)
        is (kind is None)
        is (db.session.scalar(select(Hook.id)) is not None)
    )
