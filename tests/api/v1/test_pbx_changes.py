"""Changes of PBXs by the management API: settings, rights, versions."""

import threading
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from callevents.api.v1.problems import ProblemType
from callevents.db.models import Extension, Pbx
from callevents.enums import Role
from callevents.extensions import db
from callevents.pbxs import pbxs
from tests.api.v1.conftest import Api, MakeApi, check_actor, check_problem, last_entry
from tests.audit.conftest import entries

PATH = "/pbxs/head-office"
#: A value of each setting that differs from its default.
SETTINGS = {
    "name": "Main office",
    "format": "yeastar",
    "max_events_per_minute": 600,
    "max_open_deliveries": 10_000,
    "max_extensions": 50,
    "max_hooks": 200,
    "retention_days": 30,
    "hides_numbers": True,
    "country": "RO",
}


def etag(api: Api) -> str:
    """Return the ETag of the PBX."""
    return api.get(PATH).headers["ETag"]


@pytest.mark.parametrize("name", SETTINGS)
def test_one_setting_changes(admin: Api, pbx: Pbx, name: str) -> None:
    """It is changed and the others stay; the ETag changes; the history has the change."""
    before, old = admin.get(PATH).get_json(), etag(admin)
    answer = admin.patch(PATH, {name: SETTINGS[name]})
    assert answer.status_code == 200
    assert answer.get_json() == {**before, name: SETTINGS[name]}
    assert answer.headers["ETag"] == etag(admin) != old
    entry = last_entry()
    assert (entry.object_kind, entry.pbx_id) == ("pbx", pbx.id)
    assert entry.after == {name: SETTINGS[name]}
    check_actor(entry, admin)


def test_the_number_plan_changes(admin: Api, pbx: Pbx) -> None:
    """Its rules belong to a country; what is not in the body stays."""
    rules = {"outside_prefix": "9", "trunk_prefix": "88", "internal_lengths": [3, 4]}
    answer = admin.patch(PATH, rules)
    check_problem(answer, ProblemType.INVALID_REQUEST, "#/country")
    changed = admin.patch(PATH, {"country": "RO", **rules}).get_json()
    assert {name: changed[name] for name in rules} == rules
    entry = last_entry()
    assert entry.action == "pbx.number_plan_changed"
    assert entry.after == {"country": "RO", **rules, "internal_lengths": "3,4"}
    kept = admin.patch(PATH, {"outside_prefix": None}).get_json()
    assert kept == {**changed, "outside_prefix": ""}
    wrong = (("country", "ro"), ("country", "XX"), ("trunk_prefix", "+"))
    for name, value in (*wrong, ("internal_lengths", [0])):
        answer = admin.patch(PATH, {name: value})
        item = "/0" if isinstance(value, list) else ""
        check_problem(answer, ProblemType.INVALID_REQUEST, f"#/{name}{item}")


def test_the_format_secret_changes(admin: Api, pbx: Pbx) -> None:
    """It is never shown, but the ETag changes with it, and null removes it."""
    admin.patch(PATH, {"format": "yeastar"})
    tags, old = [etag(admin)], admin.get(PATH).get_json()
    for secret in ("geheim", "anders", None):
        answer = admin.patch(PATH, {"format_secret": secret})
        assert answer.get_json() == {**old, "has_format_secret": secret is not None}
        db.session.rollback()
        assert pbxs.find_format_secret(pbxs.get_pbx("head-office")) == (secret or "")
        tags.append(answer.headers["ETag"])
    # Without a secret it is as before.
    assert tags[3] == tags[0]
    assert len(set(tags)) == 3
    assert [entry.after for entry in entries(action="pbx.format_changed")][1:] == [
        {"signature_secret": "set"},
        {"signature_secret": "changed"},
        {"signature_secret": "removed"},
    ]


def test_a_secret_goes_with_a_format_that_has_none(admin: Api, pbx: Pbx) -> None:
    """A format without signatures drops the secret; one with signatures keeps it."""
    admin.patch(PATH, {"format": "yeastar", "format_secret": "geheim"})
    assert admin.patch(PATH, {"format": "yeastar"}).get_json()["has_format_secret"] is True
    assert admin.patch(PATH, {"format": "wazo"}).get_json()["has_format_secret"] is False
    answer = admin.patch(PATH, {"format_secret": "geheim"})
    check_problem(answer, ProblemType.INVALID_REQUEST, "#/format_secret")
    assert "geheim" not in answer.text


def test_null_resets(admin: Api, pbx: Pbx) -> None:
    """Null is the default of each setting but the name, which has none."""
    fresh = admin.get(PATH).get_json()
    everything = {**SETTINGS, "format_secret": "geheim"}
    assert admin.patch(PATH, everything).get_json()["has_format_secret"] is True
    nothing = dict.fromkeys(everything.keys() - {"name"})
    assert admin.patch(PATH, nothing).get_json() == {**fresh, "name": "Main office"}
    check_problem(admin.patch(PATH, {"name": None}), ProblemType.INVALID_REQUEST, "#/name")


