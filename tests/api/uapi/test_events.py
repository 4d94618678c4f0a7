"""Events of an extension: create, list, update and remove them as VoipNow's clients do."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from callevents.db.models import Pbx, utc_now
from callevents.db.session import write_transaction
from callevents.delivery.suspend import suspend
from callevents.enums import EventType, Method
from callevents.extensions import db
from tests.api.uapi.conftest import (
    EVENTS,
    NUMBER,
    URL,
    Api,
    check_error,
    path_of,
    stored_hooks,
    succeeded,
)
from tests.conftest import Configure

SLASHES = pytest.mark.parametrize("slash", ["", "/"])
BASES = pytest.mark.parametrize("base", ["/uapi", "/unifiedapi"])


@SLASHES
@BASES
def test_each_operation(api: Api, slash: str, base: str) -> None:
    """Create, list, update and remove, with and without the slash, at both names of the API."""
    api.base = EVENTS.replace("/uapi", base)
    body = {"type": "2", "method": "1", "note": "CRM", "url": URL, "status": "1"}
    created = succeeded(api.send("POST", slash, json=body))
    assert list(created) == ["type", "id", "method", "note", "url", "status", "modified", "links"]
    assert body.items() <= created.items()
    one = path_of(created) + slash
    assert re.fullmatch(r"[A-Za-z0-9]{30}", created["id"])
    assert created["links"] == {"self": f"http://localhost{EVENTS}/2/{created['id']}"}
    for path in (slash, f"/2{slash}", one):
        listed = api.get(path)
        assert listed == {
            "entry": [created],
            "startIndex": 0,
            "itemsPerPage": 20,
            "totalResults": 1,
            "paging": {},
        }
    assert api.get(f"/1{slash}")["entry"] == []
    updated = succeeded(api.send("PUT", one, json={"status": "0"}))
    assert updated == created | {"status": "0", "modified": updated["modified"]}
    assert succeeded(api.send("DELETE", one)) == [updated]
    assert api.get(slash)["entry"] == []


@pytest.mark.parametrize("path", ["", "/3", "/3/"])
def test_type_in_path_or_body(api: Api, path: str) -> None:
    """The type may be in the path, in the body, or in both."""
    for body in ({"url": URL}, {"url": URL, "type": "3"}, {"url": URL, "type": 3}):
        answer = api.send("POST", path, json=body)
        if path or "type" in body:
            assert succeeded(answer)["type"] == "3"
        else:
            check_error(answer, 400, "pcet_type_invalid")


def test_defaults(api: Api) -> None:
    """A new event is an enabled GET without a note."""
    created = api.create()
    assert created.items() >= {"method": "0", "status": "1", "note": ""}.items()
    [hook] = stored_hooks()
    assert (hook.event_type, hook.method, hook.url) == (EventType.DIAL_IN, Method.GET, URL)
    assert hook.active


@pytest.mark.parametrize(
    "fields",
    [
        {"type": 4, "method": 1, "status": 0, "note": 12},
        {"type": "4", "method": "1", "status": "0", "note": "12"},
    ],
)
def test_numbers_and_texts(api: Api, fields: dict[str, Any]) -> None:
    """Numbers are taken as texts are; answers have texts."""
    created = api.create(**fields)
    assert created.items() >= {"type": "4", "method": "1", "status": "0", "note": "12"}.items()
    assert api.update(created, **fields) == created


def test_null_is_absence(api: Api) -> None:
    """A field that is null is as if it were missing."""
    created = api.create(method="1", note="kept", status="0")
    nothing = dict.fromkeys(("type", "method", "note", "url", "status"))
    assert api.update(created, **nothing) == created
    assert api.create(method=None, note=None, status=None)["method"] == "0"
    check_error(api.send("POST", json=nothing), 400, "pcet_type_invalid")
    check_error(api.send("POST", json={**nothing, "type": 0}), 400, "pce_url_invalid")


def test_unknown_fields_are_ignored(api: Api) -> None:
    """An event can be sent back as it was received, with one value changed."""
    created = api.create(event={"a": [1]}, id="mine")
    updated = api.update(created, **created | {"note": "changed", "colour": None})
    assert updated == created | {"note": "changed", "modified": updated["modified"]}


def test_update_changes_only_what_is_given(api: Api) -> None:
    """Each field can be changed alone; nothing changes nothing, not even the date."""
    created = api.create(method="1", note="first")
    assert api.update(created) == created
    changes = {"method": "0", "note": "second", "url": "https://other.example/", "status": "0"}
    expected = dict(created)
    for name, value in changes.items():
        updated = api.update(created, **{name: value})
        expected |= {name: value, "modified": updated["modified"]}
        assert updated == expected
    assert api.entries() == [expected]


def test_remove(api: Api) -> None:
    """One, those of a type, or all; an empty list if there were none."""
    first, second, third = (api.create(type=code) for code in ("0", "0", "1"))
    assert api.delete(path_of(first)) == [first]
    assert api.delete("/3/") == []
    assert api.delete("/0") == [second]
    another = api.create(type="4")
    assert sorted(map(str, api.delete())) == sorted(map(str, [third, another]))
    assert api.delete() == []
    assert stored_hooks() == []


def test_modified(api: Api) -> None:
    """The date is RFC 3339 in UTC with whole seconds; only changes by users count."""
    before = utc_now().replace(microsecond=0)
    created = api.create()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", created["modified"])
    assert before <= datetime.fromisoformat(created["modified"]) <= utc_now()
    [hook] = stored_hooks()
    hook_id, modified_at = hook.id, hook.modified_at
    db.session.rollback()
    with write_transaction(db.engine) as connection:
        suspend(connection, hook_id, "Gone.", datetime.now(UTC))
    [hook] = stored_hooks()
    assert hook.suspended_at is not None
    assert hook.modified_at == modified_at


def test_only_hooks_of_the_extension(api: Api, configure: Configure) -> None:
    """Those for all extensions, and those of others, are neither listed nor removed."""
    for_all = configure.hook("*", EventType.DIAL_IN, URL).event_id
    of_other = configure.hook("0003*211", EventType.DIAL_IN, URL).event_id
    assert api.entries() == []
    for event_id in (for_all, of_other):
        for method in ("GET", "PUT", "DELETE"):
            answer = api.send(method, f"/0/{event_id}", json={} if method == "PUT" else None)
            check_error(answer, 400, "pce_id_invalid")
    assert api.delete() == []
    assert len(stored_hooks()) == 2


@pytest.mark.parametrize("user", ["@me", "%40me", "me", "@viewer", "viewer", "@owner", "owner"])
@pytest.mark.parametrize("number", [NUMBER, "0003%2A210", "210"])
def test_spellings_of_the_path(api: Api, user: str, number: str) -> None:
    """Parts may be percent-encoded, and an extension short; links are always the same."""
    created = api.create()
    api.base = f"/uapi/extensions/{user}/{number}/phoneCallEvents"
    name = user.replace("%40", "").removeprefix("@")
    self = f"http://localhost/uapi/extensions/@{name}/{NUMBER}/phoneCallEvents{path_of(created)}"
    assert api.entries() == [created | {"links": {"self": self}}]


def test_user_by_id(api: Api, admin_user: Any) -> None:
    """The user's own ID is one more name for @me."""
    api.base = EVENTS.replace("@me", str(admin_user.id))
    created = api.create()
    assert f"/extensions/{admin_user.id}/{NUMBER}/" in created["links"]["self"]
    assert api.entries() == [created]


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("data", [b"", b"{", b"null", b"\xff"])
def test_bodies_of_get_and_delete_are_not_read(api: Api, method: str, data: bytes) -> None:
    """VoipNow's clients send a JSON content type with each request, mostly without a body."""
    succeeded(api.send(method, data=data))


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "text/plain", ""])
def test_content_types(api: Api, content_type: str) -> None:
    """A body is read as JSON, whatever its content type."""
    headers = {"Authorization": f"Bearer {api.token}", "Content-Type": content_type}
    data = b'\xef\xbb\xbf{"type":0,"url":"https://crm.example.com/\xc3\xbc"}'
    created = succeeded(api.send("POST", headers=headers, data=data))
    assert created["url"] == "https://crm.example.com/ü"


