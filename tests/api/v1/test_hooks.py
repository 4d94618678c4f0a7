"""Tests of /hooks: add, read, change and remove."""

from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import select

from callevents import audit
from callevents.api.v1.hooks_models import HookChanges
from callevents.api.v1.problems import ProblemType
from callevents.db.models import Delivery, Extension, Hook, Pbx
from callevents.db.session import begin_write
from callevents.delivery import removal
from callevents.delivery.request.load import read_template
from callevents.enums import DeliveryState, EventType
from callevents.extensions import cipher, db
from callevents.hooks.options import GIVE_UP_CHOICES
from callevents.ingest.accept import accept
from callevents.ingest.report import Report
from callevents.security.masking import MASK
from tests.api.v1.conftest import Api, check_actor, check_problem, last_entry

URL = "https://crm.example.com/pop/{CallerIDNum}"
FULL: dict[str, Any] = {
    "pbx": "head-office",
    "extension": "101",
    "event": "hangup",
    "url": URL,
    "method": "PUT",
    "active": False,
    "note": "a\nb",
    "give_up_seconds": 30,
    "in_order": False,
    "body_format": "json",
    "parameters": "voipnow",
    "content_type": "text/plain",
    "body_template": "Call from {CallerIDNum}",
    "value_maps": {"direction": {"IN": "in", "OUT": "out"}},
    "scope": "call",
    "conditions": {
        "directions": ["in"],
        "party": "external",
        "answered": False,
        "min_seconds": 0,
        "hours": {
            "days": [1, 2, 5],
            "start": "09:00",
            "end": "17:30",
            "zone": "Europe/Bucharest",
            "is_outside": True,
        },
        "numbers": ["+40*"],
        "dids": ["+40210000100"],
        "queues": ["support"],
    },
    "answers": {},
    "missing_answer": "omit",
    "headers": [{"name": "X-Key", "value": "k3y"}, {"name": "X-Tenant", "value": "7"}],
    "authentication": {"kind": "basic", "username": "ana", "password": "p4ss"},
}
BARE = {"pbx": "head-office", "extension": None, "event": "dial-in", "url": "https://a.example/x"}


def stored(event_id: str) -> Hook:
    """Return the hook as it is stored."""
    db.session.rollback()
    return db.session.scalars(select(Hook).where(Hook.event_id == event_id)).one()


def add(api: Api, **values: Any) -> dict[str, Any]:
    """Add a hook; return the answer."""
    answer = api.post("/hooks", BARE | values)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.get_json()
    return found


def wait_for(pbx: Pbx) -> Delivery:
    """Accept a call at 101; return its delivery."""
    begin_write()
    accept(pbx, [Report(event_type=EventType.DIAL_IN, extension="101")])
    db.session.commit()
    return db.session.scalars(select(Delivery)).one()


def state_of(delivery: Delivery) -> DeliveryState:
    """Return the state as it is stored."""
    db.session.rollback()
    db.session.refresh(delivery)
    return delivery.state


def test_add_with_all_fields(admin: Api, pbx: Pbx, extension: Extension) -> None:
    """All that `flask hooks set` takes is stored and returned, but no secret; it is recorded."""
    answer = admin.post("/hooks", FULL)
    hook = answer.get_json()
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/api/v1/hooks/{hook['event_id']}"
    sent = {key: FULL[key] for key in FULL.keys() - {"extension", "headers", "authentication"}}
    assert hook == sent | {
        "event_id": hook["event_id"],
        "extension": "101",
        "extension_id": extension.id,
        "origin": "https://crm.example.com:443",
        "headers": [{"name": "X-Key"}, {"name": "X-Tenant"}],
        "authentication": {"kind": "basic"},
        "is_signed": False,
        "receiver": None,
        "previous_secret_until": None,
        "suspended_at": None,
        "suspended_reason": "",
        "failing_since": None,
        "created_at": hook["created_at"],
        "modified_at": hook["modified_at"],
    }
    template = read_template(stored(hook["event_id"]), cipher.bound)
    assert dict(template.custom_headers) == {"X-Key": "k3y", "X-Tenant": "7"}
    assert (template.username, template.secret) == ("ana", "p4ss")
    entry = last_entry()
    assert (entry.action, entry.object_id) == (audit.Action.HOOK_CREATED, hook["event_id"])
    check_actor(entry, admin)
    again = admin.get(answer.headers["Location"].removeprefix("/api/v1"))
    assert again.get_json() == hook
    assert again.headers["ETag"] == answer.headers["ETag"]


