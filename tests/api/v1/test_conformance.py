"""What holds for each operation: tokens, scopes, versions, and that errors repeat nothing."""

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from callevents.api.v1.operations import REGISTRY, Operation
from callevents.api.v1.problems import ProblemType
from callevents.api_access.scopes import INSTALLATION_SCOPES, V1_SCOPES
from callevents.config.settings import Settings
from callevents.enums import Role
from callevents.extensions import Base, db
from callevents.pbxs import pbxs
from tests.api.v1.conftest import Api, MakeApi, check_problem
from tests.api.v1.document_check import check_documented
from tests.api.v1.seeded import BODIES, Seeded, list_users, seed
from tests.support.receiver import Receiver

pytestmark = pytest.mark.slow

OPERATIONS = REGISTRY.operations
BY_ID = {one.id: one for one in OPERATIONS}
#: With a version of the object.
CONDITIONAL = [one for one in OPERATIONS if one.method in {"PATCH", "PUT", "DELETE"}]
MARKER = "Zq7xMarker4711"
#: Tables that requests write to although nothing is changed.
NOTED = {"api_token", "audit_entry"}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings that let a test make many requests."""
    return settings.model_copy(update={"api_requests_per_minute": 1_000_000})


@pytest.fixture
def seeded(app: Flask, receiver: Receiver) -> Seeded:
    """An installation with something in it."""
    receiver.reply = list_users
    return seed(receiver.url)


def send(api: Api, seeded: Seeded, one: Operation, **options: Any) -> Any:
    """Send a valid request for the operation."""
    return api.send(one.method, seeded.path(one), json=seeded.body(one), **options)


def rows() -> dict[str, list[Any]]:
    """Return all rows of all tables."""
    db.session.rollback()
    return {
        table.name: sorted(map(repr, db.session.execute(select(table)).all()))
        for table in Base.metadata.sorted_tables
        if table.name not in NOTED
    }


def test_requests_are_for_operations(seeded: Seeded) -> None:
    """A renamed operation is not left with its example alone."""
    assert {*BODIES, *seeded.of} <= set(BY_ID)


def test_without_a_token(nobody: Api, seeded: Seeded) -> None:
    """401, whatever is asked for."""
    for one in OPERATIONS:
        answer = send(nobody, seeded, one)
        check_problem(answer, ProblemType.UNAUTHORIZED)
        check_documented(one, answer)


def test_without_the_scope(api: MakeApi, seeded: Seeded) -> None:
    """403 that names the scope, although the token has all others and its owner is an admin."""
    before = rows()
    for scope in V1_SCOPES:
        lacking = api(scopes=[other for other in V1_SCOPES if other != scope])
        for one in OPERATIONS:
            if one.scope == scope:
                answer = send(lacking, seeded, one)
                document = check_problem(answer, ProblemType.INSUFFICIENT_SCOPE)
                assert scope in document["detail"], one.id
                assert f'scope="{scope}"' in answer.headers["WWW-Authenticate"], one.id
                check_documented(one, answer)
    changed = [name for name, found in rows().items() if found != before[name]]
    # The users and tokens of this test.
    assert set(changed) <= {"user_account", "user_grant"}


def test_with_another_version(admin: Api, seeded: Seeded) -> None:
    """412, and nothing is changed."""
    admin.get("/me")
    before = rows()
    for one in CONDITIONAL:
        for tag in ('"another"', 'W/"another"'):
            answer = send(admin, seeded, one, headers={"If-Match": tag})
            check_problem(answer, ProblemType.PRECONDITION_FAILED)
            check_documented(one, answer)
        assert rows() == before, one.id


@pytest.mark.parametrize("name", BY_ID)
def test_a_valid_request(admin: Api, seeded: Seeded, name: str) -> None:
    """The example works, and the answer is as documented; so are its address and its version."""
    one = BY_ID[name]
    answer = send(admin, seeded, one)
    assert answer.status_code == one.status, answer.text
    check_documented(one, answer)
    if location := answer.headers.get("Location"):
        there = admin.get(location.removeprefix("/api/v1"))
        assert there.status_code == 200
        assert answer.headers.get("ETag") in {None, there.headers.get("ETag")}
    if one.method == "GET" and one.has_etag:
        tag = {"If-None-Match": answer.headers["ETag"]}
        again = send(admin, seeded, one, headers=tag)
        assert (again.status_code, again.data) == (304, b"")
        check_documented(one, again)


@pytest.mark.parametrize("one", CONDITIONAL, ids=lambda one: one.id)
def test_with_this_version(admin: Api, seeded: Seeded, one: Operation) -> None:
    """A change of the version that was read is made, if there is an address to read it from."""
    reading = next((r for r in OPERATIONS if (r.method, r.path) == ("GET", one.path)), None)
    # A signing secret has the version of its hook.
    reading = reading or BY_ID["getHook"]
    tag = send(admin, seeded, reading).headers["ETag"]
    answer = send(admin, seeded, one, headers={"If-Match": tag})
    assert answer.status_code == one.status, answer.text


def marked(value: Any) -> Iterator[Any]:
    """Yield copies of the value, each with the marker in another place."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from ({**value, name: changed} for changed in marked(inner))
        yield {**value, MARKER: 1}
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from ([*value[:number], new, *value[number + 1 :]] for new in marked(inner))
        yield [MARKER]
    else:
        yield from (MARKER, f"https://{MARKER}:99999/{{{MARKER}}}", f"a@{MARKER}", {MARKER: 1})


