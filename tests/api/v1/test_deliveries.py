"""Deliveries: found by each value of the filter, and shown as far as the owner may see them."""

from datetime import timedelta
from typing import Any

import pytest
from werkzeug.test import TestResponse

from callevents.api.v1.problems import ProblemType
from callevents.db.models import Delivery, Extension, Hook, Pbx, utc_now
from callevents.db.session import begin_write
from callevents.enums import DeliveryState, EventType, Method, Role
from callevents.extensions import db
from tests.api.v1.conftest import Api, MakeApi, check_problem
from tests.conftest import Configure
from tests.support.call_events import add_delivery

HOUR = timedelta(hours=1)
NUMBER = "+31612345678"
UNKNOWN = "019caa1e-6a1c-7b52-8d0e-5b2f4a6c7d10"


@pytest.fixture
def hook(pbx: Pbx, configure: Configure) -> Hook:
    """A hook of the extension 101, with a secret in its URL."""
    url = "https://crm.example.com/calls?token=verysecret"
    return configure.hook("101", EventType.DIAL_IN, url)


@pytest.fixture
def hook_of_all(pbx: Pbx, configure: Configure) -> Hook:
    """A hook of all extensions."""
    return configure.hook("*", EventType.HANGUP, "https://cdr.example.net:8443/", Method.POST)


def read_ids(answer: TestResponse) -> list[str]:
    """Return the IDs of a list."""
    assert answer.status_code == 200, answer.text
    return [one["id"] for one in answer.get_json()["data"]]


def test_a_delivery(admin: Api, pbx: Pbx, hook: Hook) -> None:
    """All is shown; secrets of the URL are masked."""
    now = utc_now()
    delivery_id = add_delivery(
        pbx, hook, state=DeliveryState.PENDING, status_code=503, due_at=now + HOUR
    )
    answer = admin.get(f"/deliveries/{delivery_id}")
    stored = db.session.get_one(Delivery, delivery_id)
    shown = answer.get_json()
    assert "verysecret" not in answer.text
    assert shown["url"] == "https://crm.example.com/calls?token=••••"
    assert shown["call_event_id"] == stored.call_event_id
    assert (shown["pbx"], shown["hook"]) == ("head-office", hook.event_id)
    assert (shown["event"], shown["extension"]) == ("dial-in", "101")
    assert (shown["state"], shown["attempts"], shown["status_code"]) == ("retrying", 1, 503)
    due_at = (now + HOUR).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert shown["wait"] == {
        "is_behind": False,
        "behind": None,
        "held_because": None,
        "receiver_paused_until": None,
        "next_attempt_at": due_at,
        "gives_up_at": shown["wait"]["gives_up_at"],
    }
    again = {"If-None-Match": answer.headers["ETag"]}
    assert admin.get(f"/deliveries/{delivery_id}", headers=again).status_code == 304
    assert admin.get("/deliveries").get_json() == {"data": [shown], "next_cursor": None}


def test_a_held_delivery_says_why(admin: Api, pbx: Pbx, hook: Hook) -> None:
    """One that is finished waits for nothing."""
    held = add_delivery(pbx, hook, state=DeliveryState.HELD)
    done = add_delivery(pbx, hook)
    assert admin.get(f"/deliveries/{done}").get_json()["wait"] is None
    wait = admin.get(f"/deliveries/{held}").get_json()["wait"]
    assert wait["held_because"] == "the request is disabled"


@pytest.mark.parametrize("role", [Role.SELF_SERVICE, Role.VIEWER])
def test_a_delivery_behind_another(
    api: MakeApi, pbx: Pbx, hook: Hook, hook_of_all: Hook, role: Role
) -> None:
    """It says so, and names the other one only to those who may see it."""
    first, second = (
        add_delivery(
            pbx, one, {"call_id": "c-1"}, state=DeliveryState.PENDING, attempts=0, ordering_key=1
        )
        for one in (hook_of_all, hook)
    )
    is_owner = role is Role.SELF_SERVICE
    program = api(role, pbx=pbx, extension=hook.extension if is_owner else None)
    assert program.get(f"/deliveries/{first}").status_code == (404 if is_owner else 200)
    for shown in (
        program.get(f"/deliveries/{second}").get_json(),
        program.get("/deliveries", query_string={"hook": hook.event_id}).get_json()["data"][0],
    ):
        wait = shown["wait"]
        assert (wait["is_behind"], wait["next_attempt_at"]) == (True, None)
        assert wait["behind"] == (None if is_owner else first)


