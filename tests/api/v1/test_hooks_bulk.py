"""Changing many hooks at once with the API."""

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import select

from callevents.api.v1.problems import ProblemType
from callevents.audit import Action
from callevents.db.models import AuditEntry, Extension, Hook, Pbx, Receiver
from callevents.db.session import begin_write
from callevents.enums import EventType, Role
from callevents.extensions import db
from tests.api.v1.conftest import Api, MakeApi, check_actor, check_problem
from tests.conftest import Configure

HERE = {"pbx": "head-office"}


@pytest.fixture
def hooks(pbx: Pbx, extension: Extension, configure: Configure) -> Sequence[Hook]:
    """Hooks of the extension 101 and of all."""
    return [
        configure.hook("101", EventType.DIAL_IN, "https://old.example.com/in?key=geheim"),
        configure.hook("101", EventType.HANGUP, "https://old.example.com/end"),
        configure.hook("*", EventType.HANGUP, "https://other.example.com/"),
    ]


def bulk(caller: Api, action: str, **body: Any) -> dict[str, Any]:
    """Change hooks; return the answer."""
    answer = caller.post("/hooks/bulk", {"action": action, **body})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.get_json()
    return found


def urls() -> list[str]:
    """Return the URLs of all hooks."""
    db.session.rollback()
    return list(db.session.scalars(select(Hook.url).order_by(Hook.id)))


def test_conditions(admin: Api, hooks: Sequence[Hook]) -> None:
    """The given conditions are set, null removes one, and the others stay."""
    hours = {"days": [1, 2], "start": "09:00", "end": "17:00", "zone": "UTC"}
    assert bulk(admin, "set_conditions", where=HERE, conditions={"party": "external"})["changed"]
    body = {"where": HERE, "conditions": {"hours": hours, "numbers": ["+40*"]}}
    assert bulk(admin, "set_conditions", **body)["changed"] == 3
    body["conditions"] = {"hours": None}
    [example, *_] = bulk(admin, "set_conditions", dry_run=True, **body)["examples"]
    assert example["after"] == "external calls, number +40*"
    wrong = {"hours": {**hours, "zone": "Nowhere"}}
    for given, pointer in ((wrong, "#/conditions/hours/zone"), ({}, "#/conditions")):
        answer = admin.post(
            "/hooks/bulk", {"action": "set_conditions", "where": HERE, "conditions": given}
        )
        assert answer.status_code == 400
        assert answer.get_json()["errors"][0]["pointer"] == pointer


def test_dry_run_change_and_undo(admin: Api, hooks: Sequence[Hook]) -> None:
    """What the dry run returns is changed, once for all, and can be undone."""
    before = urls()
    body = {"where": HERE, "find": "old.", "replacement": "new."}
    tried = bulk(admin, "replace_url", dry_run=True, **body)
    assert (tried["changed"], tried["unchanged"], tried["change_id"]) == (2, 1, None)
    assert tried["examples"][0]["after"] == "https://new.example.com/in?key=••••"
    assert urls() == before
    done = bulk(admin, "replace_url", digest=tried["digest"], **body)
    assert (done["changed"], done["dry_run"]) == (2, False)
    assert urls()[0] == "https://new.example.com/in?key=geheim"
    query = select(AuditEntry).where(AuditEntry.action == Action.HOOKS_URL_REPLACED)
    check_actor(db.session.scalars(query).one(), admin)
    again = admin.post("/hooks/bulk", {"action": "replace_url", "digest": tried["digest"], **body})
    check_problem(again, ProblemType.CONFLICT)
    undone = admin.post(f"/hooks/bulk/{done['change_id']}/undo")
    assert undone.get_json() == {"undone": 2, "left_out": 0, "refused": 0}
    assert urls() == before
    check_problem(admin.post(f"/hooks/bulk/{done['change_id']}/undo"), ProblemType.CONFLICT)