def check_unrepeated(one: Operation, answer: Any) -> None:
    """Check that an error does not have the marker."""
    check_documented(one, answer)
    if answer.status_code >= 400:
        text = f"{answer.text} {answer.headers}"
        assert MARKER.lower() not in text.lower(), f"{one.id}: {text}"


def test_errors_repeat_nothing(admin: Api, app: Flask, seeded: Seeded) -> None:
    """No error has what was sent, wherever it was; each is as documented."""
    app.config["PROPAGATE_EXCEPTIONS"] = False
    for one in OPERATIONS:
        path, body = seeded.path(one), seeded.body(one)
        if one.method == "DELETE":
            path, body = one.path.format(**dict.fromkeys(seeded.values, MARKER)), None
        elif "{" in one.path:
            gone = one.path.format(**dict.fromkeys(seeded.values, MARKER))
            check_unrepeated(one, admin.send(one.method, gone, json=body))
        for name in [*one.query.model_fields, MARKER]:
            query = {name: MARKER}
            check_unrepeated(one, admin.send(one.method, path, json=body, query_string=query))
        for name in ("If-Match", "If-None-Match", "Idempotency-Key", "Accept", "Content-Type"):
            answer = admin.send(one.method, path, json=body, headers={name: MARKER})
            check_unrepeated(one, answer)
        for changed in marked(body) if body is not None else ():
            check_unrepeated(one, admin.send(one.method, path, json=changed))


def test_hostile_paths(admin: Api, app: Flask, seeded: Seeded) -> None:
    """Each is 404, or nothing at all; none is an error of the server."""
    app.config["PROPAGATE_EXCEPTIONS"] = False
    hostile = ("%00", "x" * 10_000, "%ED%A0%80", "-1", "9" * 40, "%C3%A9", "%F0%9F%98%80", "a%0ab")
    for one in OPERATIONS:
        for text in hostile if "{" in one.path else ():
            path = one.path.format(**dict.fromkeys(seeded.values, text))
            answer = admin.send(one.method, path, json=seeded.body(one))
            assert answer.status_code == 404, f"{one.id} {text[:20]}: {answer.text}"
            check_documented(one, answer)


def test_tokens_for_another_pbx(api: MakeApi, seeded: Seeded) -> None:
    """A token for another PBX sees nothing of this one. Recipes are those of all."""
    scopes = [scope for scope in V1_SCOPES if scope not in INSTALLATION_SCOPES]
    stranger = api(Role.ADMIN, scopes, limited_to=pbxs.get_pbx("branch"))
    for one in OPERATIONS:
        if "{" in one.path and one.tag != "Recipes":
            answer = send(stranger, seeded, one)
            assert answer.status_code in {403, 404}, one.id
