"""Call events: found by each value of the filter, shown as far as the owner may see them, sent."""

from datetime import timedelta
from typing import Any

import pytest
from redis import Redis
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from callevents.api.v1.problems import ProblemType
from callevents.db.models import CallEvent, Delivery, Extension, Hook, Pbx, utc_now
from callevents.db.session import begin_write
from callevents.enums import EventType, Role
from callevents.extensions import db
from tests.api.v1.conftest import Api, MakeApi, check_actor, check_problem, last_entry
from tests.conftest import Configure
from tests.support.call_events import add_delivery, add_events, make_event

HOUR = timedelta(hours=1)
NUMBER = "+31612345678"
UNKNOWN = "019caa1e-6a19-7c41-9f3d-2e8b7a5c4d01"
EXAMPLE = {"pbx": "head-office", "extension": "101", "event": "dial-in"}


@pytest.fixture
def hook(pbx: Pbx, configure: Configure) -> Hook:
    """A hook of the extension 101."""
    return configure.hook("101", EventType.DIAL_IN, "https://crm.example.com/")


def read_ids(answer: TestResponse) -> list[str]:
    """Return the IDs of a list."""
    assert answer.status_code == 200, answer.text
    return [one["id"] for one in answer.get_json()["data"]]


def test_an_event(admin: Api, pbx: Pbx, hook: Hook) -> None:
    """All is shown; one event names its deliveries too."""
    event = {"peer": NUMBER, "caller_name": "Ana Pop", "cause": 16, "leg_id": "l1"}
    delivery_id = add_delivery(pbx, hook, event)
    event_id = db.session.get_one(Delivery, delivery_id).call_event_id
    answer = admin.get(f"/events/{event_id}")
    shown = answer.get_json()
    assert (shown.pop("deliveries"), shown.pop("no_delivery_reason")) == ([delivery_id], "")
    assert (shown["id"], shown["pbx"], shown["event"]) == (event_id, "head-office", "dial-in")
    assert (shown["extension"], shown["call_id"], shown["leg_id"]) == ("101", "c1", "l1")
    assert (shown["peer"], shown["caller_name"], shown["cause"]) == (NUMBER, "Ana Pop", 16)
    assert (shown["status"], shown["flow"], shown["is_late"]) == ("CALLING", None, False)
    assert admin.get("/events").get_json() == {"data": [shown], "next_cursor": None}
    again = {"If-None-Match": answer.headers["ETag"]}
    assert admin.get(f"/events/{event_id}", headers=again).status_code == 304


def test_why_an_event_has_no_deliveries(admin: Api, pbx: Pbx, hook: Hook) -> None:
    """It says what the pages say."""
    [event_id] = add_events(make_event(pbx, utc_now(), event_type=EventType.HANGUP))
    assert admin.get(f"/events/{event_id}").get_json()["no_delivery_reason"] == (
        "101 has no request for Hangup, and none applies to all extensions."
    )


def test_filters(admin: Api, pbx: Pbx, other_pbx: Pbx) -> None:
    """Each value finds its events, newest first."""
    now = utc_now()
    old, new, other = add_events(
        make_event(pbx, now - HOUR, call_id="a / b"),
        make_event(pbx, now - timedelta(seconds=1), extension="9", event_type=EventType.HANGUP),
        make_event(other_pbx, now, call_id="a / b"),
    )
    middle = (now - HOUR / 2).isoformat().replace("+00:00", "Z")
    every: list[tuple[dict[str, str], list[str]]] = [
        ({}, [other, new, old]),
        ({"pbx": "head-office"}, [new, old]),
        ({"extension": "9"}, [new]),
        ({"event": "hangup"}, [new]),
        ({"event": "hangup", "extension": "101"}, []),
        ({"pbx": "head-office", "call_id": "a / b"}, [old]),
        ({"since": middle}, [other, new]),
        ({"until": middle}, [old]),
        ({"pbx": "head-office", "since": middle}, [new]),
    ]
    for query, expected in every:
        assert read_ids(admin.get("/events", query_string=query)) == expected, query
        first = admin.get("/events", query_string={**query, "limit": "1"}).get_json()
        assert (first["next_cursor"] is not None) is (len(expected) > 1)


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"pbx": "nobody"}, "?pbx"),
        ({"event": "shout"}, "?event"),
        ({"call_id": "abcdefg"}, "?call_id"),
        ({"since": "yesterday"}, "?since"),
        ({"extension": "9" * 65}, "?extension"),
    ],
)
def test_values_that_are_not_valid(admin: Api, query: dict[str, str], pointer: str) -> None:
    """The error names the parameter, and does not repeat the value."""
    answer = admin.get("/events", query_string=query)
    check_problem(answer, ProblemType.INVALID_REQUEST, pointer)
    [value] = query.values()
    assert value not in answer.text


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z"])
def test_any_moment(admin: Api, pbx: Pbx, moment: str) -> None:
    """Any moment of the calendar may be asked for, of one PBX and of all."""
    ids = add_events(make_event(pbx))
    for query in ({}, {"pbx": "head-office"}):
        for name in ("since", "until"):
            found = read_ids(admin.get("/events", query_string={**query, name: moment}))
            assert found == (ids if moment.startswith("0") is (name == "since") else [])


