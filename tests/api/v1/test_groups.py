"""/api/v1/pbxs/{slug}/groups: list, add, change, remove."""

from typing import Any

import pytest
from sqlalchemy import select

from callevents.api.v1.problems import ProblemType
from callevents.audit import Action
from callevents.db.models import AuditEntry, Extension, Hook, Pbx
from callevents.db.session import begin_write
from callevents.enums import EventType, Role
from callevents.extensions import db
from callevents.pbxs import extensions, groups
from callevents.pbxs.groups import GroupData
from tests.api.v1.conftest import Api, MakeApi, check_actor, check_problem, last_entry
from tests.conftest import Configure
from tests.support.statement_count import counting

PATH = "/pbxs/head-office/groups"
SALES = {"name": "Sales", "pattern": "10[13-9]", "extensions": ["102"], "template": "101"}


def add(admin: Api, **values: Any) -> dict[str, Any]:
    """Add a group; return it."""
    answer = admin.post(PATH, {"name": "Sales"} | values)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.get_json()
    return made


def names(admin: Api, **query: object) -> list[str]:
    """Return the names on all pages of the list."""
    found: list[str] = []
    while True:
        page = admin.get(PATH, query_string=query).get_json()
        found += [one["name"] for one in page["data"]]
        if page["next_cursor"] is None:
            return found
        query["cursor"] = page["next_cursor"]


def members(admin: Api, name: str) -> list[str]:
    """Return the numbers of a group's members."""
    query = {"pbx": "head-office", "group": name}
    found = admin.get("/extensions", query_string=query).get_json()["data"]
    return sorted(one["number"] for one in found)


def test_a_group(admin: Api, pbx: Pbx) -> None:
    """It is added with all its values, shown with its members, and recorded."""
    answer = admin.post(PATH, SALES)
    assert answer.status_code == 201, answer.text
    made = answer.get_json()
    assert made == SALES | {
        "id": made["id"],
        "pbx": "head-office",
        "member_count": 2,
        "created_at": made["created_at"],
    }
    assert answer.headers["Location"] == f"/api/v1{PATH}/{made['id']}"
    shown = admin.get(f"{PATH}/{made['id']}")
    assert (shown.get_json(), shown.headers["ETag"]) == (made, answer.headers["ETag"])
    assert members(admin, "Sales") == ["101", "102"]
    entry = last_entry()
    assert (entry.action, entry.object_name) == (Action.GROUP_ADDED, "group Sales")
    check_actor(entry, admin)
    assert entry.after == {
        "name": "Sales",
        "pattern": "10[13-9]",
        "chosen": ["102"],
        "template": "101",
    }
    plain = add(admin, name="Empty")
    assert (plain["pattern"], plain["extensions"], plain["template"]) == (None, [], None)


def test_new_members_get_the_requests_of_the_template(
    admin: Api, pbx: Pbx, configure: Configure
) -> None:
    """An extension that a program adds joins by the pattern, and gets copies."""
    configure.hook("101", EventType.HANGUP, "https://crm.example.com/")
    group = add(admin, **SALES)
    new = [{"number": "103"}, {"number": "201"}]
    admin.post("/extensions", {"pbx": "head-office", "extensions": new})
    assert members(admin, "Sales") == ["101", "102", "103"]
    assert admin.get(f"{PATH}/{group['id']}").get_json()["member_count"] == 3
    hooks = db.session.scalars(select(Hook).order_by(Hook.id))
    assert [hook.extension.number for hook in hooks if hook.extension] == ["101", "103"]
    admin.patch(f"{PATH}/{group['id']}", {"template": None})
    new = [{"number": "104"}]
    admin.post("/extensions", {"pbx": "head-office", "extensions": new})
    assert len(db.session.scalars(select(Hook)).all()) == 2


def test_changes(admin: Api, pbx: Pbx) -> None:
    """What is left out stays, null resets, and lists are replaced."""
    group = add(admin, **SALES)
    path = f"{PATH}/{group['id']}"
    assert admin.patch(path, {"name": "Service"}).get_json() == group | {"name": "Service"}
    entry = last_entry()
    assert (entry.action, entry.after) == (Action.GROUP_CHANGED, {"name": "Service"})
    changed = admin.patch(path, {"extensions": ["101", "101"], "pattern": None}).get_json()
    assert (changed["extensions"], changed["pattern"], changed["member_count"]) == (
        ["101"],
        None,
        1,
    )
    assert changed["template"] == "101"
    assert admin.patch(path, {"extensions": None}).get_json()["member_count"] == 0
    before = len(entries())
    assert admin.patch(path, {}).get_json()["name"] == "Service"
    assert len(entries()) == before


def entries() -> list[AuditEntry]:
    """Return the history of groups."""
    db.session.rollback()
    query = select(AuditEntry).where(AuditEntry.object_kind == "group")
    return list(db.session.scalars(query))


def test_removal(admin: Api, pbx: Pbx) -> None:
    """Its extensions stay. It is gone for other PBXs, too."""
    group = add(admin, **SALES)
    assert admin.delete(f"{PATH}/{group['id']}").status_code == 204
    assert last_entry().action == Action.GROUP_REMOVED
    check_problem(admin.get(f"{PATH}/{group['id']}"), ProblemType.NOT_FOUND)
    assert len(db.session.scalars(select(Extension)).all()) == 2


