"""What calls become in the requests of recipes: directions, outcomes, times and users."""

import json
from typing import Any

import pytest

from callevents.db.models import CallEvent
from callevents.delivery.request.build import Request
from callevents.enums import CallFlow, CallStatus, EventType
from callevents.receivers.recipe_files import FOLDER, read_recipe
from tests.recipes.calls import HOSTILE, make_event
from tests.recipes.rendering import answer_questions, render
from tests.recipes.shapes.base import read_form

IN, OUT = CallFlow.IN, CallFlow.OUT
HANGUP = EventType.HANGUP


def send(name: str, request: str, event: CallEvent, **answers: str) -> Request:
    """Return a request of a recipe for the event."""
    recipe = read_recipe(FOLDER / f"{name}.toml")
    [found] = [one for one in recipe.requests if one.name == request]
    return render(recipe, found, event, answers={**answer_questions(recipe), **answers})


def body_of(name: str, request: str, event: CallEvent, **answers: str) -> Any:
    """Return the JSON of a request."""
    return json.loads(send(name, request, event, **answers).body)


@pytest.mark.parametrize(
    ("flow", "status", "direction", "cause"),
    [
        (IN, CallStatus.ANSWER, "in", "normalClearing"),
        (IN, CallStatus.NOANSWER, "in", "noAnswer"),
        (IN, CallStatus.CANCEL, "in", "cancel"),
        (OUT, CallStatus.BUSY, "out", "busy"),
        (OUT, CallStatus.CONGESTION, "out", "congestion"),
        (OUT, CallStatus.CHANUNAVAIL, "out", "notFound"),
    ],
)
def test_zammad_gets_direction_and_cause(
    flow: CallFlow, status: CallStatus, direction: str, cause: str
) -> None:
    """Zammad marks missed calls by them."""
    body = body_of("zammad", "end", make_event(HANGUP, flow, status))
    assert (body["direction"], body["cause"]) == (direction, cause)


def test_zammad_gets_numbers_users_and_queue() -> None:
    """The number in E.164 with which it finds the customer; who is called; no user is null."""
    event = make_event(EventType.DIAL_IN, IN)
    body = body_of("zammad", "incoming-call", event)
    assert (body["from"], body["to"]) == ("+40721000001", "+40210000100")
    assert (body["user"], body["queue"]) == ("1269", "sales")
    unmapped = make_event(EventType.DIAL_IN, IN, extension="999")
    assert body_of("zammad", "incoming-call", unmapped)["user"] is None


@pytest.mark.parametrize(
    ("flow", "status", "code", "duration"),
    [
        (IN, CallStatus.ANSWER, "200", 42),
        (IN, CallStatus.NOANSWER, "304", 0),
        (OUT, CallStatus.BUSY, "486", 0),
        (OUT, CallStatus.CHANUNAVAIL, "503", 0),
        (IN, None, "OTHER", 0),
    ],
)
def test_bitrix24_gets_its_call_id_status_and_user(
    flow: CallFlow, status: CallStatus | None, code: str, duration: int
) -> None:
    """What `finish` demands: the ID from the answer to `register`, and the user."""
    body = body_of("bitrix24", "end", make_event(HANGUP, flow, status))
    assert body["CALL_ID"] == "answer-of-the-receiver"
    assert (body["USER_ID"], body["USER_PHONE_INNER"]) == (1269, "101")
    assert (body["STATUS_CODE"], body["DURATION"]) == (code, duration)


def test_slack_gets_number_and_local_time() -> None:
    """A missed call at 22:30 UTC was at half past midnight in Bucharest."""
    event = make_event(HANGUP, IN, CallStatus.NOANSWER)
    body = body_of("slack", "missed-call", event, zone="Europe/Bucharest")
    assert body["blocks"][0]["text"]["text"] == (
        "Missed call from +40721000001 Ana Pop to 101, 2026-03-02 00:30"
    )


def test_names_of_callers_stay_texts() -> None:
    """A name with markup, quotes and placeholders arrives as it is, where there is no markup."""
    event = make_event(HANGUP, IN, CallStatus.NOANSWER, caller_name=HOSTILE)
    slack = body_of("slack", "missed-call", event)
    assert HOSTILE in slack["blocks"][0]["text"]["text"]
    assert HOSTILE not in slack["text"]
    mattermost = body_of("mattermost", "missed-call", event)
    [attachment] = mattermost["attachments"]
    assert HOSTILE in attachment["author_name"]
    assert HOSTILE not in attachment["text"]
    vtiger = make_event(EventType.DIAL_IN, IN, caller_name=HOSTILE)
    assert read_form(send("vtiger", "incoming-call", vtiger).body)["callerIdName"] == HOSTILE


def test_suitecrm_gets_hours_and_minutes() -> None:
    """SuiteCRM has no seconds."""
    event = make_event(HANGUP, OUT, CallStatus.ANSWER)
    event.duration_seconds = 2 * 3600 + 5 * 60 + 59
    attributes = body_of("suitecrm", "call", event)["data"]["attributes"]
    assert (attributes["duration_hours"], attributes["duration_minutes"]) == (2, 5)
    assert (attributes["direction"], attributes["status"]) == ("Outbound", "Held")


def test_times_are_those_of_the_call() -> None:
    """In UTC for Pipedrive; in the zone of Frappe, which stores none."""
    event = make_event(HANGUP, IN, CallStatus.ANSWER)
    pipedrive = body_of("pipedrive", "call", event)
    assert pipedrive["start_time"] == "2026-03-01 22:29:25"
    assert pipedrive["end_time"] == "2026-03-01 22:30:15"
    frappe = body_of("frappe", "incoming-call", event, zone="Asia/Kolkata")
    assert frappe["start_time"] == "2026-03-02 03:59:25"


def test_calls_whose_beginning_is_unknown_have_a_start() -> None:
    """A PBX may report the end only: then the call began when it was answered."""
    event = make_event(HANGUP, IN, CallStatus.ANSWER, has_history=False)
    assert body_of("hubspot", "call", event)["properties"]["hs_timestamp"] == (
        "2026-03-01T22:29:33.250Z"
    )


def test_kommo_gets_numbers_for_statuses() -> None:
    """4: had a conversation; 7: the line is busy; 6: no connection."""
    for status, expected in ((CallStatus.ANSWER, 4), (CallStatus.BUSY, 7), (CallStatus.CANCEL, 6)):
        [call] = body_of("kommo", "call", make_event(HANGUP, OUT, status))
        assert (call["call_status"], call["direction"]) == (expected, "outbound")


def test_zoho_gets_another_state_for_each_end() -> None:
    """By the call's status; the parameters say which number is the customer's."""
    busy = make_event(HANGUP, OUT, CallStatus.BUSY)
    fields = read_form(send("zoho-phonebridge", "outgoing-unattended", busy).body)
    assert (fields["state"], fields["to"]) == ("busy", "+40721000001")
    missed = make_event(HANGUP, IN, CallStatus.NOANSWER)
    fields = read_form(send("zoho-phonebridge", "missed-call", missed).body)
    assert (fields["state"], fields["from"]) == ("missed", "+40721000001")