@pytest.mark.parametrize("event_id", ["x", UNKNOWN, "0" * 10_000, "a%00b"])
def test_unknown_events(admin: Api, event_id: str) -> None:
    """What does not exist is not found, whatever it is called."""
    check_problem(admin.get(f"/events/{event_id}"), ProblemType.NOT_FOUND)


def test_scopes(api: MakeApi, pbx: Pbx) -> None:
    """Reading needs calls:read, sending calls:write."""
    [event_id] = add_events(make_event(pbx))
    writer, reader = api(scopes=["calls:write", "deliveries:read"]), api(scopes=["calls:read"])
    for path in ("/events", f"/events/{event_id}"):
        problem = check_problem(writer.get(path), ProblemType.INSUFFICIENT_SCOPE)
        assert "calls:read" in problem["detail"]
        assert reader.get(path).status_code == 200
    problem = check_problem(reader.post("/events", EXAMPLE), ProblemType.INSUFFICIENT_SCOPE)
    assert "calls:write" in problem["detail"]


def test_roles(
    api: MakeApi, pbx: Pbx, other_pbx: Pbx, extension: Extension, other_extension: Extension
) -> None:
    """Each sees the events of its own PBX or extension, and all others do not exist."""
    own, of_pbx, foreign = add_events(
        make_event(pbx), make_event(pbx, extension="7"), make_event(other_pbx)
    )
    seen: list[tuple[dict[str, Any], set[str]]] = [
        ({}, {foreign, of_pbx, own}),
        ({"role": Role.VIEWER, "pbx": pbx}, {of_pbx, own}),
        ({"role": Role.ADMIN, "pbx": other_pbx}, {foreign}),
        ({"limited_to": pbx}, {of_pbx, own}),
        ({"role": Role.SELF_SERVICE, "pbx": pbx, "extension": extension}, {own}),
        ({"role": Role.SELF_SERVICE, "pbx": pbx, "extension": other_extension}, set()),
    ]
    for who, expected in seen:
        caller = api(**who)
        assert set(read_ids(caller.get("/events"))) == expected, who
        for one in (own, of_pbx, foreign):
            status = 200 if one in expected else 404
            assert caller.get(f"/events/{one}").status_code == status, who


def test_deliveries_of_an_event(
    api: MakeApi, pbx: Pbx, hook: Hook, configure: Configure, extension: Extension
) -> None:
    """The owner of an extension sees no deliveries of hooks for all extensions."""
    own = add_delivery(pbx, hook)
    event_id = db.session.get_one(Delivery, own).call_event_id
    of_all = configure.hook("*", EventType.DIAL_IN, "https://cdr.example.net/")
    other = add_delivery(pbx, of_all)
    begin_write()
    db.session.get_one(Delivery, other).call_event_id = event_id
    db.session.commit()
    path = f"/events/{event_id}"
    assert api().get(path).get_json()["deliveries"] == sorted([own, other])
    caller = api(Role.SELF_SERVICE, pbx=pbx, extension=extension)
    assert caller.get(path).get_json()["deliveries"] == [own]


def test_a_pbx_that_is_being_removed(admin: Api, pbx: Pbx, other_pbx: Pbx) -> None:
    """Its events do not exist any more."""
    gone, other = add_events(make_event(pbx), make_event(other_pbx))
    begin_write()
    db.session.get_one(Pbx, pbx.id).removing_at = utc_now()
    db.session.commit()
    assert read_ids(admin.get("/events")) == [other]
    check_problem(admin.get(f"/events/{gone}"), ProblemType.NOT_FOUND)
    check_problem(admin.post("/events", EXAMPLE), ProblemType.INVALID_REQUEST, "#/pbx")