def test_an_empty_patch(admin: Api, pbx: Pbx) -> None:
    """It changes nothing, and the history has nothing of it; nor of the same values again."""
    old, count = etag(admin), len(entries())
    assert admin.patch(PATH, {}).headers["ETag"] == old
    same = {"name": "Head office", "format": "generic", "hides_numbers": False, "max_hooks": None}
    assert admin.patch(PATH, same).headers["ETag"] == old
    assert len(entries()) == count


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({"slug": "other"}, ["#/"]),
        ({"retention_days": 0}, ["#/retention_days"]),
        ({"retention_days": 1.5}, ["#/retention_days"]),
        ({"max_extensions": 1_000_001}, ["#/max_extensions"]),
        ({"format": 3}, ["#/format"]),
        ({"name": "Branch"}, ["#/name"]),
    ],
)
def test_invalid_changes(
    admin: Api, pbx: Pbx, other_pbx: Pbx, body: dict[str, object], pointers: list[str]
) -> None:
    """None of the settings changes, not even the valid ones."""
    old = etag(admin)
    answer = admin.patch(PATH, {**body, "hides_numbers": True})
    check_problem(answer, ProblemType.INVALID_REQUEST, *pointers)
    assert "ranch" not in answer.text
    assert etag(admin) == old


@pytest.mark.parametrize("name", SETTINGS)
def test_rights_for_settings(
    api: MakeApi, pbx: Pbx, other_pbx: Pbx, extension: Extension, name: str
) -> None:
    """Admins of the PBX change all settings but the quotas; others change none."""
    body = {name: SETTINGS[name]}
    for one in (api(Role.ADMIN, pbx=pbx), api(limited_to=pbx)):
        answer = one.patch(PATH, body)
        if name.startswith("max_"):
            check_problem(answer, ProblemType.FORBIDDEN)
        else:
            assert answer.status_code == 200
        check_problem(one.patch("/pbxs/branch", body), ProblemType.NOT_FOUND)
    for role in (Role.OPERATOR, Role.VIEWER):
        check_problem(api(role, pbx=pbx).patch(PATH, body), ProblemType.FORBIDDEN)
    owner = api(Role.SELF_SERVICE, pbx=pbx, extension=extension)
    check_problem(owner.patch(PATH, body), ProblemType.NOT_FOUND)


def test_a_quota_takes_effect_at_once(
    admin: Api, pbx: Pbx, client: FlaskClient, token: str
) -> None:
    """Reports beyond a new quota are rejected, although the PBX was in memory."""
    path = f"/ingest/head-office?event=dial-in&ext=101&token={token}"
    assert client.get(path).status_code == 202
    admin.patch(PATH, {"max_events_per_minute": 1})
    assert client.get(path).status_code == 429


def test_a_version_that_has_changed(admin: Api, pbx: Pbx) -> None:
    """With the ETag of an older version nothing is changed or removed; `*` is any version."""
    old = etag(admin)
    admin.patch(PATH, {"name": "Main office"})
    headers = {"If-Match": old}
    changed = admin.patch(PATH, {"hides_numbers": True}, headers=headers)
    for answer in (changed, admin.delete(PATH, headers=headers)):
        check_problem(answer, ProblemType.PRECONDITION_FAILED)
    assert admin.get(PATH).get_json()["hides_numbers"] is False
    now = {"If-Match": f'"other", {etag(admin)}'}
    assert admin.patch(PATH, {"hides_numbers": True}, headers=now).status_code == 200
    assert admin.delete(PATH, headers={"If-Match": "*"}).status_code == 204


def test_a_version_that_is_known(admin: Api, pbx: Pbx) -> None:
    """The answer is 304 until something changes."""
    headers = {"If-None-Match": etag(admin)}
    known = admin.get(PATH, headers=headers)
    assert (known.status_code, known.data) == (304, b"")
    admin.patch(PATH, {"max_hooks": 3})
    assert admin.get(PATH, headers=headers).status_code == 200


def test_two_writers_with_one_version(admin: Api, pbx: Pbx) -> None:
    """At the same moment, one changes the PBX, and the other one gets 412."""
    headers, start = {"If-Match": etag(admin)}, threading.Barrier(2)
    answers: list[TestResponse] = []

    def write(name: str) -> None:
        start.wait(timeout=30)
        answers.append(admin.patch(PATH, {"name": name}, headers=headers))

    threads = [threading.Thread(target=write, args=[name]) for name in ("One", "Two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert sorted(answer.status_code for answer in answers) == [200, 412]
    [done] = [answer for answer in answers if answer.status_code == 200]
    stored: dict[str, Any] = admin.get(PATH).get_json()
    assert stored == done.get_json()
