"""Tests of /event-types."""

from callevents.api.v1.problems import ProblemType
from callevents.db.models import Pbx
from callevents.delivery.request.placeholders import PARAMETER_NAMES, VALUE_NAMES, VOIPNOW_NAMES
from callevents.enums import EventType, Role
from tests.api.v1.conftest import Api, MakeApi, check_problem


def test_all_event_types(api: MakeApi, pbx: Pbx) -> None:
    """Any valid token gets them by code, with the parameters in their order."""
    answer = api(Role.VIEWER, ["audit:read"], pbx=pbx).get("/event-types")
    assert answer.status_code == 200
    found = answer.get_json()["data"]
    assert [(one["code"], one["name"], one["label"]) for one in found] == [
        (one.value, one.slug, one.label) for one in EventType
    ]
    for one in found:
        names = list(VALUE_NAMES if one["name"] == "hangup" else PARAMETER_NAMES)
        assert [parameter["name"] for parameter in one["parameters"]] == names
        voipnow = [each["name"] for each in one["parameters"] if each["is_voipnow"]]
        assert voipnow == list(VOIPNOW_NAMES)
        assert list(one["example"]) == names
        assert one["example"]["EventType"] == one["name"]
    hangup = found[EventType.HANGUP]["example"]
    assert (hangup["Duration"], hangup["CallStatus"]) == ("42", "ANSWER")


def test_the_example_is_always_the_same(admin: Api) -> None:
    """Two answers do not differ, so that clients can compare them."""
    assert admin.get("/event-types").data == admin.get("/event-types").data


def test_pages(admin: Api) -> None:
    """The list has pages, as all lists have."""
    first = admin.get("/event-types?limit=4").get_json()
    rest = admin.get(f"/event-types?limit=4&cursor={first['next_cursor']}").get_json()
    assert [one["code"] for one in first["data"] + rest["data"]] == [0, 1, 2, 3, 4]
    assert rest["next_cursor"] is None
    check_problem(admin.get("/event-types?cursor=x"), ProblemType.INVALID_CURSOR)


def test_without_a_token(nobody: Api) -> None:
    """They need a token."""
    check_problem(nobody.get("/event-types"), ProblemType.UNAUTHORIZED)
