"""Extensions by the management API: list, get, rename, delete."""

import pytest

from callevents.api.v1.problems import ProblemType
from callevents.db.models import Extension, Hook, Pbx
from callevents.db.session import begin_write
from callevents.delivery.removal import undo
from callevents.enums import EventType, Role
from callevents.extensions import db
from callevents.ingest.accept import accept
from callevents.ingest.report import Report
from callevents.pbxs import extensions, removal
from tests.api.v1.conftest import Api, MakeApi, check_actor, check_problem, last_entry
from tests.audit.conftest import actions, entries
from tests.conftest import Configure
from tests.support.statement_count import counting


def numbers(api: Api, **query: object) -> list[str]:
    """Return the numbers on all pages of the list."""
    found: list[str] = []
    while True:
        answer = api.get("/extensions", query_string=query)
        assert answer.status_code == 200, answer.text
        page = answer.get_json()
        found += [f"{one['pbx']}:{one['number']}" for one in page["data"]]
        if page["next_cursor"] is None:
            return found
        query["cursor"] = page["next_cursor"]


@pytest.fixture
def filled(pbx: Pbx, other_pbx: Pbx) -> None:
    """The other PBX has the extensions 101 and 201."""
    begin_write()
    for number in ("101", "201"):
        extensions.add_extension(other_pbx, number)
    db.session.commit()


def test_an_extension(admin: Api, extension: Extension, pbx: Pbx) -> None:
    """It is shown with its PBX, and found by its number."""
    answer = admin.get(f"/extensions/{extension.id}")
    assert answer.get_json() == {
        "id": extension.id,
        "pbx": "head-office",
        "number": "101",
        "name": "Olga",
        "created_at": answer.get_json()["created_at"],
    }
    found = admin.get("/extensions?pbx=head-office&number=101").get_json()
    assert found == {"data": [answer.get_json()], "next_cursor": None}
    known = admin.get(
        f"/extensions/{extension.id}", headers={"If-None-Match": answer.headers["ETag"]}
    )
    assert known.status_code == 304


def test_filters(admin: Api, filled: None) -> None:
    """Filters by PBX and by number; without one, all are listed, newest first."""
    everything = ["branch:201", "branch:101", "head-office:102", "head-office:101"]
    assert numbers(admin) == everything
    assert numbers(admin, limit=1) == everything
    assert numbers(admin, pbx="head-office") == everything[2:]
    assert numbers(admin, number="101") == [everything[1], everything[3]]
    assert numbers(admin, number="101", pbx="branch") == ["branch:101"]
    assert numbers(admin, number="10") == []
    assert numbers(admin, number="x" * 3000) == []


def test_invalid_filters(api: MakeApi, admin: Api, filled: None, pbx: Pbx) -> None:
    """A PBX that is unknown, or not to be seen, is an error, and so is a strange parameter."""
    limited = api(limited_to=pbx)
    for one, slug in ((admin, "unbekannt"), (admin, ""), (limited, "branch")):
        answer = one.get("/extensions", query_string={"pbx": slug})
        check_problem(answer, ProblemType.INVALID_REQUEST, "?pbx")
        assert not slug or slug not in answer.text
    for query in ("limit=0", "limit=201", "limit=x"):
        check_problem(admin.get(f"/extensions?{query}"), ProblemType.INVALID_REQUEST, "?limit")
    for query in ("name=Olga", "number=%00", "pbx=a&pbx=b"):
        check_problem(admin.get(f"/extensions?{query}"), ProblemType.INVALID_REQUEST)


def test_a_cursor_belongs_to_its_filter(admin: Api, filled: None) -> None:
    """With another filter, or changed, it is refused."""
    cursor = admin.get("/extensions?limit=1").get_json()["next_cursor"]
    for query in (f"cursor={cursor}&number=101", f"cursor={cursor[:-3]}", "cursor=%F0%9F%98%80"):
        check_problem(admin.get(f"/extensions?{query}"), ProblemType.INVALID_CURSOR)


def test_pages_while_others_are_added(admin: Api, filled: None, configure: Configure) -> None:
    """What is added between two pages causes no gap and no repeat."""
    first = admin.get("/extensions?limit=2").get_json()
    configure.extension("103")
    rest = numbers(admin, limit=2, cursor=first["next_cursor"])
    assert rest == ["head-office:102", "head-office:101"]


def test_who_sees_which(
    api: MakeApi, admin: Api, pbx: Pbx, filled: None, extension: Extension
) -> None:
    """The list has what the owner sees, and no more."""
    whole = ["head-office:102", "head-office:101"]
    for one in (api(Role.VIEWER, pbx=pbx), api(Role.ADMIN, pbx=pbx), api(limited_to=pbx)):
        assert numbers(one) == numbers(one, pbx="head-office") == whole
    owner = api(Role.SELF_SERVICE, pbx=pbx, extension=extension)
    assert numbers(owner) == numbers(owner, pbx="head-office") == ["head-office:101"]
    assert numbers(owner, number="102") == []
    other_id = admin.get("/extensions?pbx=head-office&number=102").get_json()["data"][0]["id"]
    assert owner.get(f"/extensions/{extension.id}").status_code == 200
    check_problem(owner.get(f"/extensions/{other_id}"), ProblemType.NOT_FOUND)
    check_problem(owner.delete(f"/extensions/{other_id}"), ProblemType.NOT_FOUND)