def test_defaults(admin: Api, pbx: Pbx) -> None:
    """Fields that are left out, or null, get the defaults of the dialog."""
    names = ("method", "active", "note", "give_up_seconds", "in_order", "body_format")
    more = ("parameters", "headers", "authentication", "content_type", "body_template")
    last = ("value_maps", "scope", "conditions", "answers", "missing_answer")
    hook = add(admin)
    assert [hook[name] for name in names] == ["GET", True, "", 86400, True, "form"]
    assert [hook[name] for name in more] == ["all", [], {"kind": "none"}, "", ""]
    assert [hook[name] for name in last] == [{}, "extension", None, {}, "fail"]
    assert hook["extension"] is None
    everything = (*names, *more, *last)
    nulls = add(admin, **dict.fromkeys(everything))
    assert {name: nulls[name] for name in everything} == {name: hook[name] for name in everything}


def test_times_to_give_up() -> None:
    """The description has the same choices as the dialog."""
    schema = HookChanges.model_json_schema()["properties"]["give_up_seconds"]["anyOf"][0]
    assert schema["enum"] == list(GIVE_UP_CHOICES)


@pytest.mark.parametrize(
    ("values", "pointers"),
    [
        ({"url": "ftp://crm"}, ["#/url"]),
        ({"url": f"https://a.example/?token={MASK}"}, ["#/url"]),
        ({"url": 7}, ["#/url"]),
        ({"pbx": "nowhere"}, ["#/pbx"]),
        ({"extension": "999"}, ["#/extension"]),
        ({"event": "ring"}, ["#/event"]),
        ({"method": "HEAD"}, ["#/method"]),
        ({"active": "yes"}, ["#/active"]),
        ({"give_up_seconds": 31}, ["#/give_up_seconds"]),
        ({"note": "x" * 501}, ["#/note"]),
        ({"note": "a\x1bb", "url": "https://"}, ["#/url", "#/note"]),
        (
            {"headers": [{"name": "X-A", "value": "a"}, {"name": "Host", "value": "b"}]},
            ["#/headers/1"],
        ),
        ({"headers": [{"name": "X-A"}]}, ["#/headers/0"]),
        ({"headers": [{"name": f"X-{n}", "value": "a"} for n in range(21)]}, ["#/headers"]),
        ({"authentication": {"kind": "bearer"}}, ["#/authentication/token"]),
        (
            {"authentication": {"kind": "basic"}},
            ["#/authentication/username", "#/authentication/password"],
        ),
        (
            {"authentication": {"kind": "bearer", "token": "t", "password": "p"}},
            ["#/authentication/password"],
        ),
        ({"authentication": {"token": "t"}}, ["#/authentication/kind"]),
    ],
)
def test_invalid_values(admin: Api, pbx: Pbx, values: dict[str, Any], pointers: list[str]) -> None:
    """Each invalid value is named by a pointer, and nothing is stored."""
    check_problem(admin.post("/hooks", BARE | values), ProblemType.INVALID_REQUEST, *pointers)
    assert db.session.scalar(select(Hook.id)) is None


def test_the_extension_must_be_named(admin: Api, pbx: Pbx) -> None:
    """Without `extension` nothing is added: it must not be for all by mistake."""
    values = {name: BARE[name] for name in ("pbx", "event", "url")}
    check_problem(admin.post("/hooks", values), ProblemType.INVALID_REQUEST, "#/extension")


def test_twenty_for_an_event(admin: Api, pbx: Pbx) -> None:
    """One more than an event type can have is a conflict."""
    for _ in range(20):
        add(admin)
    document = check_problem(admin.post("/hooks", BARE), ProblemType.CONFLICT)
    assert document["detail"] == "One event type can have at most 20 requests."
    add(admin, event="hangup")


def test_the_quota(admin: Api, pbx: Pbx) -> None:
    """One more than the quota of the PBX is a conflict."""
    begin_write()
    pbx.max_hooks = 1
    db.session.commit()
    add(admin)
    document = check_problem(admin.post("/hooks", BARE), ProblemType.CONFLICT)
    assert document["detail"].startswith("The quota of Head office is 1 request")


def test_change_some_fields(admin: Api, pbx: Pbx) -> None:
    """Only what is sent changes, and secrets are kept; the history has what differs."""
    event_id = admin.post("/hooks", FULL).get_json()["event_id"]
    answer = admin.patch(f"/hooks/{event_id}", {"note": "new", "method": None})
    assert answer.status_code == 200
    hook = answer.get_json()
    assert (hook["note"], hook["method"], hook["give_up_seconds"]) == ("new", "GET", 30)
    template = read_template(stored(event_id), cipher.bound)
    assert dict(template.custom_headers) == {"X-Key": "k3y", "X-Tenant": "7"}
    assert template.secret == "p4ss"
    entry = last_entry()
    assert entry.after == {"note": "new", "method": "GET"}
    check_actor(entry, admin)
    assert admin.get(f"/hooks/{event_id}").headers["ETag"] == answer.headers["ETag"]


