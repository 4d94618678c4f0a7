"""Export and import of the configuration by the management API."""

from typing import Any

import pytest
import yaml
from flask import Flask
from sqlalchemy import func, select

from callevents.api.v1 import config
from callevents.api.v1.problems import ProblemType
from callevents.db.models import Extension, Pbx
from callevents.db.session import begin_write
from callevents.enums import EventType, Role
from callevents.extensions import db
from callevents.hooks.hooks import HookData, update_hook
from tests.api.v1.conftest import Api, MakeApi, check_actor, check_problem, last_entry
from tests.api.v1.test_hooks_concurrency import WRITERS, all_at_once
from tests.conftest import Configure
from tests.support.database_faults import meanwhile

PATH = "/config"
REQUEST = {"event": "dial-in", "url": "https://crm.example.com/"}


def document(**values: Any) -> dict[str, Any]:
    """Return a document with the PBX 'Head office' and these values."""
    return {"version": 1, "pbxs": [{"slug": "head-office", "name": "Head office"} | values]}


def with_request(**values: Any) -> dict[str, Any]:
    """Return a document in which extension 101 has a request."""
    return document(extensions=[{"number": "101", "name": "Olga", "hooks": [REQUEST | values]}])


def names(pbx: Pbx) -> list[str]:
    """Return the numbers of the PBX's extensions."""
    db.session.rollback()
    query = select(Extension.number).where(Extension.pbx_id == pbx.id).order_by(Extension.number)
    return list(db.session.scalars(query))


def test_what_is_exported_changes_nothing(admin: Api, pbx: Pbx) -> None:
    """As JSON and as YAML, with the ETag of the version that was read."""
    exported = admin.get(PATH)
    assert [one["number"] for one in exported.get_json()["pbxs"][0]["extensions"]] == ["101", "102"]
    condition = {"If-Match": exported.headers["ETag"]}
    done = admin.put(PATH, exported.get_json(), query_string="prune=true", headers=condition)
    assert done.get_json() == {"dry_run": False, "changes": []}
    as_yaml = admin.get(PATH, headers={"Accept": "application/yaml"})
    assert as_yaml.mimetype == "application/yaml"
    assert yaml.safe_load(as_yaml.text) == exported.get_json()
    condition = {"If-Match": as_yaml.headers["ETag"]}
    content_type = "application/yaml"
    done = admin.put(PATH, data=as_yaml.data, content_type=content_type, headers=condition)
    assert done.get_json() == {"dry_run": False, "changes": []}
    assert admin.get(PATH, headers={"If-None-Match": exported.headers["ETag"]}).status_code == 304


def test_an_import_lists_its_changes(admin: Api, pbx: Pbx) -> None:
    """A dry run makes none of them. The token is in the history."""
    added = {
        "done": "added",
        "object": "hook",
        "name": "head-office 101 dial-in",
        "fields": [],
        "missing_secrets": ["credentials"],
    }
    wanted = with_request(authentication="bearer")
    tried = admin.put(PATH, wanted, query_string="dry_run=true")
    assert tried.get_json() == {"dry_run": True, "changes": [added]}
    done = admin.put(PATH, wanted)
    assert done.get_json() == {"dry_run": False, "changes": [added]}
    check_actor(last_entry(), admin)
    assert admin.put(PATH, wanted).get_json()["changes"] == []


def test_only_pruning_removes(admin: Api, pbx: Pbx) -> None:
    """Without it, extension 102 stays."""
    assert admin.put(PATH, with_request()).status_code == 200
    assert names(pbx) == ["101", "102"]
    assert admin.put(PATH, with_request(), query_string="prune=true").status_code == 200
    assert names(pbx) == ["101"]


def test_a_stale_version_changes_nothing(admin: Api, pbx: Pbx) -> None:
    """Somebody else has changed something since."""
    tag = admin.get(PATH).headers["ETag"]
    admin.put(PATH, with_request())
    late = admin.put(PATH, document(), query_string="prune=true", headers={"If-Match": tag})
    check_problem(late, ProblemType.PRECONDITION_FAILED)
    assert names(pbx) == ["101", "102"]


def test_one_of_two_imports_at_the_same_time_is_refused(admin: Api, pbx: Pbx) -> None:
    """Both have read the same version."""
    condition = {"If-Match": admin.get(PATH).headers["ETag"]}
    done: list[int] = []

    def load(name: str) -> None:
        done.append(admin.put(PATH, document(name=name), headers=condition).status_code)

    with meanwhile(db.engine, "SELECT connector", lambda: load("Other")):
        load("Main office")
    assert sorted(done) == [200, 412]