def test_every_action(admin: Api, hooks: Sequence[Hook]) -> None:
    """Each action works, by filter or by Event IDs."""
    ids = [hook.event_id for hook in hooks]
    begin_write()
    db.session.add(Receiver(slug="crm", name="CRM", address="https://crm.example.com/api"))
    db.session.commit()
    assert bulk(admin, "disable", event_ids=ids)["changed"] == 3
    assert bulk(admin, "enable", where={"state": "disabled"})["changed"] == 3
    assert bulk(admin, "set_policy", where=HERE, give_up_seconds=30, in_order=False)["changed"] == 3
    copied = bulk(admin, "copy", where={"extension": "101"}, extensions=["101", "102"])
    assert (copied["changed"], copied["unchanged"]) == (2, 2)
    assert bulk(admin, "move", where={"host": "old.example.com"}, receiver="crm")["changed"] == 4
    assert bulk(admin, "disable", where={"receiver": "crm"}, dry_run=True)["changed"] == 4
    cleared = bulk(admin, "clear", where=HERE)
    assert (cleared["changed"], urls()) == (5, [])
    assert admin.post(f"/hooks/bulk/{cleared['change_id']}/undo").status_code == 200
    assert len(urls()) == 5


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"action": "disable"}, None),
        ({"action": "disable", "where": {}}, None),
        ({"action": "disable", "where": HERE, "event_ids": ["x"]}, None),
        ({"action": "disable", "event_ids": ["x"] * 1001}, "#/event_ids"),
        ({"action": "disable", "where": {"pbx": "nowhere"}}, "#/where/pbx"),
        ({"action": "disable", "where": {"receiver": "nowhere"}}, "#/where/receiver"),
        ({"action": "disable", "where": {"state": "broken"}}, "#/where/state"),
        ({"action": "disable", "where": {"note": "a\u0007"}}, "#/where/note"),
        ({"action": "explode", "where": HERE}, "#/action"),
        ({"action": "replace_url", "where": HERE}, "#/find"),
        ({"action": "set_policy", "where": HERE}, "#/give_up_seconds"),
        ({"action": "move", "where": HERE, "receiver": "nowhere"}, "#/receiver"),
        ({"action": "copy", "where": HERE}, "#/extensions"),
        ({"action": "copy", "where": HERE, "extensions": ["999"]}, "#/extensions"),
    ],
)
def test_errors(
    admin: Api, hooks: Sequence[Hook], body: dict[str, Any], pointer: str | None
) -> None:
    """Each wrong value gets an error that points at it, and nothing changes."""
    before = urls()
    answer = admin.post("/hooks/bulk", body)
    assert answer.status_code == 400, answer.text
    assert [one["pointer"] for one in answer.get_json().get("errors", ())] == (
        [pointer] if pointer else []
    )
    assert urls() == before


def test_rights(
    api: MakeApi, hooks: Sequence[Hook], pbx: Pbx, other_pbx: Pbx, extension: Extension
) -> None:
    """Only hooks that the owner of the token may change are chosen."""
    Configure(other_pbx).hook("*", EventType.HANGUP, "https://branch.example.com/")
    every = {"event": "hangup"}
    assert bulk(api(Role.OPERATOR), "disable", where=every, dry_run=True)["changed"] == 3
    assert bulk(api(Role.OPERATOR, pbx=pbx), "disable", where=every, dry_run=True)["changed"] == 2
    own = api(Role.SELF_SERVICE, pbx=pbx, extension=extension)
    assert bulk(own, "disable", where=every)["changed"] == 1
    ids = [hook.event_id for hook in hooks]
    assert bulk(own, "disable", event_ids=ids, dry_run=True)["changed"] == 1
    copy = {"action": "copy", "where": every, "extensions": ["102"]}
    assert own.post("/hooks/bulk", copy).status_code == 400
    done = bulk(api(Role.OPERATOR), "enable", event_ids=ids)
    assert own.post(f"/hooks/bulk/{done['change_id']}/undo").status_code == 200
    done = bulk(api(Role.OPERATOR), "disable", event_ids=ids)
    assert own.post(f"/hooks/bulk/{done['change_id']}/undo").status_code == 404
    assert (
        api(Role.VIEWER).post("/hooks/bulk", {"action": "clear", "where": every}).status_code == 403
    )
