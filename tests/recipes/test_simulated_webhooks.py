"""Simulated receivers of call events in general refuse what the real ones refuse.

n8n, Node-RED and Home Assistant refuse addresses, methods, credentials and broken JSON. What their
workflow cannot use gets the usual answer, and starts nothing.
"""

import base64
import json
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.recipes.simulated import call_log, home_assistant, n8n, node_red, voipnow
from tests.recipes.simulated.base import post
from tests.recipes.simulated.call_log import CallLog
from tests.recipes.simulated.home_assistant import HomeAssistant
from tests.recipes.simulated.n8n import N8n
from tests.recipes.simulated.node_red import NodeRed
from tests.recipes.simulated.voipnow import VoipNowApplication
from tests.recipes.simulated.webhooks import Webhook
from tests.support.receiver import Arrival, Reply

VOIPNOW_EVENT = {
    "CallID": "1",
    "CallAPIID": "1.1",
    "CallerIDNum": "+40721000001",
    "CallerIDName": "",
    "CallerExtension": "",
    "CalledExtension": "101",
    "CalledNumber": "101",
    "CalledDID": "",
    "CallFlow": "IN",
    "CallStatus": "CALLING",
}
EVENT = {
    **VOIPNOW_EVENT,
    "EventType": "dial-in",
    "EventID": "h1",
    "Extension": "101",
    "EventTime": "2026-03-01T22:30:15.250Z",
    "Duration": "",
    "HangupCause": "",
    "DeliveryID": "d1",
    "PBX": "office",
    "Late": "",
}
HANGUP = {
    **EVENT,
    "EventType": "hangup",
    "CallStatus": "ANSWER",
    "Duration": "42",
    "HangupCause": "16",
    "StartTime": "2026-03-01T22:29:25.250Z",
    "AnswerTime": "2026-03-01T22:29:33.250Z",
    "EndTime": "2026-03-01T22:30:15.250Z",
    "RingSeconds": "8",
    "TalkSeconds": "42",
    "RemoteNumber": "+40721000001",
    "Direction": "in",
    "AnsweredBy": "101",
    "Queue": "",
    "Outcome": "answered",
}
LINE = {
    "call_id": "1",
    "pbx": "office",
    "direction": "in",
    "outcome": "missed",
    "start": "2026-03-01T22:29:25.250Z",
    "answer": None,
    "end": "2026-03-01T22:30:15.250Z",
    "ring_seconds": 50,
    "talk_seconds": 0,
    "caller": "+40721000001",
    "caller_name": "",
    "called": "101",
    "did": "",
    "extension": "101",
    "answered_by": "",
    "queue": "",
    "status": "NOANSWER",
    "cause": 19,
    "delivery_id": "d1",
}
PATHS = {
    N8n: f"/webhook/{n8n.PATH}",
    NodeRed: "/call-events",
    HomeAssistant: f"/api/webhook/{home_assistant.WEBHOOK_ID}",
}
CREDENTIALS = base64.b64encode(f"{node_red.USERNAME}:{node_red.PASSWORD}".encode()).decode()
BASIC = {"Authorization": f"Basic {CREDENTIALS}"}
BEARER = {"Authorization": f"Bearer {call_log.TOKEN}"}


@pytest.mark.parametrize("kind", PATHS, ids=[kind.__name__ for kind in PATHS])
@pytest.mark.parametrize(
    "change",
    [
        {"EventType": "ringing"},
        {"CallStatus": "BUSY"},
        {"CallFlow": "in"},
        {"EventTime": "2026-03-01 22:30:15"},
        {"Duration": 42},
        {"DeliveryID": None},
        {"EventType": "hangup", "CallStatus": "BUSY"},
    ],
)
def test_workflows_fail_on_other_parameters(kind: type[Webhook], change: dict[str, Any]) -> None:
    """The response is the usual one: the workflow starts after it. Hangups have more parameters."""
    receiver, path = kind(), PATHS[kind]
    for good in (EVENT, HANGUP):
        assert post(receiver, path, good, **BASIC) == receiver.accepted
    assert receiver.events == [EVENT, HANGUP]
    assert post(receiver, path, {**EVENT, **change}, **BASIC).status == receiver.accepted.status
    assert (len(receiver.events), len(receiver.refused)) == (2, 1)


def test_n8n_knows_its_path_and_method_only() -> None:
    """And only while the workflow is published; the body is parsed before."""
    receiver, path = N8n(), PATHS[N8n]
    for other in ("/webhook/other", f"/webhook-test/{n8n.PATH}"):
        assert b"is not registered" in post(receiver, other, EVENT).body
    reply = receiver(Arrival("GET", path, {}, ""))
    assert (reply.status, b"POST request" in reply.body) == (404, True)
    broken = receiver(Arrival("POST", path, {"Content-Type": "application/json"}, "{"))
    assert broken.status == 422
    receiver.is_active = False
    assert post(receiver, path, EVENT).status == 404
    assert receiver.events == []