def test_filters(admin: Api, pbx: Pbx, other_pbx: Pbx, hook: Hook, hook_of_all: Hook) -> None:
    """Each value finds its deliveries, newest first."""
    then = utc_now() - HOUR
    old = add_delivery(pbx, hook, {"at": then, "call_id": "a / b"}, state=DeliveryState.FAILED)
    hangup = {"event_type": EventType.HANGUP, "extension": "102"}
    new = add_delivery(pbx, hook_of_all, hangup, state=DeliveryState.PENDING, attempts=0)
    other = add_delivery(other_pbx, hook_of_all)
    middle = (then + timedelta(minutes=5)).isoformat().replace("+00:00", "Z")
    every: list[tuple[dict[str, str], list[str]]] = [
        ({}, [other, new, old]),
        ({"pbx": "branch"}, [other]),
        ({"extension": "102"}, [new]),
        ({"event": "hangup"}, [new]),
        ({"event": "hangup", "extension": "101"}, []),
        ({"hook": hook.event_id}, [old]),
        ({"hook": "nobody"}, []),
        ({"state": "failed"}, [old]),
        ({"state": "pending"}, [new]),
        ({"state": "waiting", "pbx": "head-office"}, [new]),
        ({"origin": "https://cdr.example.net:8443/any"}, [other, new]),
        ({"origin": "https://nobody.example.com"}, []),
        ({"call_id": "a / b"}, [old]),
        ({"since": middle}, [other, new]),
        ({"until": middle}, [old]),
    ]
    for query, expected in every:
        assert read_ids(admin.get("/deliveries", query_string=query)) == expected, query


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"pbx": "nobody"}, "?pbx"),
        ({"pbx": ""}, "?pbx"),
        ({"event": "shout"}, "?event"),
        ({"state": "done"}, "?state"),
        ({"origin": "no-origin"}, "?origin"),
        ({"since": "yesterday"}, "?since"),
        ({"since": "1764442200"}, "?since"),
        ({"since": "2026-02-30T00:00:00Z"}, "?since"),
        ({"since": "0001-01-01T00:00:00+14:00"}, "?since"),
        ({"until": "2026-01-01T00:00:00"}, "?until"),
        ({"extension": "9" * 65}, "?extension"),
        ({"limit": "0"}, "?limit"),
        ({"limit": "201"}, "?limit"),
    ],
)
def test_values_that_are_not_valid(admin: Api, query: dict[str, str], pointer: str) -> None:
    """The error names the parameter, and does not repeat the value."""
    answer = admin.get("/deliveries", query_string=query)
    check_problem(answer, ProblemType.INVALID_REQUEST, pointer)
    [value] = query.values()
    assert len(value) < 5 or value not in answer.text


