"""Calls: what a PBX reported under one call ID, as far as the owner may see it."""

from datetime import timedelta
from typing import Any

import pytest
from werkzeug.test import TestResponse

from callevents.api.v1.problems import ProblemType
from callevents.db.models import Extension, Pbx, utc_now
from callevents.db.session import begin_write
from callevents.enums import CallStatus, EventType, Role
from callevents.extensions import db
from tests.api.v1.conftest import Api, MakeApi, check_problem
from tests.support.call_events import add_events, make_event
from tests.support.statement_count import counting

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
NUMBER = "+31612345678"
UNKNOWN = "019caa1e-6a19-7c41-9f3d-2e8b7a5c4d01"


@pytest.fixture
def events(pbx: Pbx, other_pbx: Pbx) -> list[str]:
    """A call of 101 that goes on to 102, an older one of another PBX, an event without a call."""
    start = utc_now() - HOUR
    hangup = {"event_type": EventType.HANGUP, "status": CallStatus.ANSWER}
    return add_events(
        make_event(pbx, start, peer=NUMBER),
        make_event(pbx, start + SECOND, peer=NUMBER, extension="102"),
        make_event(pbx, start + 2 * SECOND, peer=NUMBER, extension="102", **hangup),
        make_event(other_pbx, start - HOUR, peer="0800"),
        make_event(pbx, start, call_id=""),
    )


def read_calls(answer: TestResponse) -> list[list[str]]:
    """Return the IDs of the events of each call."""
    assert answer.status_code == 200, answer.text
    return [[one["id"] for one in call["events"]] for call in answer.get_json()["data"]]


def test_a_call(admin: Api, events: list[str]) -> None:
    """It has its events, and what follows from them; each of its events finds it."""
    answer = admin.get(f"/calls/{events[0]}")
    call = answer.get_json()
    shown = [admin.get(f"/events/{event_id}").get_json() for event_id in events[:3]]
    for one in shown:
        del one["deliveries"], one["no_delivery_reason"]
    assert call == {
        "id": events[0],
        "pbx": "head-office",
        "call_id": "c1",
        "status": "ANSWER",
        "first_event_at": shown[0]["happened_at"],
        "last_event_at": shown[2]["happened_at"],
        "extensions": ["101", "102"],
        "numbers": [NUMBER],
        "events": shown,
        "is_truncated": False,
    }
    for event_id in events[1:3]:
        assert admin.get(f"/calls/{event_id}").get_json() == call
    again = {"If-None-Match": answer.headers["ETag"]}
    assert admin.get(f"/calls/{events[0]}", headers=again).status_code == 304
    assert admin.get("/calls?pbx=head-office").get_json()["data"] == [call]


def test_filters(admin: Api, events: list[str]) -> None:
    """Each value finds its calls, the one that began last comes first."""
    own, other = events[:3], [events[3]]
    middle = (utc_now() - HOUR - HOUR / 2).isoformat().replace("+00:00", "Z")
    every: list[tuple[dict[str, str], list[list[str]]]] = [
        ({}, [own, other]),
        ({"pbx": "branch"}, [other]),
        ({"extension": "102"}, [own]),
        ({"extension": "101"}, [own, other]),
        ({"extension": "103"}, []),
        ({"number": "06 12 34 56 78"}, [own]),
        ({"number": "0031-6-12345678"}, [own]),
        ({"number": "0800"}, [other]),
        ({"number": "080"}, []),
        ({"number": NUMBER, "pbx": "branch"}, []),
        ({"since": middle}, [own]),
        ({"until": middle}, [other]),
    ]
    for query, expected in every:
        assert read_calls(admin.get("/calls", query_string=query)) == expected, query


def test_pages(admin: Api, pbx: Pbx) -> None:
    """Pages lead through all calls, with the same number of statements for any number of them."""
    start = utc_now()
    add_events(*(make_event(pbx, start - n * SECOND, call_id=f"c{n}") for n in range(30)))
    found: list[str] = []
    cursor: str | None = ""
    sizes = []
    while cursor is not None:
        statements: list[str] = []
        limit = "4" if len(found) < 12 else "9"
        with counting(statements):
            answer = admin.get("/calls", query_string={"limit": limit, "cursor": cursor}).get_json()
        sizes.append(len(statements))
        found += [call["call_id"] for call in answer["data"]]
        cursor = answer["next_cursor"]
    assert found == [f"c{n}" for n in range(30)]
    # The last page looks whether more follow.
    assert len(set(sizes[1:-1])) == 1


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"pbx": "nobody"}, "?pbx"),
        ({"number": " "}, "?number"),
        ({"number": "5" * 65}, "?number"),
        ({"number": "555\n5555"}, "?number"),
        ({"since": "yesterday"}, "?since"),
    ],
)
def test_values_that_are_not_valid(admin: Api, query: dict[str, str], pointer: str) -> None:
    """The error names the parameter, and does not repeat the value."""
    answer = admin.get("/calls", query_string=query)
    check_problem(answer, ProblemType.INVALID_REQUEST, pointer)
    [value] = query.values()
    assert value == " " or value not in answer.text