def test_versions(admin: Api, pbx: Pbx) -> None:
    """A change needs the version that was read; a new member is another one."""
    group = add(admin, **SALES)
    path = f"{PATH}/{group['id']}"
    tag = {"If-Match": admin.get(path).headers["ETag"]}
    admin.post("/extensions", {"pbx": "head-office", "extensions": [{"number": "103"}]})
    check_problem(admin.patch(path, {"name": "x"}, headers=tag), ProblemType.PRECONDITION_FAILED)
    check_problem(admin.delete(path, headers=tag), ProblemType.PRECONDITION_FAILED)
    tag = {"If-Match": admin.get(path).headers["ETag"]}
    assert admin.patch(path, {"name": "x"}, headers=tag).status_code == 200


def test_lists(admin: Api, pbx: Pbx, other_pbx: Pbx) -> None:
    """Newest first, in pages, of this PBX only, with as many statements for two as for many."""
    begin_write()
    groups.add_group(other_pbx, GroupData("Sales"))
    db.session.commit()
    counts = []
    for added in (range(2), range(2, 7)):
        for number in added:
            add(admin, name=f"Group {number}", template="102", extensions=["101"])
        statements: list[str] = []
        with counting(statements):
            admin.get(PATH)
        counts.append(len(statements))
    assert counts[0] == counts[1]
    newest_first = [f"Group {number}" for number in reversed(range(7))]
    assert names(admin) == names(admin, limit=2) == newest_first
    cursor = admin.get(PATH, query_string={"limit": 2}).get_json()["next_cursor"]
    elsewhere = admin.get("/pbxs/branch/groups", query_string={"limit": 2, "cursor": cursor})
    check_problem(elsewhere, ProblemType.INVALID_CURSOR)


def test_members_are_listed_by_group(admin: Api, pbx: Pbx, other_pbx: Pbx) -> None:
    """Of all PBXs with a group of that name, or of one."""
    begin_write()
    other = extensions.add_extension(other_pbx, "301")
    groups.add_group(other_pbx, GroupData("Sales", chosen=[other]))
    db.session.commit()
    add(admin, **SALES)
    listed = admin.get("/extensions", query_string={"group": "Sales"}).get_json()["data"]
    assert [one["number"] for one in listed] == ["301", "102", "101"]
    assert members(admin, "Sales") == ["101", "102"]
    assert members(admin, "sales") == []


@pytest.mark.parametrize(
    ("values", "pointer"),
    [
        ({"name": "Sales"}, "#/name"),
        ({"name": ""}, "#/name"),
        ({"name": None}, "#/name"),
        ({"pattern": "1("}, "#/pattern"),
        ({"extensions": ["101", "999"]}, "#/extensions"),
        ({"template": "999"}, "#/template"),
        ({"template": ""}, "#/template"),
        ({"members": ["101"]}, "#/"),
    ],
)
def test_invalid(admin: Api, pbx: Pbx, values: dict[str, Any], pointer: str) -> None:
    """Each wrong value is named, and nothing is changed."""
    add(admin)
    group = add(admin, name="Other")
    wrong = admin.post(PATH, {"name": "New"} | values)
    check_problem(wrong, ProblemType.INVALID_REQUEST, pointer)
    wrong = admin.patch(f"{PATH}/{group['id']}", values)
    problem = check_problem(wrong, ProblemType.INVALID_REQUEST, pointer)
    # The request's ID is random, and may have these digits.
    assert "999" not in str(problem | {"request_id": ""}), "what was sent is not repeated"
    assert names(admin) == ["Other", "Sales"]
    assert admin.get(f"{PATH}/{group['id']}").get_json() == group


def test_groups_of_other_pbxs(
    api: MakeApi, admin: Api, pbx: Pbx, other_pbx: Pbx, extension: Extension
) -> None:
    """A group is found below its own PBX only; the owner of an extension sees none."""
    group = add(admin)
    for wrong in ("0", "x", f"0{group['id']}", "9" * 30):
        check_problem(admin.get(f"{PATH}/{wrong}"), ProblemType.NOT_FOUND)
    elsewhere = f"/pbxs/branch/groups/{group['id']}"
    check_problem(admin.get(elsewhere), ProblemType.NOT_FOUND)
    check_problem(admin.delete(elsewhere), ProblemType.NOT_FOUND)
    owner = api(Role.SELF_SERVICE, pbx=pbx, extension=extension)
    check_problem(owner.get(PATH), ProblemType.NOT_FOUND)
    assert names(admin) == ["Sales"]


def test_it_is_added_once(admin: Api, pbx: Pbx) -> None:
    """A repeated request with its key gets the same answer."""
    key = {"Idempotency-Key": "order-4711"}
    first, second = (admin.post(PATH, SALES, headers=key) for _ in range(2))
    assert (second.status_code, second.get_json()) == (201, first.get_json())
    assert names(admin) == ["Sales"]
