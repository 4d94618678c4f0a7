"""Many extensions at once by the management API, each with its own result."""

import threading
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from callevents.api.v1.problems import ProblemType
from callevents.db.models import AuditEntry, Extension, Pbx, SeenExtension
from callevents.db.session import begin_write
from callevents.enums import Role
from callevents.extensions import db
from callevents.pbxs import extensions, quotas
from tests.api.v1.conftest import Api, MakeApi, check_actor, check_problem, last_entry
from tests.audit.conftest import entries
from tests.support.statement_count import counting


def add(api: Api, *wanted: dict[str, str], pbx: str = "head-office") -> TestResponse:
    """Add extensions."""
    return api.post("/extensions", {"pbx": pbx, "extensions": list(wanted)})


def results(answer: TestResponse) -> list[dict[str, Any]]:
    """Return the results of a request that was carried out."""
    assert answer.status_code == 200, answer.text
    document = answer.get_json()
    found: list[dict[str, Any]] = document.pop("results")
    statuses = [one["status"] for one in found]
    assert document == {name: statuses.count(name) for name in ("created", "exists", "invalid")}
    return found


def stored(pbx: Pbx) -> dict[str, str]:
    """Return the names of the extensions by number."""
    db.session.rollback()
    return {one.number: one.name for one in extensions.list_extensions(pbx)}


def test_each_has_its_own_result(admin: Api, pbx: Pbx) -> None:
    """Created, existing and invalid ones stand in the order of the request."""
    found = results(
        add(
            admin,
            {"number": " 201 ", "name": " Ana "},
            {"number": "101", "name": "Another"},
            {"number": "*"},
            {"number": "201", "name": "Twice"},
            {"number": "", "name": "x" * 101},
            {"number": "202"},
        )
    )
    statuses = [one["status"] for one in found]
    assert statuses == ["created", "exists", "invalid", "exists", "invalid", "created"]
    assert (
        found[0]["extension"].items()
        >= {"pbx": "head-office", "number": "201", "name": "Ana"}.items()
    )
    assert found[3]["extension"] == found[0]["extension"]
    assert found[1]["extension"]["name"] == "Olga"
    pointers = [[error["pointer"] for error in one["errors"]] for one in found]
    assert pointers[2] == ["#/extensions/2/number"]
    assert pointers[4] == ["#/extensions/4/number", "#/extensions/4/name"]
    assert [one["extension"] for one in found if one["errors"]] == [None, None]
    assert stored(pbx) == {"101": "Olga", "102": "", "201": "Ana", "202": ""}
    assert (
        admin.get(f"/extensions/{found[0]['extension']['id']}").get_json() == found[0]["extension"]
    )
    added = entries(action="extension.added", actor_kind="token")
    assert [one.after for one in added] == [
        {"number": "201", "name": "Ana"},
        {"number": "202"},
    ]
    check_actor(last_entry(), admin)


def test_the_quota_is_held(admin: Api, pbx: Pbx) -> None:
    """Those that it has no room for are invalid with a sentence; existing ones need no room."""
    begin_write()
    quotas.set_quotas(db.session.get_one(Pbx, pbx.id), {"max_extensions": 4})
    db.session.commit()
    wanted = [{"number": number} for number in ("1", "2", "3", "101", "2", "4")]
    found = results(add(admin, *wanted))
    statuses = [one["status"] for one in found]
    assert statuses == ["created", "created", "invalid", "exists", "exists", "invalid"]
    [error] = found[2]["errors"]
    assert error["pointer"] == "#/extensions/2/number"
    assert error["detail"].startswith("The quota of Head office is 4 extensions, and it has 4.")
    assert stored(pbx).keys() == {"101", "102", "1", "2"}
    assert [one["status"] for one in results(add(admin, {"number": "9"}))] == ["invalid"]


def test_a_thousand_take_few_statements(admin: Api, pbx: Pbx) -> None:
    """1,000 are added with a few statements, and each is in the history."""
    wanted = [{"number": str(1000 + place), "name": f"Desk {place}"} for place in range(1000)]
    statements: list[str] = []
    with counting(statements):
        found = results(add(admin, *wanted))
    assert [one["extension"]["number"] for one in found] == [one["number"] for one in wanted]
    assert len(statements) < 20
    assert len(stored(pbx)) == 1002
    of_token = AuditEntry.actor_kind == "token", AuditEntry.action == "extension.added"
    assert db.session.scalar(select(func.count()).where(*of_token)) == 1000
    again = results(add(admin, *wanted))
    assert {one["status"] for one in again} == {"exists"}
    assert [one["extension"] for one in again] == [one["extension"] for one in found]


