"""An incoming, an outgoing and a missed call arrive at receivers of all kinds: none is refused."""

from datetime import timedelta

from callevents.db.models import utc_now
from tests.recipes.conftest import CALLER, Line
from tests.recipes.simulated import espocrm
from tests.recipes.simulated.call_log import CallLog
from tests.recipes.simulated.espocrm import EspoCrm
from tests.recipes.simulated.home_assistant import HomeAssistant
from tests.recipes.simulated.n8n import N8n
from tests.recipes.simulated.node_red import NodeRed
from tests.recipes.simulated.suitecrm import SuiteCrm
from tests.recipes.simulated.voipnow import VoipNowApplication
from tests.recipes.simulated.vtiger import USERS, Vtiger
from tests.recipes.simulated.webhooks import Webhook
from tests.recipes.test_whole_calls import find_errors
from tests.support.waiting import wait_until

CALLED = "+40721000002"


def make_calls(line: Line) -> None:
    """Ring five phones, one of which answers; call out from another; miss a call."""
    line.ring_group(answers="103")
    start = utc_now() - timedelta(minutes=1)
    outgoing = {"call": "c2", "peer": CALLED}
    line.report("dialout", "102", **outgoing, at=start.timestamp())
    line.report("answerout", "102", **outgoing, at=(start + timedelta(seconds=5)).timestamp())
    end = (start + timedelta(seconds=35)).timestamp()
    line.report("hangup", "102", **outgoing, cause=16, duration=30, at=end)
    line.report("dialin", "101", call="c3", caller_name='Ana "A" <Pop>', at=start.timestamp())
    line.report("hangup", "101", call="c3", cause=19, at=end)


def wait_until_delivered() -> None:
    """Wait until the outcomes of all deliveries are stored: success."""
    wait_until(lambda: find_errors() == {}, "all deliveries")


def test_espocrm_and_suitecrm_log_each_call_once(line: Line) -> None:
    """With direction, status and user; SuiteCRM after its token was fetched."""
    espo, suite = EspoCrm(), SuiteCrm()
    line.connect("espocrm", espo, espocrm.USERS)
    line.connect("suitecrm", suite, {"103": "user-of-103"})
    make_calls(line)
    wait_until(lambda: len(espo.calls) == len(suite.calls) == 3, "three entries each")
    for calls in (espo.calls, suite.calls):
        shown = sorted((call["name"], call["status"], call["direction"]) for call in calls)
        assert shown == [
            (f"Call with {CALLER}", "Held", "Inbound"),
            (f"Call with {CALLER}", "Not Held", "Inbound"),
            (f"Call with {CALLED}", "Held", "Outbound"),
        ]
    [answered] = [call for call in espo.calls if "42 s" in call["description"]]
    assert answered["assignedUserId"] == espocrm.USERS["103"]
    assert "user-of-103" in {call["assigned_user_id"] for call in suite.calls}
    assert (suite.issued, espo.refused + suite.refused) == (1, [])
    wait_until_delivered()


def test_vtiger_has_each_call_with_its_end(line: Line) -> None:
    """Begun, answered and ended, with the user who answered or called."""
    receiver = Vtiger()
    line.connect("vtiger", receiver)
    make_calls(line)
    ends = {"completed", "no-answer"}
    wait_until(
        lambda: (
            [one.status in ends and bool(one.ended_at) for one in receiver.entries] == [True] * 3
        ),
        "the ends of three calls",
    )
    shown = {one.uuid: (one.direction, one.customer_number, one.user) for one in receiver.entries}
    assert shown == {
        "c1": ("inbound", CALLER, USERS["103"]),
        "c2": ("outbound", CALLED, USERS["102"]),
        "c3": ("inbound", CALLER, 0),
    }
    assert {one.uuid: (one.status, one.talk_seconds) for one in receiver.entries} == {
        "c1": ("completed", "42"),
        "c2": ("completed", "30"),
        "c3": ("no-answer", "0"),
    }
    assert receiver.refused == []
    wait_until_delivered()


def test_call_log_has_a_line_for_each_call(line: Line) -> None:
    """With outcome, direction and seconds."""
    receiver = CallLog()
    line.connect("call-log", receiver)
    make_calls(line)
    wait_until(lambda: len(receiver.lines) == 3, "three lines")
    shown = {
        one["call_id"]: (one["direction"], one["outcome"], one["talk_seconds"])
        for one in receiver.lines.values()
    }
    assert shown == {
        "c1": ("in", "answered", 42),
        "c2": ("out", "answered", 30),
        "c3": ("in", "missed", 0),
    }
    assert receiver.refused == []
    wait_until_delivered()


def test_each_event_of_each_extension_arrives(line: Line) -> None:
    """16 events: five phones ring and stop, one of them answers, and those of two more calls."""
    receivers: dict[str, Webhook | VoipNowApplication] = {
        "home-assistant": HomeAssistant(),
        "n8n": N8n(),
        "node-red": NodeRed(),
        "voipnow": VoipNowApplication(),
    }
    for name, receiver in receivers.items():
        line.connect(name, receiver)
    make_calls(line)
    wait_until(lambda: {len(one.events) for one in receivers.values()} == {16}, "16 events each")
    for receiver in receivers.values():
        of_call = [event for event in receiver.events if event["CallID"] == "c2"]
        assert [event["CallStatus"] for event in of_call] == ["CALLING", "ANSWER", "ANSWER"]
        assert {event["CalledNumber"] for event in of_call} == {CALLED}
        assert receiver.refused == []
    wait_until_delivered()