@pytest.mark.parametrize("year", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z"])
def test_any_moment(admin: Api, pbx: Pbx, hook: Hook, year: str) -> None:
    """Any moment of the calendar may be asked for."""
    delivery_id = add_delivery(pbx, hook)
    for name in ("since", "until"):
        found = read_ids(admin.get("/deliveries", query_string={name: year}))
        assert found == ([delivery_id] if year.startswith("0") is (name == "since") else [])


@pytest.mark.parametrize("delivery_id", ["x", "resend", "{id}", "0" * 10_000, "a%00b"])
def test_unknown_deliveries(admin: Api, delivery_id: str) -> None:
    """What does not exist is not found, whatever it is called."""
    path = f"/deliveries/{delivery_id.format(id=UNKNOWN)}"
    check_problem(admin.get(path), ProblemType.NOT_FOUND)
    check_problem(admin.get(f"{path}/attempts"), ProblemType.NOT_FOUND)
    check_problem(admin.get(f"{path}/attempts/1"), ProblemType.NOT_FOUND)


def test_scopes(api: MakeApi, pbx: Pbx, hook: Hook) -> None:
    """Reading needs deliveries:read."""
    path = f"/deliveries/{add_delivery(pbx, hook)}"
    other = api(scopes=["deliveries:write", "calls:read"])
    for one in ("/deliveries", path, f"{path}/attempts", f"{path}/attempts/1"):
        problem = check_problem(other.get(one), ProblemType.INSUFFICIENT_SCOPE)
        assert "deliveries:read" in problem["detail"]


def test_roles(
    api: MakeApi,
    pbx: Pbx,
    other_pbx: Pbx,
    hook: Hook,
    hook_of_all: Hook,
    extension: Extension,
    other_extension: Extension,
) -> None:
    """Each sees the deliveries of its own PBX or extension, and all others do not exist."""
    own = add_delivery(pbx, hook)
    of_pbx = add_delivery(pbx, hook_of_all)
    foreign = add_delivery(other_pbx, hook_of_all)
    seen: list[tuple[dict[str, Any], list[str]]] = [
        ({}, [foreign, of_pbx, own]),
        ({"role": Role.VIEWER}, [foreign, of_pbx, own]),
        ({"role": Role.VIEWER, "pbx": pbx}, [of_pbx, own]),
        ({"role": Role.ADMIN, "pbx": other_pbx}, [foreign]),
        ({"limited_to": pbx}, [of_pbx, own]),
        ({"role": Role.SELF_SERVICE, "pbx": pbx, "extension": extension}, [own]),
        ({"role": Role.SELF_SERVICE, "pbx": pbx, "extension": other_extension}, []),
    ]
    for who, expected in seen:
        caller = api(**who)
        assert read_ids(caller.get("/deliveries")) == expected, who
        for one in (own, of_pbx, foreign):
            status = 200 if one in expected else 404
            assert caller.get(f"/deliveries/{one}").status_code == status, who
            assert caller.get(f"/deliveries/{one}/attempts").status_code == status, who
    limited = api(limited_to=pbx)
    answer = limited.get("/deliveries?pbx=branch")
    check_problem(answer, ProblemType.INVALID_REQUEST, "?pbx")
    no_one = api(Role.ADMIN, pbx=other_pbx, limited_to=pbx)
    assert read_ids(no_one.get("/deliveries")) == []


def test_a_pbx_that_is_being_removed(
    admin: Api, pbx: Pbx, other_pbx: Pbx, hook_of_all: Hook
) -> None:
    """Its deliveries do not exist any more."""
    gone = add_delivery(pbx, hook_of_all)
    other = add_delivery(other_pbx, hook_of_all)
    begin_write()
    db.session.get_one(Pbx, pbx.id).removing_at = utc_now()
    db.session.commit()
    assert read_ids(admin.get("/deliveries")) == [other]
    check_problem(admin.get(f"/deliveries/{gone}"), ProblemType.NOT_FOUND)
    answer = admin.get("/deliveries?pbx=head-office")
    check_problem(answer, ProblemType.INVALID_REQUEST, "?pbx")


def test_hidden_numbers(api: MakeApi, pbx: Pbx, hook: Hook) -> None:
    """A PBX may show whole phone numbers only to those who manage it."""
    error = f"The receiver does not know {NUMBER}."
    event = {"extension": NUMBER, "call_id": f"call-{NUMBER}", "peer": NUMBER}
    path = f"/deliveries/{add_delivery(pbx, hook, event, error=error)}"
    begin_write()
    db.session.get_one(Pbx, pbx.id).hides_numbers = True
    db.session.commit()
    for caller in (api(), api(Role.ADMIN, pbx=pbx)):
        assert caller.get(path).get_json()["extension"] == NUMBER
    for caller in (api(Role.VIEWER), api(Role.OPERATOR, pbx=pbx)):
        for answer in (caller.get(path), caller.get("/deliveries")):
            assert answer.status_code == 200
            assert NUMBER not in answer.text
        shown = caller.get(path).get_json()
        assert (shown["extension"], shown["call_id"]) == ("…678", "call-…678")
        assert shown["error"] == "The receiver does not know …678."
