"""Attempts show what was sent and received, as the page of a delivery does."""

import pytest

from callevents.api.v1.problems import ProblemType
from callevents.db.models import Delivery, Pbx
from callevents.db.session import begin_write
from callevents.delivery.engine import Engine
from callevents.enums import EventType, Method, Role
from callevents.extensions import db
from callevents.ingest.accept import accept
from callevents.ingest.report import Report
from tests.api.v1.conftest import Api, MakeApi, check_problem
from tests.conftest import Configure
from tests.support.call_events import add_delivery, make_attempt
from tests.support.receiver import Receiver, Reply
from tests.support.waiting import wait_for_delivery

NUMBER = "+31612345678"


@pytest.fixture
def path(pbx: Pbx, configure: Configure) -> str:
    """The path of a delivery with three attempts; the last two repeat the first one's request."""
    hook = configure.hook("101", EventType.DIAL_IN, "https://crm.example.com/", Method.POST)
    delivery_id = add_delivery(pbx, hook, {"peer": NUMBER}, attempts=3)
    begin_write()
    delivery = db.session.get_one(Delivery, delivery_id)
    sent = {"url": f"https://crm.example.com/?from={NUMBER}", "request_body": f"from={NUMBER}"}
    received = {
        "response_headers": [["Server", "crm"]],
        "response_body": f"Unknown: {NUMBER}",
        "response_truncated": True,
    }
    header = {"request_headers": [["X-Caller", NUMBER]]}
    db.session.add_all(
        [
            make_attempt(
                delivery, 1, status_code=500, error="Failed.", **header, **sent, **received
            ),
            make_attempt(delivery, 2, status_code=None, error=f"No answer for {NUMBER}.", **header),
            make_attempt(delivery, 3, **header),
        ]
    )
    db.session.commit()
    return f"/deliveries/{delivery_id}"


def test_attempts_are_listed_newest_first(admin: Api, path: str) -> None:
    """The list has pages; each attempt has its own request, also one that is stored once."""
    numbers, cursor = [], ""
    while cursor is not None:
        answer = admin.get(f"{path}/attempts", query_string={"limit": "2", "cursor": cursor})
        page = answer.get_json()
        numbers += [one["number"] for one in page["data"]]
        assert {one["url"] for one in page["data"]} == {f"https://crm.example.com/?from={NUMBER}"}
        cursor = page["next_cursor"]
    assert numbers == [3, 2, 1]


def test_an_attempt(admin: Api, path: str) -> None:
    """One attempt shows the request as sent, and the response."""
    answer = admin.get(f"{path}/attempts/1")
    shown = answer.get_json()
    assert shown["request"] == {
        "method": "POST",
        "url": f"https://crm.example.com/?from={NUMBER}",
        "headers": [{"name": "X-Caller", "value": NUMBER}],
        "body": f"from={NUMBER}",
    }
    assert shown["response"] == {
        "status_code": 500,
        "headers": [{"name": "Server", "value": "crm"}],
        "body": f"Unknown: {NUMBER}",
        "is_truncated": True,
    }
    assert (shown["number"], shown["status_code"], shown["error"]) == (1, 500, "Failed.")
    again = admin.get(f"{path}/attempts/1", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304
    second = admin.get(f"{path}/attempts/2").get_json()
    assert second["response"] is None
    assert second["request"]["body"] == f"from={NUMBER}"


@pytest.mark.parametrize("number", ["0", "4", "-1", "1.0", "01", "x", "9" * 9, "9" * 30, "\u0661"])
def test_unknown_attempts(admin: Api, path: str, number: str) -> None:
    """A number that no attempt has is not found."""
    problem = check_problem(admin.get(f"{path}/attempts/{number}"), ProblemType.NOT_FOUND)
    assert problem["detail"] == "There is no such attempt."


def test_cursors_of_other_lists(admin: Api, path: str) -> None:
    """A cursor is only good for its own list."""
    cursor = admin.get(f"{path}/attempts?limit=1").get_json()["next_cursor"]
    answer = admin.get("/deliveries", query_string={"cursor": cursor})
    check_problem(answer, ProblemType.INVALID_CURSOR)


def test_hidden_numbers(api: MakeApi, pbx: Pbx, path: str) -> None:
    """Whoever may not see whole phone numbers finds them hidden in all parts."""
    begin_write()
    db.session.get_one(Pbx, pbx.id).hides_numbers = True
    db.session.commit()
    manager, viewer = api(Role.ADMIN, pbx=pbx), api(Role.VIEWER)
    for end in ("/attempts", "/attempts/1", "/attempts/2"):
        assert NUMBER in manager.get(path + end).text
        answer = viewer.get(path + end)
        assert answer.status_code == 200
        assert "12345678" not in answer.text
    shown = viewer.get(f"{path}/attempts/1").get_json()
    assert shown["request"]["url"] == "https://crm.example.com/?from=…678"
    assert shown["response"]["body"] == "Unknown: …678"


def test_secrets_are_masked(
    admin: Api, pbx: Pbx, configure: Configure, receiver: Receiver, engine: Engine
) -> None:
    """What was sent for real has its secrets masked, also where the receiver repeats them."""
    engine.start()
    receiver.reply = lambda _arrival: Reply(body=b"You sent topsecretvalue.")
    url = f"{receiver.url}/calls?token=topsecretvalue"
    configure.hook("101", EventType.DIAL_IN, url)
    begin_write()
    accept(pbx, [Report(event_type=EventType.DIAL_IN, extension="101", call_id="c1")])
    db.session.commit()
    [delivery] = admin.get("/deliveries").get_json()["data"]
    wait_for_delivery(delivery["id"], lambda one: one.attempts == 1)
    answer = admin.get(f"/deliveries/{delivery['id']}/attempts/1")
    assert "topsecretvalue" not in answer.text
    shown = answer.get_json()
    assert "token=••••" in shown["request"]["url"]
    assert shown["response"]["body"] == "You sent ••••."