def test_a_suggestion_is_one_no_more(admin: Api, pbx: Pbx, token: str, client: FlaskClient) -> None:
    """A number with calls is not suggested any more once it is added."""
    assert client.get(f"/ingest/head-office?event=hangup&ext=301&token={token}").status_code == 202
    db.session.rollback()
    assert [one.number for one in db.session.scalars(select(SeenExtension))] == ["301"]
    add(admin, {"number": "301"})
    db.session.rollback()
    assert db.session.scalars(select(SeenExtension)).all() == []


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, ["#/pbx", "#/extensions"]),
        ({"pbx": "head-office", "extensions": []}, ["#/extensions"]),
        ({"pbx": "head-office", "extensions": [{"number": "1"}] * 1001}, ["#/extensions"]),
        ({"pbx": "unbekannt", "extensions": [{"number": "1"}]}, ["#/pbx"]),
        ({"pbx": "head-office", "extensions": [{"number": 1}]}, ["#/extensions/0/number"]),
        (
            {"pbx": "head-office", "extensions": [{"number": "1"}, {"name": "x"}]},
            ["#/extensions/1/number"],
        ),
        ({"pbx": "head-office", "extensions": {"number": "1"}}, ["#/extensions"]),
        ({"number": "1"}, None),
    ],
)
def test_invalid_requests(
    admin: Api, pbx: Pbx, body: dict[str, object], pointers: list[str] | None
) -> None:
    """A body of another shape adds nothing at all."""
    answer = admin.post("/extensions", body)
    check_problem(answer, ProblemType.INVALID_REQUEST, *(pointers or ()))
    assert "unbekannt" not in answer.text
    assert stored(pbx).keys() == {"101", "102"}


def test_control_characters(admin: Api, pbx: Pbx) -> None:
    """Characters that PostgreSQL cannot store are an error of the body, others of the extension."""
    check_problem(add(admin, {"number": "1\x00"}), ProblemType.INVALID_REQUEST)
    [found] = results(add(admin, {"number": "1\x07"}))
    assert [error["pointer"] for error in found["errors"]] == ["#/extensions/0/number"]
    assert "\x07" not in found["errors"][0]["detail"]


def test_rights(api: MakeApi, pbx: Pbx, other_pbx: Pbx, extension: Extension) -> None:
    """Operators and admins add to the PBXs that they have; others do not."""
    wanted = {"number": "201"}
    for one in (api(Role.VIEWER, pbx=pbx), api(Role.SELF_SERVICE, pbx=pbx, extension=extension)):
        check_problem(add(one, wanted), ProblemType.FORBIDDEN)
    for one in (api(Role.ADMIN, pbx=other_pbx), api(limited_to=other_pbx)):
        check_problem(add(one, wanted), ProblemType.INVALID_REQUEST, "#/pbx")
    for one in (api(Role.OPERATOR, pbx=pbx), api(Role.ADMIN, pbx=pbx), api(limited_to=pbx)):
        assert len(results(add(one, wanted))) == 1
    assert stored(pbx).keys() == {"101", "102", "201"}


def test_two_requests_at_once(admin: Api, pbx: Pbx) -> None:
    """Each number is created once, and the quota holds for both together."""
    admin.patch("/pbxs/head-office", {"max_extensions": 52})
    start = threading.Barrier(2)
    answers: list[TestResponse] = []

    def write(first: int) -> None:
        start.wait(timeout=30)
        answers.append(add(admin, *({"number": str(first + place)} for place in range(40))))

    threads = [threading.Thread(target=write, args=[first]) for first in (1000, 1020)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    found = [one for answer in answers for one in results(answer)]
    counts = {
        name: [one["status"] for one in found].count(name)
        for name in ("created", "exists", "invalid")
    }
    assert counts == {"created": 50, "exists": 20, "invalid": 10}
    assert len(stored(pbx)) == 52


def test_a_repeated_request(admin: Api, pbx: Pbx) -> None:
    """With an Idempotency-Key the first answer comes again, with what was created."""
    body = {"pbx": "head-office", "extensions": [{"number": "201"}]}
    headers = {"Idempotency-Key": "batch 1"}
    first, second = (admin.post("/extensions", body, headers=headers) for _ in range(2))
    assert first.get_json() == second.get_json()
    assert second.headers["Idempotent-Replayed"] == "true"
    assert results(second)[0]["status"] == "created"