def test_what_was_read_can_be_sent_back(admin: Api, pbx: Pbx) -> None:
    """A client that sends back what it got changes nothing, and leaves no entry."""
    secret_url = "https://crm.example.com/x?token=s3cret-1234"
    answer = admin.post("/hooks", FULL | {"url": secret_url})
    hook = answer.get_json()
    assert hook["url"] == f"https://crm.example.com/x?token={MASK}"
    before = last_entry().id
    changeable = FULL.keys() - {"pbx", "extension", "event"}
    again = admin.patch(f"/hooks/{hook['event_id']}", {name: hook[name] for name in changeable})
    assert again.get_json() == hook
    assert stored(hook["event_id"]).url == secret_url
    assert last_entry().id == before


def test_keep_set_and_remove_secrets(admin: Api, pbx: Pbx) -> None:
    """A header without a value is kept, one with a value set, one that is left out removed."""
    event_id = admin.post("/hooks", FULL).get_json()["event_id"]
    headers = [{"name": "x-key"}, {"name": "X-New", "value": "n"}]
    changes = {"headers": headers, "authentication": {"kind": "bearer", "token": "t0ken"}}
    answer = admin.patch(f"/hooks/{event_id}", changes)
    assert [one["name"] for one in answer.get_json()["headers"]] == ["x-key", "X-New"]
    template = read_template(stored(event_id), cipher.bound)
    assert dict(template.custom_headers) == {"x-key": "k3y", "X-New": "n"}
    assert (template.auth, template.secret) == ("bearer", "t0ken")
    answer = admin.patch(f"/hooks/{event_id}", {"headers": None, "authentication": None})
    assert (answer.get_json()["headers"], answer.get_json()["authentication"]) == (
        *([], {"kind": "none"}),
    )


def test_secrets_stay_with_their_origin(admin: Api, pbx: Pbx) -> None:
    """A URL at another origin needs all secrets again, and nothing changes without them."""
    event_id = admin.post("/hooks", FULL).get_json()["event_id"]
    answer = admin.patch(f"/hooks/{event_id}", {"url": "https://other.example/"})
    pointers = ["#/headers/0", "#/headers/1"]
    pointers += ["#/authentication/username", "#/authentication/password"]
    check_problem(answer, ProblemType.INVALID_REQUEST, *pointers)
    assert stored(event_id).url == URL


@pytest.mark.parametrize("name", ["pbx", "extension", "event", "is_signed", "colour"])
def test_fields_that_cannot_be_changed(admin: Api, pbx: Pbx, name: str) -> None:
    """They are errors, and the name of an unknown one is not repeated."""
    event_id = add(admin)["event_id"]
    answer = admin.patch(f"/hooks/{event_id}", {name: None})
    check_problem(answer, ProblemType.INVALID_REQUEST)
    check_problem(admin.patch(f"/hooks/{event_id}", {"url": None}), ProblemType.INVALID_REQUEST)


def test_errors_repeat_nothing(admin: Api, pbx: Pbx) -> None:
    """Neither what is wrong with a value, nor a pointer, repeats what was sent."""
    marker = "zebra"
    answers = [
        admin.post("/hooks", BARE | values)
        for values in (
            {"url": f"https://{marker}..example/"},
            {"url": f"https://a.example/{{{marker}}}"},
            {"url": f"{marker}://a.example/"},
            {"pbx": marker},
            {"extension": marker},
            {"event": marker},
            {marker: 1},
            {"headers": [{"name": f"{marker} x", "value": "a"}]},
            {"headers": [{"name": f"Webhook-{marker}", "value": "a"}]},
            {"headers": [{"name": marker, "value": "ü"}]},
            {"headers": [{"name": "X", "value": f"{{{marker}}}"}]},
            {"headers": [{"name": marker, "value": "1"}] * 2},
        )
    ]
    answers += [admin.get(f"/hooks?{name}={marker}") for name in ("pbx", "origin", "event", marker)]
    answers.append(admin.get(f"/hooks?pbx=head-office&extension={marker}"))
    answers.append(admin.get(f"/hooks/{marker}"))
    for answer in answers:
        assert 400 <= answer.status_code < 500
        assert marker not in answer.text.lower()


def test_errors_say_what_to_do(admin: Api, pbx: Pbx) -> None:
    """Although nothing is repeated, the sentences are those of the dialog."""
    headers = [{"name": "Host", "value": "x"}]
    answer = admin.post("/hooks", BARE | {"url": "crm.example.com", "headers": headers})
    assert answer.get_json()["errors"] == [
        {"pointer": "#/url", "detail": "The URL must begin with http:// or https://."},
        {
            "pointer": "#/headers/0",
            "detail": "The header … cannot be set here: it is derived from the URL.",
        },
    ]