@pytest.mark.parametrize("event_id", ["x", UNKNOWN, "0" * 10_000, "a%00b"])
def test_unknown_calls(admin: Api, event_id: str) -> None:
    """What does not exist is not found, whatever it is called."""
    check_problem(admin.get(f"/calls/{event_id}"), ProblemType.NOT_FOUND)


def test_an_event_without_a_call(admin: Api, events: list[str]) -> None:
    """An event without a call ID belongs to no call."""
    problem = check_problem(admin.get(f"/calls/{events[4]}"), ProblemType.NOT_FOUND)
    assert problem["detail"] == "There is no such call."


def test_scopes(api: MakeApi, events: list[str]) -> None:
    """Reading needs calls:read."""
    caller = api(scopes=["calls:write", "deliveries:read"])
    for path in ("/calls", f"/calls/{events[0]}"):
        problem = check_problem(caller.get(path), ProblemType.INSUFFICIENT_SCOPE)
        assert "calls:read" in problem["detail"]


def test_roles(
    api: MakeApi,
    pbx: Pbx,
    other_pbx: Pbx,
    events: list[str],
    extension: Extension,
    other_extension: Extension,
) -> None:
    """Each sees of the calls what is of its own PBX or extension; all else does not exist."""
    begin_write()
    # They were there before the calls.
    for number in (extension, other_extension):
        db.session.get_one(Extension, number.id).created_at = utc_now() - 24 * HOUR
    db.session.commit()
    own, other = events[:3], [events[3]]
    seen: list[tuple[dict[str, Any], list[list[str]]]] = [
        ({}, [own, other]),
        ({"role": Role.VIEWER, "pbx": pbx}, [own]),
        ({"limited_to": other_pbx}, [other]),
        ({"role": Role.SELF_SERVICE, "pbx": pbx, "extension": extension}, [events[:1]]),
        ({"role": Role.SELF_SERVICE, "pbx": pbx, "extension": other_extension}, [events[1:3]]),
    ]
    for who, expected in seen:
        caller = api(**who)
        assert read_calls(caller.get("/calls")) == expected, who
        assert read_calls(caller.get("/calls", query_string={"number": NUMBER})) == [
            call for call in expected if call != other
        ]
        for event_id in events[:4]:
            visible = [call for call in expected if event_id in call]
            answer = caller.get(f"/calls/{event_id}")
            assert answer.status_code == (200 if visible else 404), who
            if visible:
                assert [one["id"] for one in answer.get_json()["events"]] == visible[0]
    self_service = api(Role.SELF_SERVICE, pbx=pbx, extension=extension)
    assert read_calls(self_service.get("/calls?extension=102")) == []


def test_a_pbx_that_is_being_removed(admin: Api, pbx: Pbx, events: list[str]) -> None:
    """Its calls do not exist any more."""
    begin_write()
    db.session.get_one(Pbx, pbx.id).removing_at = utc_now()
    db.session.commit()
    assert read_calls(admin.get("/calls")) == [[events[3]]]
    check_problem(admin.get(f"/calls/{events[0]}"), ProblemType.NOT_FOUND)


def test_hidden_numbers(api: MakeApi, pbx: Pbx, other_pbx: Pbx, events: list[str]) -> None:
    """Where numbers are hidden, nobody finds them by searching."""
    begin_write()
    db.session.get_one(Pbx, pbx.id).hides_numbers = True
    db.session.commit()
    by_number = {"number": NUMBER}
    of_pbx = {**by_number, "pbx": "head-office"}
    manager = api(Role.ADMIN, pbx=pbx)
    assert read_calls(manager.get("/calls", query_string=of_pbx)) == [events[:3]]
    for caller in (api(Role.OPERATOR), api(Role.VIEWER, pbx=pbx)):
        shown = caller.get(f"/calls/{events[0]}").get_json()
        assert shown["numbers"] == ["…678"]
        assert "12345678" not in caller.get("/calls").text
        check_problem(caller.get("/calls", query_string=of_pbx), ProblemType.FORBIDDEN)
        assert read_calls(caller.get("/calls", query_string=by_number)) == []
    others = api(Role.OPERATOR).get("/calls", query_string={"number": "0800"})
    assert read_calls(others) == [[events[3]]]
