"""The history by the management API: which entries are listed for whom."""

from typing import Any

import pytest

from callevents import audit
from callevents.api.v1.problems import ProblemType
from callevents.audit.actor import Actor, ActorKind
from callevents.audit.targets import INSTALLATION, of_extension, of_pbx
from callevents.db.models import AuditEntry, Extension, Pbx
from callevents.db.session import begin_write
from callevents.enums import Role
from callevents.extensions import db
from callevents.pbxs import extensions, pbxs
from tests.api.v1.conftest import Api, MakeApi, check_problem

OLGA = Actor(ActorKind.USER, "olga", "7", "203.0.113.7")
BEN = Actor(ActorKind.COMMAND, "ben", "flask extensions rename")


@pytest.fixture
def done(pbx: Pbx, extension: Extension, other_pbx: Pbx) -> dict[str, str]:
    """What olga and ben have done, by a name: the IDs of the entries."""
    begin_write()
    renamed = audit.Action.EXTENSION_RENAMED
    with audit.acting_as(OLGA):
        audit.record(audit.Action.PBX_RENAMED, of_pbx(pbx), before={"name": "A"})
        audit.record(audit.Action.PBX_RENAMED, of_pbx(other_pbx), before={"name": "B"})
        audit.record(audit.Action.KEYS_ROTATED, INSTALLATION)
    with audit.acting_as(BEN):
        audit.record(renamed, of_extension(extension), before={"name": "O"}, after={"name": "P"})
    db.session.flush()
    found = db.session.scalars(db.select(AuditEntry).order_by(AuditEntry.id.desc()).limit(4))
    names = ("extension", "installation", "branch", "head-office")
    made = dict(zip(names, [entry.id for entry in found], strict=True))
    db.session.commit()
    return made


def listed(api: Api, done: dict[str, str], **query: Any) -> list[str]:
    """Return the names of the entries that the program sees, newest first."""
    answer = api.get("/audit", query_string=query)
    assert answer.status_code == 200, answer.text
    names = {entry_id: name for name, entry_id in done.items()}
    return [names[one["id"]] for one in answer.get_json()["data"] if one["id"] in names]


def test_an_entry(admin: Api, done: dict[str, str], extension: Extension) -> None:
    """It says who did what to which object, and what was changed."""
    answer = admin.get(f"/audit/{done['extension']}")
    shown = answer.get_json()
    assert shown.pop("at").endswith("Z")
    assert shown == {
        "id": done["extension"],
        "actor": {
            "kind": "command",
            "id": "flask extensions rename",
            "name": "ben",
            "address": "",
        },
        "action": "extension.renamed",
        "object": {"kind": "extension", "id": extension.id, "name": "101"},
        "pbx": "head-office",
        "extension_id": extension.id,
        "before": {"name": "O"},
        "after": {"name": "P"},
    }
    same = {"If-None-Match": answer.headers["ETag"]}
    assert admin.get(f"/audit/{done['extension']}", headers=same).status_code == 304


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, ["extension", "installation", "branch", "head-office"]),
        ({"who": "olga"}, ["installation", "branch", "head-office"]),
        ({"who": "nobody"}, []),
        ({"pbx": "head-office"}, ["extension", "head-office"]),
        ({"pbx": "branch", "who": "olga"}, ["branch"]),
        ({"action": "keys.rotated"}, ["installation"]),
        ({"object": "101"}, ["extension"]),
        ({"object": "pbx:1"}, ["head-office"]),
        ({"object": "installation:"}, ["installation"]),
        ({"since": "1969-01-01T00:00:00Z", "who": "ben"}, ["extension"]),
        ({"since": "9999-01-01T00:00:00Z"}, []),
        ({"until": "2001-01-01T00:00:00+02:00"}, []),
    ],
)
def test_filters(admin: Api, done: dict[str, str], query: dict[str, str], found: list[str]) -> None:
    """Each filter leaves what matches it; several leave what matches all."""
    assert listed(admin, done, **query) == found


def test_periods(admin: Api, done: dict[str, str]) -> None:
    """The start belongs to the period, the end does not."""
    at = admin.get(f"/audit/{done['extension']}").get_json()["at"]
    assert "extension" in listed(admin, done, since=at)
    assert "extension" not in listed(admin, done, until=at)