@pytest.mark.parametrize(
    ("values", "pointer"),
    [
        (document(secret="geheim"), "#/pbxs/0"),
        (document(slug="No Slug"), "#/pbxs/0/slug"),
        (document(extensions=[{"number": 101}]), "#/pbxs/0/extensions/0/number"),
        (with_request(url="ftp://geheim"), "#/pbxs/0/extensions/0/hooks/0/url"),
        (with_request(headers=["Host"]), "#/pbxs/0/extensions/0/hooks/0/headers/0"),
        (with_request(headers=["a"] * 21), "#/pbxs/0/extensions/0/hooks/0/headers"),
        (document(extensions=[{} for _ in range(3000)]), "#/"),
    ],
)
def test_an_error_points_into_the_document(
    admin: Api, pbx: Pbx, values: dict[str, Any], pointer: str
) -> None:
    """It repeats nothing of it, and nothing changes; the same with YAML."""
    before = admin.get(PATH).get_json()
    texts = yaml.safe_dump(values)
    for answer in (
        admin.put(PATH, values),
        admin.put(PATH, data=texts, content_type="application/yaml"),
    ):
        problem = check_problem(answer, ProblemType.INVALID_REQUEST)
        assert [one["pointer"] for one in problem["errors"]] == [pointer]
        assert "geheim" not in answer.text
    assert admin.get(PATH).get_json() == before


@pytest.mark.parametrize(
    "text", ["a: [", "a: &x [1]\nb: *x", "[" * 1000, "- \x00", "\xff", "a: 0x" + "f" * 5000]
)
def test_yaml_that_cannot_be_read_is_refused(admin: Api, text: str) -> None:
    """Also aliases, which could stand for more than fits into memory."""
    data = text.encode("latin-1")
    answer = admin.put(PATH, data=data, content_type="application/yaml")
    check_problem(answer, ProblemType.INVALID_REQUEST)


def test_an_error_names_fields_in_words(admin: Api, pbx: Pbx) -> None:
    """Names of fields are ours and not the client's, so they are no secret."""
    answer = admin.put(PATH, document(extensions=[{"number": " "}]))
    [error] = check_problem(answer, ProblemType.INVALID_REQUEST)["errors"]
    assert error["detail"] == "Enter the extension's number."


def test_only_admins_of_all_pbxs_may(api: MakeApi, pbx: Pbx) -> None:
    """A token for one PBX has no scope for it."""
    for program in (api(Role.VIEWER), api(Role.ADMIN, pbx=pbx)):
        check_problem(program.get(PATH), ProblemType.FORBIDDEN)
        check_problem(program.put(PATH, document()), ProblemType.FORBIDDEN)
    limited = api(limited_to=pbx)
    check_problem(limited.get(PATH), ProblemType.INSUFFICIENT_SCOPE)
    check_problem(limited.put(PATH, document()), ProblemType.INSUFFICIENT_SCOPE)
    reader = api(scopes=["config:read"])
    assert reader.get(PATH).status_code == 200
    check_problem(reader.put(PATH, document()), ProblemType.INSUFFICIENT_SCOPE)
    db.session.rollback()
    assert db.session.scalar(select(func.count()).select_from(Extension)) == 2


def test_one_of_the_imports_with_an_etag_wins(app: Flask, admin: Api, pbx: Pbx) -> None:
    """All have read the same version: one changes it, and all others are refused."""
    headers = {"If-Match": admin.get(PATH).headers["ETag"]}

    def write(number: int) -> int:
        wanted = document(name=f"Office {number}")
        return admin.put(PATH, wanted, headers=headers).status_code

    assert all_at_once(app, write) == {200: 1, 412: WRITERS - 1}


def test_an_import_with_an_etag_waits_for_a_change(
    admin: Api, pbx: Pbx, configure: Configure
) -> None:
    """A hook that somebody is changing is another version: the change is not overwritten."""
    hook = configure.hook("101", EventType.DIAL_IN, "http://a.example/")
    headers = {"If-Match": admin.get(PATH).headers["ETag"]}
    done: list[int] = []

    def write() -> None:
        wanted = with_request(event_id=hook.event_id)
        done.append(admin.put(PATH, wanted, headers=headers).status_code)

    begin_write()
    data = HookData(hook.url, note="A change on a page")
    with meanwhile(db.engine, "UPDATE hook", write):
        update_hook(hook, data)
        db.session.commit()
    assert done == [412]


def test_one_import_changes_a_limited_number(
    admin: Api, pbx: Pbx, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that reports do not wait long. Nothing changes beyond the limit."""
    monkeypatch.setattr(config, "MAX_CHANGED", 1)
    renamed = document(extensions=[{"number": "101", "name": "A"}, {"number": "102", "name": "B"}])
    check_problem(admin.put(PATH, renamed), ProblemType.INVALID_REQUEST, "#/")
    assert (
        admin.put(PATH, document(extensions=renamed["pbxs"][0]["extensions"][:1])).status_code
        == 200
    )
    found = admin.get(PATH).get_json()["pbxs"][0]["extensions"]
    assert [one["name"] for one in found] == ["A", ""]