def test_hidden_numbers(api: MakeApi, pbx: Pbx) -> None:
    """A PBX may show whole phone numbers only to those who manage it."""
    values = ("peer", "caller_number", "called_did", "caller_name", "call_id", "extension")
    [event_id] = add_events(make_event(pbx, **dict.fromkeys(values, NUMBER)))
    begin_write()
    db.session.get_one(Pbx, pbx.id).hides_numbers = True
    db.session.commit()
    # The reason why an event has no deliveries has the extension's number too.
    for path, more in (("/events", 0), (f"/events/{event_id}", 1)):
        assert api(Role.ADMIN, pbx=pbx).get(path).text.count(NUMBER) == len(values) + more
        answer = api(Role.OPERATOR).get(path)
        assert answer.status_code == 200
        assert "12345678" not in answer.text
        assert answer.text.count('"…678"') == len(values)


def test_send_an_example(admin: Api, pbx: Pbx, hook: Hook, redis: Redis, redis_url: str) -> None:
    """The event is stored with its deliveries; workers are woken; the history names the token."""
    answer = admin.post("/events", EXAMPLE)
    assert answer.status_code == 201
    shown = answer.get_json()
    assert answer.headers["Location"] == f"/api/v1/events/{shown['id']}"
    same = admin.get(f"/events/{shown['id']}")
    assert (same.get_json(), same.headers["ETag"]) == (shown, answer.headers["ETag"])
    assert (shown["extension"], shown["event"]) == ("101", "dial-in")
    [delivery_id] = shown["deliveries"]
    assert admin.get(f"/deliveries/{delivery_id}").get_json()["hook"] == hook.event_id
    assert redis.llen("rq:queue:callevents") == 1
    entry = last_entry()
    assert (entry.action, entry.pbx_id) == ("test_event.sent", pbx.id)
    assert entry.after == {"event": "dial-in", "extension": "101"}
    check_actor(entry, admin)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"pbx": "nobody"}, "#/pbx"),
        ({"pbx": 5}, "#/pbx"),
        ({"event": "shout"}, "#/event"),
        ({"extension": ""}, "#/extension"),
        ({"extension": "*"}, "#/extension"),
        ({"extension": "9" * 65}, "#/extension"),
        ({"extension": "1\n2"}, "#/extension"),
        ({"caller": "x"}, "#/"),
    ],
)
def test_examples_that_are_not_valid(
    admin: Api, pbx: Pbx, change: dict[str, Any], pointer: str
) -> None:
    """The error names the field; nothing is stored."""
    answer = admin.post("/events", {**EXAMPLE, **change})
    check_problem(answer, ProblemType.INVALID_REQUEST, pointer)
    assert db.session.scalar(select(func.count()).where(CallEvent.pbx_id == pbx.id)) == 0


def test_who_may_send(api: MakeApi, pbx: Pbx, other_pbx: Pbx, extension: Extension) -> None:
    """Those who may edit the PBX, for any number; the owner of an extension for that one."""
    any_number = {**EXAMPLE, "extension": "555"}
    for who in ({}, {"role": Role.OPERATOR, "pbx": pbx}, {"limited_to": pbx}):
        assert api(**who).post("/events", any_number).status_code == 201
    own = api(Role.SELF_SERVICE, pbx=pbx, extension=extension)
    assert own.post("/events", EXAMPLE).status_code == 201
    for number in ("102", "555"):
        answer = own.post("/events", {**EXAMPLE, "extension": number})
        check_problem(answer, ProblemType.INVALID_REQUEST, "#/extension")
    check_problem(api(Role.VIEWER).post("/events", EXAMPLE), ProblemType.FORBIDDEN)
    for who in ({"pbx": other_pbx}, {"limited_to": other_pbx}):
        answer = api(**who).post("/events", EXAMPLE)
        check_problem(answer, ProblemType.INVALID_REQUEST, "#/pbx")


def test_a_repeated_request(admin: Api, pbx: Pbx) -> None:
    """With an Idempotency-Key there is one event."""
    key = {"Idempotency-Key": "once"}
    first, second = (admin.post("/events", EXAMPLE, headers=key) for _ in range(2))
    assert (second.status_code, second.get_json()) == (201, first.get_json())
    assert second.headers["Location"] == first.headers["Location"]
    assert read_ids(admin.get("/events")) == [first.get_json()["id"]]