def test_an_extension_with_its_requests(
    admin: Api, done: dict[str, str], extension: Extension
) -> None:
    """The history of an extension is found by its ID."""
    assert listed(admin, done, object=f"extension:{extension.id}") == ["extension"]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"pbx": "unknown"}, "?pbx"),
        ({"pbx": "#x"}, "?pbx"),
        ({"pbx": "#" + "9" * 30}, "?pbx"),
        ({"action": "secret.word"}, "?action"),
        ({"since": "yesterday"}, "?since"),
        ({"until": "2026-03-01"}, "?until"),
        ({"since": "0001-01-01T00:00:00+14:00"}, "?since"),
        ({"who": "x" * 301}, "?who"),
        ({"limit": "0"}, "?limit"),
    ],
)
def test_wrong_filters(admin: Api, query: dict[str, str], pointer: str) -> None:
    """The error points to the parameter, and repeats nothing."""
    answer = admin.get("/audit", query_string=query)
    check_problem(answer, ProblemType.INVALID_REQUEST, pointer)
    assert not any(
        word in answer.text for word in ("unknown", "secret.word", "yesterday", "9" * 30)
    )


def test_admins_of_one_pbx_see_its_history(
    api: MakeApi, done: dict[str, str], pbx: Pbx, other_pbx: Pbx
) -> None:
    """So does a token for one PBX: not that of others, nor of the installation."""
    for one in (api(pbx=pbx), api(limited_to=pbx)):
        assert listed(one, done) == ["extension", "head-office"]
        assert one.get(f"/audit/{done['head-office']}").status_code == 200
        for name in ("branch", "installation"):
            check_problem(one.get(f"/audit/{done[name]}"), ProblemType.NOT_FOUND)
        for hidden in ("branch", f"#{other_pbx.id}"):
            answer = one.get("/audit", query_string={"pbx": hidden})
            check_problem(answer, ProblemType.INVALID_REQUEST, "?pbx")


def test_only_admins(api: MakeApi, done: dict[str, str], pbx: Pbx, extension: Extension) -> None:
    """Others get a 403, whether there is an entry or not."""
    others = [api(Role.OPERATOR), api(Role.VIEWER, limited_to=pbx)]
    others.append(api(Role.SELF_SERVICE, pbx=pbx, extension=extension))
    for one in others:
        for path in ("/audit", f"/audit/{done['extension']}", "/audit/x"):
            check_problem(one.get(path), ProblemType.FORBIDDEN)
    unscoped = api(scopes=["users:read", "audit:write"])
    check_problem(unscoped.get("/audit"), ProblemType.INSUFFICIENT_SCOPE)


def test_the_history_of_a_removed_pbx(admin: Api, done: dict[str, str], pbx: Pbx) -> None:
    """It stays, under the number that the PBX had."""
    number = pbx.id
    begin_write()
    for one in extensions.list_extensions(pbx):
        db.session.delete(one)
    db.session.delete(pbxs.get_pbx("head-office"))
    db.session.commit()
    assert admin.get(f"/audit/{done['extension']}").get_json()["pbx"] == f"#{number}"
    assert listed(admin, done, pbx=f"#{number}") == ["extension", "head-office"]
    answer = admin.get("/audit", query_string={"pbx": "head-office"})
    check_problem(answer, ProblemType.INVALID_REQUEST, "?pbx")


def test_pages(admin: Api, done: dict[str, str]) -> None:
    """Pages follow each other without gaps and repeats while entries are added."""
    found, query = [], {"who": "olga", "limit": "1"}
    while True:
        page = admin.get("/audit", query_string=query).get_json()
        found += [one["id"] for one in page["data"]]
        begin_write()
        with audit.acting_as(OLGA):
            audit.record(audit.Action.KEYS_ROTATED, INSTALLATION)
        db.session.commit()
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert found == [done[name] for name in ("installation", "branch", "head-office")]
    answer = admin.get("/audit", query_string=query | {"who": "ben"})
    check_problem(answer, ProblemType.INVALID_CURSOR)


@pytest.mark.parametrize("entry_id", ["x", "%00", "%FF", "x" * 10_000, "0" * 32])
def test_no_such_entry(admin: Api, entry_id: str) -> None:
    """Whatever the ID, it is a 404."""
    check_problem(admin.get(f"/audit/{entry_id}"), ProblemType.NOT_FOUND)


def test_nothing_changes_the_history(admin: Api, done: dict[str, str]) -> None:
    """There is no method for it."""
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        for path in ("/audit", f"/audit/{done['extension']}"):
            answer = admin.send(method, path)
            check_problem(answer, ProblemType.METHOD_NOT_ALLOWED)
