"""Values that are derived from an event, and those of a delivery that replace them."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from callevents.db.models import CallEvent
from callevents.delivery.request.call_values import derived_values, parameters
from callevents.enums import CallFlow, CallStatus, EventType

AT = datetime(2026, 3, 1, 10, tzinfo=UTC)
IN, OUT = CallFlow.IN, CallFlow.OUT


def event(event_type: EventType = EventType.HANGUP, **values: Any) -> CallEvent:
    """Return an event at extension 101 with +40721000001."""
    incoming = values.get("flow", IN) is IN
    known = {
        "caller_number": "+40721000001" if incoming else "101",
        "called_number": "+40210000100" if incoming else "+40721000001",
        "caller_extension": "" if incoming else "101",
        "called_extension": "101" if incoming else "",
        "peer": "+40721000001",
        "flow": IN,
        "is_late": False,
        "happened_at": AT,
        "queue": "",
        "answered_by": "",
    }
    return CallEvent(event_type=event_type, extension="101", **{**known, **values})


def before(seconds: float) -> datetime:
    """Return the moment so many seconds before the event."""
    return AT - timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (
            {"status": CallStatus.ANSWER, "started_at": before(50), "answered_at": before(42.9),
             "duration_seconds": 42, "answered_by": "101", "queue": "sales"},
            {"StartTime": "2026-03-01T09:59:10.000Z", "AnswerTime": "2026-03-01T09:59:17.100Z",
             "EndTime": "2026-03-01T10:00:00.000Z", "RingSeconds": "7", "TalkSeconds": "42",
             "AnsweredBy": "101", "Queue": "sales", "Outcome": "answered", "Direction": "in",
             "RemoteNumber": "+40721000001"},
        ),
        (
            {"status": CallStatus.ANSWER, "answered_at": before(42.9)},
            {"AnsweredBy": "101", "TalkSeconds": "42", "RingSeconds": "", "Outcome": "answered"},
        ),
        (
            {"status": CallStatus.NOANSWER, "started_at": before(20)},
            {"RingSeconds": "20", "TalkSeconds": "0", "Outcome": "missed", "AnsweredBy": "",
             "AnswerTime": ""},
        ),
        (
            {"status": CallStatus.CANCEL, "started_at": before(20), "answered_by": "102"},
            {"RingSeconds": "20", "TalkSeconds": "0", "Outcome": "answered", "AnsweredBy": "102"},
        ),
        (
            {"status": CallStatus.ANSWER, "is_late": True, "started_at": before(50)},
            {"RingSeconds": "", "TalkSeconds": "", "Outcome": "answered"},
        ),
        ({"status": None, "flow": None}, {"Outcome": "", "Direction": "", "TalkSeconds": ""}),
        ({"flow": None, "status": CallStatus.BUSY}, {"RemoteNumber": "+40721000001"}),
        ({"flow": OUT, "status": CallStatus.BUSY}, {"Outcome": "busy", "Direction": "out",
         "RemoteNumber": "+40721000001", "AnsweredBy": ""}),
        ({"flow": OUT, "status": CallStatus.NOANSWER}, {"Outcome": "unanswered"}),
        ({"flow": OUT, "status": CallStatus.CANCEL}, {"Outcome": "unanswered"}),
        ({"flow": OUT, "status": CallStatus.CONGESTION}, {"Outcome": "failed"}),
        ({"flow": OUT, "status": CallStatus.CHANUNAVAIL}, {"Outcome": "failed"}),
        ({"caller_extension": "102", "status": CallStatus.BUSY},
         {"Direction": "internal", "Outcome": "missed"}),
    ],
)  # fmt: skip
def test_hangups(values: dict[str, Any], expected: dict[str, str]) -> None:
    """Times, durations, parties and outcome follow from the columns; unknown ones are empty."""
    found = derived_values(event(**values))
    assert {name: found[name] for name in expected} == expected


def test_other_events() -> None:
    """A dial begins the call, an answer ends the ringing; the outcome is not known yet."""
    dial = derived_values(event(EventType.DIAL_IN, status=CallStatus.CALLING))
    assert dial["StartTime"] == "2026-03-01T10:00:00.000Z"
    assert {name: value for name, value in dial.items() if value} == {
        "StartTime": dial["StartTime"], "RemoteNumber": "+40721000001", "Direction": "in",
    }  # fmt: skip
    values = {"status": CallStatus.ANSWER, "started_at": before(7.5)}
    answer = derived_values(event(EventType.ANSWER_IN, **values))
    assert (answer["RingSeconds"], answer["AnsweredBy"], answer["Outcome"]) == ("7", "101", "")
    assert answer["AnswerTime"] == "2026-03-01T10:00:00.000Z"


def test_values_of_the_call_replace_those_of_the_event() -> None:
    """A delivery that is for a whole call has values of its own, for parameters and others."""
    stored = json.dumps({"Extension": "102", "Outcome": "abandoned", "TalkSeconds": 7})
    one = event(status=CallStatus.NOANSWER)
    ids = {"pbx_slug": "p", "hook_event_id": "e", "delivery_id": "d"}
    sent = dict(parameters(one, **ids, call_values=stored))
    assert (sent["Extension"], sent["Outcome"], sent["TalkSeconds"]) == ("102", "abandoned", "7")
    assert list(sent) == list(dict(parameters(one, **ids)))
    more = derived_values(event(EventType.DIAL_IN), stored)
    assert (more["Outcome"], more["Direction"]) == ("abandoned", "in")