def test_node_red_needs_password_method_and_path() -> None:
    """A body that it cannot parse is an error of the node."""
    receiver, path = NodeRed(), PATHS[NodeRed]
    assert post(receiver, path, EVENT).status == 401
    assert post(receiver, path, EVENT, Authorization="Basic d3Jvbmc6d3Jvbmc=").status == 401
    assert post(receiver, "/calls", EVENT, **BASIC).status == 404
    assert receiver(Arrival("GET", path, BASIC, "")).status == 404
    headers = {"Content-Type": "application/json", **BASIC}
    assert receiver(Arrival("POST", path, headers, "{")).status == 500
    assert receiver.events == []


def test_home_assistant_hides_which_ids_it_has() -> None:
    """It answers 200 to other IDs and to forms, and runs nothing; other methods are refused."""
    receiver, path = HomeAssistant(), PATHS[HomeAssistant]
    for reply in (
        post(receiver, "/api/webhook/other", EVENT),
        post(receiver, path, urlencode(EVENT)),
        receiver(Arrival("POST", path, {"Content-Type": "application/json"}, "{")),
    ):
        assert (reply.status, reply.body) == (200, b"")
    assert receiver(Arrival("GET", path, {}, "")).status == 405
    assert post(receiver, "/api/webhooks", EVENT).status == 404
    assert (len(receiver.refused), receiver.events) == (5, [])


def test_call_log_keeps_each_delivery_once() -> None:
    """With the token, as one line of JSON."""
    receiver = CallLog()
    assert post(receiver, call_log.PATH, LINE, **BEARER).status == 200
    assert post(receiver, call_log.PATH, {**LINE, "outcome": "busy"}, **BEARER).status == 200
    assert receiver.lines == {"d1": LINE}
    assert post(receiver, call_log.PATH, LINE).status == 401
    assert post(receiver, "/other", LINE, **BEARER).status == 404
    assert post(receiver, call_log.PATH, urlencode(LINE), **BEARER).status == 400
    headers = {"Content-Type": "application/json", **BEARER}
    lines = json.dumps({**LINE, "delivery_id": "d2"}, indent=1)
    assert receiver(Arrival("POST", call_log.PATH, headers, lines)).status == 400
    assert receiver.lines == {"d1": LINE}


@pytest.mark.parametrize(
    "change",
    [
        {"direction": "inbound"},
        {"outcome": "ANSWER"},
        {"start": None},
        {"answer": "2026-03-01 22:29:33"},
        {"talk_seconds": "42"},
        {"ring_seconds": -1},
        {"caller": None},
        {"status": "CALLING"},
        {"cause": True},
        {"delivery_id": ""},
    ],
)
def test_call_log_refuses_other_values(change: dict[str, Any]) -> None:
    """Also a line without the field."""
    receiver, [name] = CallLog(), change
    assert post(receiver, call_log.PATH, {**LINE, **change}, **BEARER).status == 400
    without = {key: value for key, value in LINE.items() if key != name}
    assert post(receiver, call_log.PATH, without, **BEARER).status == 400
    assert receiver.lines == {}


def send_event(receiver: VoipNowApplication, **change: str) -> Reply:
    """Return the response to a form."""
    return post(receiver, voipnow.PATH, urlencode({**VOIPNOW_EVENT, **change}))


def test_voipnow_application_reads_forms_and_queries() -> None:
    """Nothing else, and nowhere else."""
    receiver = VoipNowApplication()
    assert send_event(receiver).status == 200
    query = f"{voipnow.PATH}?{urlencode(VOIPNOW_EVENT)}"
    assert receiver(Arrival("GET", query, {}, "")).status == 200
    assert receiver.events == [VOIPNOW_EVENT] * 2
    assert post(receiver, query, {}).status == 400
    text = post(receiver, voipnow.PATH, urlencode(VOIPNOW_EVENT), Content_Type="text/plain")
    assert text.status == 400
    assert post(receiver, "/other", urlencode(VOIPNOW_EVENT)).status == 404
    assert receiver(Arrival("PUT", voipnow.PATH, {}, urlencode(VOIPNOW_EVENT))).status == 405
    twice = urlencode([*VOIPNOW_EVENT.items(), ("CallID", "2")])
    assert post(receiver, voipnow.PATH, twice).status == 400
    assert len(receiver.events) == 2


@pytest.mark.parametrize("name", VOIPNOW_EVENT)
def test_voipnow_application_expects_all_ten_parameters(name: str) -> None:
    """They may be empty, but the call's ID."""
    receiver = VoipNowApplication()
    without = {key: value for key, value in VOIPNOW_EVENT.items() if key != name}
    assert post(receiver, voipnow.PATH, urlencode(without)).status == 400
    assert send_event(receiver, **{name: ""}).status == (400 if name == "CallID" else 200)


@pytest.mark.parametrize(
    "change", [{"CallStatus": "RINGING"}, {"CallFlow": "in"}, {"EventType": "dial-in"}]
)
def test_voipnow_application_refuses_what_voipnow_does_not_send(change: dict[str, str]) -> None:
    """Other values, and parameters that VoipNow does not have."""
    assert send_event(VoipNowApplication(), **change).status == 400