def test_an_extension_is_renamed(admin: Api, extension: Extension) -> None:
    """Its name changes, and nothing else; null is no name."""
    path = f"/extensions/{extension.id}"
    before = admin.get(path)
    answer = admin.patch(path, {"name": " Reception "})
    assert answer.get_json() == {**before.get_json(), "name": "Reception"}
    assert answer.headers["ETag"] != before.headers["ETag"]
    entry = last_entry()
    assert (entry.action, entry.before, entry.after) == (
        "extension.renamed",
        {"name": "Olga"},
        {"name": "Reception"},
    )
    check_actor(entry, admin)
    assert admin.patch(path, {}).get_json()["name"] == "Reception"
    assert admin.patch(path, {"name": None}).get_json()["name"] == ""
    old = {"If-Match": before.headers["ETag"]}
    check_problem(admin.patch(path, {"name": "x"}, headers=old), ProblemType.PRECONDITION_FAILED)
    check_problem(admin.delete(path, headers=old), ProblemType.PRECONDITION_FAILED)
    for body, pointer in (({"name": "x" * 101}, "#/name"), ({"number": "7"}, "#/"), ([], "#/")):
        check_problem(admin.patch(path, body), ProblemType.INVALID_REQUEST, pointer)
    assert admin.patch(path, {"name": "x"}, headers={"If-Match": "*"}).status_code == 200


def test_an_extension_is_deleted(
    admin: Api, pbx: Pbx, configure: Configure, extension: Extension
) -> None:
    """It goes with its requests, as on the page, and a second time it is not found."""
    configure.hook("101", EventType.DIAL_IN, "http://crm.example.com/")
    begin_write()
    accept(pbx, [Report(event_type=EventType.DIAL_IN, extension="101")])
    db.session.commit()
    path, tag = f"/extensions/{extension.id}", f'"{"0" * 32}"'
    check_problem(admin.delete(path, headers={"If-Match": tag}), ProblemType.PRECONDITION_FAILED)
    deleted = admin.delete(path)
    assert deleted.status_code == 204
    check_problem(admin.delete(path), ProblemType.NOT_FOUND)
    db.session.rollback()
    assert db.session.query(Hook).all() == []
    assert actions()[-2:] == ["hook.cleared", "extension.removed"]
    check_actor(entries()[-1], admin)
    begin_write()
    undo(pbx, deleted.headers["Removal-ID"])
    db.session.commit()
    assert admin.get(path).status_code == 200


@pytest.mark.parametrize(
    "extension_id", ["101", "%00", "x" * 5000, "01a20701-a07b-7511-987d-0828034a71d0"]
)
def test_what_is_no_extension(admin: Api, pbx: Pbx, extension_id: str) -> None:
    """Any other text is the ID of no extension."""
    path = f"/extensions/{extension_id}"
    for answer in (admin.get(path), admin.patch(path, {"name": "x"}), admin.delete(path)):
        check_problem(answer, ProblemType.NOT_FOUND)


def test_rights(api: MakeApi, pbx: Pbx, other_pbx: Pbx, extension: Extension) -> None:
    """Operators and admins of the PBX change extensions; others do not."""
    path = f"/extensions/{extension.id}"
    viewers = [api(Role.VIEWER, pbx=pbx), api(Role.SELF_SERVICE, pbx=pbx, extension=extension)]
    for one in viewers:
        assert one.get(path).status_code == 200
        check_problem(one.patch(path, {"name": "x"}), ProblemType.FORBIDDEN)
        check_problem(one.delete(path), ProblemType.FORBIDDEN)
    for stranger in (api(limited_to=other_pbx), api(Role.ADMIN, pbx=other_pbx)):
        for answer in (stranger.get(path), stranger.patch(path, {}), stranger.delete(path)):
            check_problem(answer, ProblemType.NOT_FOUND)
    for one in (api(Role.OPERATOR), api(Role.ADMIN, pbx=pbx), api(limited_to=pbx)):
        assert one.patch(path, {"name": one.username}).status_code == 200
    assert one.delete(path).status_code == 204


def test_scopes(api: MakeApi, pbx: Pbx, extension: Extension) -> None:
    """Reading and changing need their scopes."""
    reader, writer = api(scopes=["pbxs:read"]), api(scopes=["pbxs:write"])
    path = f"/extensions/{extension.id}"
    for one in (path, "/extensions"):
        check_problem(writer.get(one), ProblemType.INSUFFICIENT_SCOPE)
    for answer in (reader.patch(path, {}), reader.delete(path), reader.post("/extensions", {})):
        check_problem(answer, ProblemType.INSUFFICIENT_SCOPE)
    assert writer.patch(path, {}).status_code == 200


def test_a_pbx_that_is_being_removed(
    admin: Api, filled: None, pbx: Pbx, extension: Extension
) -> None:
    """Its extensions are not found any more, although their rows are still there."""
    begin_write()
    removal.begin_removal(db.session.get_one(Pbx, pbx.id), "head-office")
    db.session.commit()
    assert numbers(admin) == ["branch:201", "branch:101"]
    path = f"/extensions/{extension.id}"
    for answer in (admin.get(path), admin.patch(path, {"name": "x"}), admin.delete(path)):
        check_problem(answer, ProblemType.NOT_FOUND)
    check_problem(admin.get("/extensions?pbx=head-office"), ProblemType.INVALID_REQUEST, "?pbx")


def test_a_page_takes_a_constant_number_of_statements(admin: Api, pbx: Pbx) -> None:
    """It does not grow with the extensions."""
    counts = []
    for count in (1, 40):
        wanted = [{"number": f"7{count}{place}"} for place in range(count)]
        admin.post("/extensions", {"pbx": "head-office", "extensions": wanted})
        statements: list[str] = []
        with counting(statements):
            admin.get("/extensions?pbx=head-office")
        counts.append(len(statements))
    assert counts[0] == counts[1]