def test_no_redirect(api: Api) -> None:
    """No spelling of a path redirects: neither a slash too many nor one too few."""
    created = api.create()
    below = EVENTS.removeprefix("/uapi")
    for base in ("/uapi", "/unifiedapi", "//uapi", "/unifiedapi/"):
        for path in (below, below.replace("/phone", "//phone"), "/extensions/", "//", ""):
            for end in ("", "/", "//", "/0", "/0//", path_of(created), f"{path_of(created)}///"):
                for method in ("GET", "PUT", "DELETE", "HEAD", "OPTIONS"):
                    # The client would take what follows // for a host.
                    target = {"PATH_INFO": base + path + end}
                    answer = api.send(method, json={}, environ_overrides=target)
                    assert not 300 <= answer.status_code < 400, (method, target)


def test_head_and_options(api: Api) -> None:
    """HEAD answers as GET does, without the body; OPTIONS says which methods there are."""
    created = api.create()
    head = api.send("HEAD")
    assert (head.status_code, head.data) == (200, b"")
    assert head.content_length == len(api.send("GET").data)
    for path, methods in (
        ("", {"GET", "HEAD", "POST", "DELETE", "OPTIONS"}),
        (path_of(created), {"GET", "HEAD", "PUT", "DELETE", "OPTIONS"}),
    ):
        assert api.send("OPTIONS", path).allow.as_set() == {one.lower() for one in methods}


def test_pbx_that_is_being_removed(api: Api, pbx: Pbx) -> None:
    """It has no extensions any more."""
    db.session.rollback()
    found = db.session.get_one(Pbx, pbx.id)
    found.removing_at = utc_now()
    db.session.commit()
    check_error(api.send("GET"), 400, "extension_invalid")
    check_error(api.send("POST", json={"type": 0, "url": URL}), 400, "extension_invalid")
