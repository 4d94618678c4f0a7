"""VoipNow's names, and those of Telphin and RingMe."""

import pytest

from callevents.enums import CallStatus, Format
from callevents.errors import InvalidError
from tests.vendors.reading import Pbx, vary

IN = {
    "CallID": "c1",
    "CallerIDNum": "003258422544",
    "CallerIDName": "Ana Pop",
    "CalledDID": "0212000100",
    "CalledExtension": "0003*210",
    "CalledNumber": "0003*210",
    "CallFlow": "IN",
    "CallStatus": "CALLING",
}
#: A hangup as RingMe's and Telphin's pages describe it.
TELPHIN = {
    "EventType": "hangup",
    "CallID": "9F5A-1",
    "SubCallID": "9F5A-1-2",
    "CallerIDNum": "101",
    "CallerExtension": "0000*101",
    "CalledNumber": "79161234567",
    "CallFlow": "out",
    "CallStatus": "ANSWER",
    "Duration": "12",
    "EventTime": "1795403226533000",
}
#: Valid messages, which the fuzz tests change.
EXAMPLES = vary("EventType", ("dial-in", "dial-out", "answer", "hangup"), TELPHIN, IN)


@pytest.fixture
def pbx() -> Pbx:
    """A VoipNow."""
    return Pbx(Format.VOIPNOW)


def test_voipnow_with_the_event_in_its_url(pbx: Pbx) -> None:
    """VoipNow does not send the type of the event; the URL has it."""
    [report] = pbx.send({"event": "dial-in"}, IN)
    assert (report.event_type.slug, report.extension) == ("dial-in", "0003*210")
    assert (report.peer, report.caller_name, report.called_did) == (
        "003258422544",
        "Ana Pop",
        "0212000100",
    )


def test_telphin(pbx: Pbx) -> None:
    """EventTime in microseconds, Duration and SubCallID are understood; the caller hangs up."""
    [report] = pbx.send(TELPHIN)
    assert (report.extension, report.peer, report.leg_id) == ("0000*101", "79161234567", "9F5A-1-2")
    assert (report.duration_seconds, report.status) == (12, CallStatus.ANSWER)
    assert report.at is not None
    assert report.at.timestamp() == 1795403226.533


@pytest.mark.parametrize(("flow", "event"), [("IN", "answer-in"), ("OUT", "answer-out")])
def test_answer_follows_the_flow(pbx: Pbx, flow: str, event: str) -> None:
    """Telphin has one answer event; CallFlow decides the direction."""
    fields = {**IN, "CallerExtension": "101", "CallFlow": flow, "EventType": "answer"}
    assert pbx.send(fields)[0].event_type.slug == event


def test_our_own_requests_come_back(pbx: Pbx) -> None:
    """Requests of Call Events can be reported to another Call Events."""
    fields = {**IN, "EventType": "answer-in", "Extension": "0003*210", "HangupCause": ""}
    [report] = pbx.send(fields, {"EventTime": "2026-11-23T03:07:06.533Z", "CallAPIID": "l1"})
    assert (report.event_type.slug, report.leg_id) == ("answer-in", "l1")
    assert report.at is not None


def test_unknown_event(pbx: Pbx) -> None:
    """An unknown event is ignored, and a missing event is an error."""
    assert pbx.send({**IN, "EventType": "message-in"}) == []
    assert pbx.ignored == "VoipNow's event 'message-in' is none of the five call events."
    with pytest.raises(InvalidError):
        pbx.send(IN)
