"""PBXs by the management API: list, get, add, remove."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from callevents.api.v1.problems import ProblemType
from callevents.db.models import Extension, Pbx
from callevents.db.session import begin_write
from callevents.enums import EventType, Role
from callevents.extensions import db
from callevents.pbxs import pbxs, removal
from tests.api.v1.conftest import Api, MakeApi, check_actor, check_problem, last_entry
from tests.audit.conftest import entries
from tests.conftest import Configure

FULL = {
    "name": "Main office",
    "format": "yeastar",
    "format_secret": "geheim",
    "max_events_per_minute": 600,
    "max_open_deliveries": 10_000,
    "max_extensions": 50,
    "max_hooks": 200,
    "retention_days": 30,
    "hides_numbers": True,
}


def slugs(api: Api, **query: object) -> list[str]:
    """Return the slugs of all pages of the list."""
    found: list[str] = []
    while True:
        page = api.get("/pbxs", query_string=query).get_json()
        found += [one["slug"] for one in page["data"]]
        if page["next_cursor"] is None:
            return found
        query["cursor"] = page["next_cursor"]


def test_a_pbx_is_added_and_reports_with_its_token(admin: Api, client: FlaskClient) -> None:
    """The answer has the first token, which works, and the address to report to."""
    answer = admin.post("/pbxs", {"name": " Zürich "})
    assert answer.status_code == 201
    assert answer.headers["Location"] == "/api/v1/pbxs/zurich"
    created = answer.get_json()
    assert created["ingest_url"] == "http://localhost/ingest/zurich"
    token = created.pop("ingest_token")
    report = client.get(f"{created['ingest_url']}?event=dial-in&ext=1&token={token}")
    assert report.status_code == 202
    got = admin.get("/pbxs/zurich")
    assert got.get_json() == created
    assert token not in got.text
    assert created == {
        "slug": "zurich",
        "name": "Zürich",
        "format": "generic",
        "has_format_secret": False,
        "ingest_url": "http://localhost/ingest/zurich",
        "country": "",
        "internal_lengths": [],
        "outside_prefix": "",
        "trunk_prefix": "",
        "max_events_per_minute": None,
        "max_open_deliveries": None,
        "max_extensions": None,
        "max_hooks": None,
        "retention_days": None,
        "hides_numbers": False,
        "created_at": created["created_at"],
    }


def test_a_pbx_is_added_with_all_settings(admin: Api) -> None:
    """All of them are stored; the secret is not returned, and verifies signatures."""
    answer = admin.post("/pbxs", FULL)
    assert answer.status_code == 201
    created = answer.get_json()
    kept = {name: value for name, value in FULL.items() if name != "format_secret"}
    assert kept.items() <= created.items()
    assert created["has_format_secret"] is True
    assert "geheim" not in answer.text
    assert pbxs.find_format_secret(pbxs.get_pbx("main-office")) == "geheim"
    assert [entry.action for entry in entries()][-5:] == [
        "pbx.added",
        "token.added",
        "pbx.format_changed",
        "pbx.data_protection_changed",
        "pbx.quotas_changed",
    ]
    check_actor(last_entry(), admin)


def test_the_address_is_that_of_the_setting(app: Flask, admin: Api, pbx: Pbx) -> None:
    """Behind a proxy, the operator says what the address is; a text that is no host is not used."""
    settings = app.extensions["callevents"].settings
    options = {"headers": {"Host": "events.example.com:8080"}}
    got = admin.get("/pbxs/head-office", **options).get_json()
    assert got["ingest_url"] == "http://events.example.com:8080/ingest/head-office"
    odd = admin.get("/pbxs/head-office", headers={"Host": 'a"b<c>'}).get_json()
    assert odd["ingest_url"] == "http://localhost:80/ingest/head-office"
    settings.public_url = "https://calls.example.com"
    got = admin.get("/pbxs/head-office", **options).get_json()
    assert got["ingest_url"] == "https://calls.example.com/ingest/head-office"


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, ["#/name"]),
        ({"name": " "}, ["#/name"]),
        ({"name": "Head OFFICE"}, ["#/name"]),
        ({"name": "x" * 101}, ["#/name"]),
        ({"name": "a\u202eb"}, ["#/name"]),
        ({"name": 5}, ["#/name"]),
        ({"name": "A", "format": "carrier-pigeon"}, ["#/format"]),
        ({"name": "A", "format": "generic", "format_secret": "geheim"}, ["#/format_secret"]),
        ({"name": "A", "format": "yeastar", "format_secret": ""}, ["#/format_secret"]),
        (
            {"name": "A", "max_hooks": 0, "retention_days": 3651},
            ["#/max_hooks", "#/retention_days"],
        ),
        ({"name": "A", "max_hooks": "7"}, ["#/max_hooks"]),
        ({"name": "A", "hides_numbers": None}, ["#/hides_numbers"]),
    ],
)
def test_invalid_pbxs(admin: Api, pbx: Pbx, body: dict[str, object], pointers: list[str]) -> None:
    """The errors are at their fields, repeat nothing, and nothing is added."""
    answer = admin.post("/pbxs", body)
    check_problem(answer, ProblemType.INVALID_REQUEST, *pointers)
    for value in body.values():
        assert not isinstance(value, str) or len(value) < 2 or value not in answer.text
    assert slugs(admin) == ["head-office"]


def test_a_list_has_pages(admin: Api) -> None:
    """The newest PBX comes first; each one is in one page, also while others are added."""
    for number in range(5):
        admin.post("/pbxs", {"name": f"PBX {number}"})
    assert slugs(admin, limit=2) == ["pbx-4", "pbx-3", "pbx-2", "pbx-1", "pbx-0"]
    first = admin.get("/pbxs?limit=2").get_json()
    admin.post("/pbxs", {"name": "PBX 5"})
    rest = slugs(admin, limit=2, cursor=first["next_cursor"])
    assert rest == ["pbx-2", "pbx-1", "pbx-0"]


def test_who_sees_which_pbx(
    api: MakeApi, admin: Api, pbx: Pbx, other_pbx: Pbx, extension: Extension
) -> None:
    """What is not seen is left out of the list, and not found, for each kind of limit."""
    owner = api(Role.SELF_SERVICE, pbx=pbx, extension=extension)
    ones = [api(Role.VIEWER, pbx=pbx), api(Role.ADMIN, pbx=pbx), api(limited_to=pbx)]
    assert slugs(admin) == ["branch", "head-office"]
    assert slugs(api(Role.VIEWER)) == ["branch", "head-office"]
    for one in ones:
        assert slugs(one) == ["head-office"]
        assert one.get("/pbxs/head-office").status_code == 200
        assert one.get("/pbxs/head-office/usage").status_code == 200
        for path in ("/pbxs/branch", "/pbxs/branch/usage"):
            check_problem(one.get(path), ProblemType.NOT_FOUND)
    assert slugs(owner) == []
    check_problem(owner.get("/pbxs/head-office"), ProblemType.NOT_FOUND)


@pytest.mark.parametrize(
    "slug", ["nobody", "%00", "%ff", "x" * 10_000, "%F0%9F%98%80", "Head-office"]
)
def test_what_is_no_pbx(admin: Api, pbx: Pbx, slug: str) -> None:
    """Any other text is the name of no PBX."""
    check_problem(admin.get(f"/pbxs/{slug}"), ProblemType.NOT_FOUND)
    check_problem(admin.patch(f"/pbxs/{slug}", {"name": "x"}), ProblemType.NOT_FOUND)
    check_problem(admin.delete(f"/pbxs/{slug}"), ProblemType.NOT_FOUND)


def test_only_admins_of_all_pbxs_add_and_remove(
    api: MakeApi, admin: Api, pbx: Pbx, other_pbx: Pbx
) -> None:
    """Others may not, not even the admin of that PBX, nor a token that is limited to it."""
    ones = [api(Role.OPERATOR), api(Role.ADMIN, pbx=pbx), api(limited_to=pbx)]
    for one in ones:
        check_problem(one.post("/pbxs", {"name": "New"}), ProblemType.FORBIDDEN)
        check_problem(one.delete("/pbxs/head-office"), ProblemType.FORBIDDEN)
    for one in ones[1:]:
        check_problem(one.delete("/pbxs/branch"), ProblemType.NOT_FOUND)
    assert slugs(admin) == ["branch", "head-office"]


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/pbxs", "pbxs:read"),
        ("GET", "/pbxs/head-office", "pbxs:read"),
        ("GET", "/pbxs/head-office/usage", "pbxs:read"),
        ("POST", "/pbxs", "pbxs:write"),
        ("PATCH", "/pbxs/head-office", "pbxs:write"),
        ("DELETE", "/pbxs/head-office", "pbxs:write"),
    ],
)
def test_scopes(api: MakeApi, pbx: Pbx, method: str, path: str, scope: str) -> None:
    """Each operation needs its scope; that for changes is not one for reading."""
    other = {"pbxs:read": "pbxs:write", "pbxs:write": "pbxs:read"}[scope]
    answer = api(scopes=[other]).send(method, path, json={"name": "New"})
    assert scope in check_problem(answer, ProblemType.INSUFFICIENT_SCOPE)["detail"]


def test_a_pbx_is_removed(
    api: MakeApi, admin: Api, pbx: Pbx, token: str, client: FlaskClient, configure: Configure
) -> None:
    """It is gone at once: for all routes, for reports and for tokens that are limited to it."""
    limited = api(limited_to=pbx)
    configure.hook("101", EventType.DIAL_IN, "http://crm.example.com/")
    answer = admin.delete("/pbxs/head-office")
    assert (answer.status_code, answer.data) == (204, b"")
    entry = last_entry()
    assert (entry.action, entry.object_name) == ("pbx.removed", "Head office")
    check_actor(entry, admin)
    assert slugs(admin) == []
    for path in ("", "/usage", "/ingest-tokens", "/connector"):
        check_problem(admin.get(f"/pbxs/head-office{path}"), ProblemType.NOT_FOUND)
    check_problem(admin.delete("/pbxs/head-office"), ProblemType.NOT_FOUND)
    check_problem(limited.get("/me"), ProblemType.UNAUTHORIZED)
    report = client.get(f"/ingest/head-office?event=dial-in&ext=101&token={token}")
    assert report.status_code == 401
    assert [one.slug for one in removal.list_removing()] == ["head-office"]


def test_the_name_of_a_pbx_that_is_being_removed(admin: Api, pbx: Pbx) -> None:
    """It is not free yet, and the sentence says so."""
    admin.delete("/pbxs/head-office")
    answer = admin.post("/pbxs", {"name": "Head office"})
    problem = check_problem(answer, ProblemType.INVALID_REQUEST, "#/name")
    assert "still being removed" in problem["errors"][0]["detail"]


def test_usage(admin: Api, pbx: Pbx, client: FlaskClient, token: str) -> None:
    """It has what is used of each quota, and the time of the last event."""
    admin.patch("/pbxs/head-office", {"max_extensions": 7})
    usage = admin.get("/pbxs/head-office/usage").get_json()
    assert usage.pop("last_event_at") is None
    assert usage == {
        "max_events_per_minute": {"used": 0, "limit": None},
        "max_open_deliveries": {"used": 0, "limit": None},
        "max_extensions": {"used": 2, "limit": 7},
        "max_hooks": {"used": 0, "limit": None},
    }
    assert client.get(f"/ingest/head-office?event=hangup&ext=1&token={token}").status_code == 202
    usage = admin.get("/pbxs/head-office/usage").get_json()
    assert usage["max_events_per_minute"]["used"] == 1
    assert usage["last_event_at"].endswith("Z")


def test_a_repeated_request_adds_one_pbx(admin: Api) -> None:
    """With an Idempotency-Key, the second answer is the first one, with the same token."""
    headers = {"Idempotency-Key": "one"}
    first, second = (admin.post("/pbxs", {"name": "Depot"}, headers=headers) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.get_json() == second.get_json()
    assert slugs(admin) == ["depot"]


def test_a_pbx_whose_removal_began_meanwhile(admin: Api, pbx: Pbx) -> None:
    """It is not found for changes either, and nothing is recorded twice."""
    begin_write()
    removal.begin_removal(pbxs.get_pbx("head-office"), "head-office")
    db.session.commit()
    count = len(entries())
    check_problem(admin.patch("/pbxs/head-office", {"name": "x"}), ProblemType.NOT_FOUND)
    check_problem(admin.post("/pbxs/head-office/ingest-tokens"), ProblemType.NOT_FOUND)
    assert len(entries()) == count