def test_disabling_holds_what_waits(admin: Api, pbx: Pbx) -> None:
    """An inactive hook holds its deliveries, an active one lets them go on."""
    event_id = add(admin)["event_id"]
    delivery = wait_for(pbx)
    assert admin.patch(f"/hooks/{event_id}", {"active": False}).status_code == 200
    assert state_of(delivery) is DeliveryState.HELD
    assert last_entry().action == audit.Action.HOOK_DISABLED
    assert admin.patch(f"/hooks/{event_id}", {"active": True}).get_json()["active"] is True
    assert state_of(delivery) is DeliveryState.PENDING


def test_remove_and_undo(admin: Api, pbx: Pbx) -> None:
    """A removed hook is gone, what waited is held, and the removal can be undone with its ID."""
    hook = add(admin)
    delivery = wait_for(pbx)
    answer = admin.delete(f"/hooks/{hook['event_id']}")
    assert (answer.status_code, answer.data) == (204, b"")
    check_actor(last_entry(), admin)
    assert last_entry().action == audit.Action.HOOK_CLEARED
    check_problem(admin.get(f"/hooks/{hook['event_id']}"), ProblemType.NOT_FOUND)
    check_problem(admin.delete(f"/hooks/{hook['event_id']}"), ProblemType.NOT_FOUND)
    assert state_of(delivery) is DeliveryState.HELD
    begin_write()
    removal.undo(pbx, answer.headers["Removal-ID"])
    db.session.commit()
    assert admin.get(f"/hooks/{hook['event_id']}").get_json() == hook


def test_the_whole_url(admin: Api, pbx: Pbx) -> None:
    """The URL with its secret is shown on request, which is recorded once; one without is not."""
    url = "https://crm.example.com/x?token=s3cret-1234"
    event_id = add(admin, url=url)["event_id"]
    answer = admin.get(f"/hooks/{event_id}/url")
    assert (answer.status_code, answer.get_json()) == (200, {"url": url})
    entry = last_entry()
    assert (entry.action, entry.object_id) == (audit.Action.SECRET_REVEALED, event_id)
    check_actor(entry, admin)
    admin.get(f"/hooks/{event_id}/url")
    assert last_entry().id == entry.id
    plain = add(admin, url="https://crm.example.com/")["event_id"]
    assert admin.get(f"/hooks/{plain}/url").get_json() == {"url": "https://crm.example.com/"}
    assert last_entry().action == audit.Action.HOOK_CREATED


def test_etag(admin: Api, pbx: Pbx) -> None:
    """A change or removal with an old ETag is refused; what is unchanged is not sent again."""
    path = f"/hooks/{add(admin)['event_id']}"
    old = admin.get(path).headers["ETag"]
    assert admin.get(path, headers={"If-None-Match": old}).status_code == 304
    changed = admin.patch(path, {"note": "1"}, headers={"If-Match": old})
    assert changed.status_code == 200
    refused = {"headers": {"If-Match": old}}
    check_problem(admin.patch(path, {"note": "2"}, **refused), ProblemType.PRECONDITION_FAILED)
    check_problem(admin.delete(path, **refused), ProblemType.PRECONDITION_FAILED)
    assert admin.get(path, headers={"If-None-Match": old}).get_json()["note"] == "1"
    new = changed.headers["ETag"]
    assert admin.delete(path, headers={"If-Match": new}).status_code == 204


def test_times_are_utc_with_milliseconds(admin: Api, pbx: Pbx) -> None:
    """Moments look like 2026-03-01T09:30:00.000Z."""
    text = add(admin)["created_at"]
    assert datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ")  # noqa: DTZ007  # the Z is checked
    assert len(text) == len("2026-03-01T09:30:00.000Z")


@pytest.mark.parametrize(
    "event_id", ["x" * 30, "a%00b", "%ED%A0%80", "%EF%BF%BD", "y" * 10_000, "'"]
)
def test_hooks_that_do_not_exist(admin: Api, pbx: Pbx, event_id: str) -> None:
    """Any ID is answered with 404, for each method."""
    for path in (f"/hooks/{event_id}", f"/hooks/{event_id}/url"):
        check_problem(admin.get(path), ProblemType.NOT_FOUND)
    check_problem(admin.patch(f"/hooks/{event_id}", {}), ProblemType.NOT_FOUND)
    check_problem(admin.delete(f"/hooks/{event_id}"), ProblemType.NOT_FOUND)
    for action in ("resume", "test", "signing-secret"):
        check_problem(admin.post(f"/hooks/{event_id}/{action}"), ProblemType.NOT_FOUND)
    check_problem(admin.delete(f"/hooks/{event_id}/signing-secret"), ProblemType.NOT_FOUND)
