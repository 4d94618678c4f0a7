"""The whole call of several events: when it is over, and its outcome."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from callevents.enums import CallFlow, CallStatus, EventType
from callevents.ingest.report import CallOver
from callevents.ingest.whole_call import WholeCall

START = datetime(2026, 3, 1, 10, 0, 0, tzinfo=UTC)
DIAL_IN, DIAL_OUT, HANGUP = EventType.DIAL_IN, EventType.DIAL_OUT, EventType.HANGUP
ANSWER_IN, ANSWER_OUT = EventType.ANSWER_IN, EventType.ANSWER_OUT


def event(second: float, kind: EventType, extension: str = "101", **values: Any) -> Any:
    """Return an event of that second of an incoming or outgoing call."""
    flow = kind.call_flow or "IN"
    defaults = {
        "id": f"{second:09.3f}",
        "call_id": "c1",
        "leg_id": "",
        "peer": "+40721",
        "flow": CallFlow(flow),
        "status": CallStatus.NOANSWER if kind is HANGUP else None,
        "cause": 19 if kind is HANGUP else None,
        "duration_seconds": None,
        "is_late": False,
        "queue": "",
        "caller_extension": extension if flow == "OUT" else "",
        "called_extension": extension if flow == "IN" else "",
    }
    at = START + timedelta(seconds=second)
    return SimpleNamespace(
        **{**defaults, "event_type": kind, "extension": extension, **values}, at=at
    )


def ended(second: float, extension: str = "101", **values: Any) -> Any:
    """Return the hangup of an answered call."""
    return event(second, HANGUP, extension, **{"status": CallStatus.ANSWER, "cause": 16, **values})


RING_GROUP = [
    event(0, DIAL_IN, "101"),
    event(0.1, DIAL_IN, "102"),
    event(0.2, DIAL_IN, "103"),
    event(7.5, ANSWER_IN, "102"),
    event(7.6, HANGUP, "101", status=CallStatus.CANCEL, cause=26),
    event(7.7, HANGUP, "103", status=CallStatus.CANCEL, cause=26),
    ended(67.5, "102"),
]


def test_values_of_an_answered_ring_group() -> None:
    """The end of a call has who answered, its times, and how it ended, of the whole call."""
    assert WholeCall(RING_GROUP).values() == {
        "Extension": "102",
        "EventTime": "2026-03-01T10:01:07.500Z",
        "CallStatus": "ANSWER",
        "Duration": "60",
        "HangupCause": "16",
        "StartTime": "2026-03-01T10:00:00.000Z",
        "AnswerTime": "2026-03-01T10:00:07.500Z",
        "EndTime": "2026-03-01T10:01:07.500Z",
        "RingSeconds": "7",
        "TalkSeconds": "60",
        "Direction": "in",
        "AnsweredBy": "102",
        "Queue": "",
        "Outcome": "answered",
    }


def test_call_is_over_after_the_last_hangup_only() -> None:
    """While a leg rings or talks, the call is not over."""
    for count in range(1, len(RING_GROUP)):
        assert not WholeCall(RING_GROUP[:count]).is_over, count
    assert WholeCall(RING_GROUP).is_over


@pytest.mark.parametrize(
    ("events", "is_over"),
    [
        # Of one extension that is rung twice in a call.
        ([event(0, DIAL_IN), event(5, HANGUP)], True),
        ([event(0, DIAL_IN), event(5, HANGUP), event(6, DIAL_IN)], False),
        ([event(0, DIAL_IN), event(5, HANGUP), event(6, DIAL_IN), event(9, HANGUP)], True),
        # Reports of a leg may come in any order.
        ([event(0, HANGUP, leg_id="l1"), event(1, DIAL_IN, leg_id="l1")], True),
        ([event(0, DIAL_IN, leg_id="l1"), event(1, HANGUP, leg_id="l2")], False),
        # Some reports of a leg may lack its ID.
        ([event(0, DIAL_IN), event(1, HANGUP, leg_id="l1")], True),
        ([event(0, DIAL_IN, leg_id="l1"), event(1, HANGUP)], True),
        # A PBX may report hangups only.
        ([event(0, HANGUP)], True),
        ([event(0, DIAL_IN)], False),
    ],
)
def test_legs(events: list[Any], *, is_over: bool) -> None:
    """A call is over when each extension and leg that had an event has hung up."""
    assert WholeCall(events).is_over is is_over


def test_listener_knows_that_it_is_over() -> None:
    """A listener's word ends a call, also if a hangup was lost; waiting is no talking."""
    over = CallOver("c1", START + timedelta(seconds=90), "support", is_abandoned=True)
    call = WholeCall([event(0, DIAL_IN, queue="sales")], over)
    found = call.values()
    assert call.is_over
    assert (found["Outcome"], found["Queue"]) == ("abandoned", "support")
    assert (found["EndTime"], found["TalkSeconds"]) == ("2026-03-01T10:01:30.000Z", "0")


@pytest.mark.parametrize(
    ("events", "outcome", "answered_by", "direction"),
    [
        ([event(0, DIAL_IN), event(9, HANGUP)], "missed", "", "in"),
        (
            [event(0, DIAL_IN, queue="q"), event(9, HANGUP, status=CallStatus.CANCEL)],
            *("abandoned", "", "in"),
        ),
        ([event(0, DIAL_IN, queue="q"), event(9, HANGUP)], "missed", "", "in"),
        # Hangups only.
        ([ended(0)], "answered", "101", "in"),
        ([ended(0, flow=CallFlow.OUT)], "answered", "+40721", "out"),
        ([event(0, DIAL_IN), ended(9)], "answered", "101", "in"),
        (
            [event(0, DIAL_OUT), event(3, ANSWER_OUT), ended(9, flow=CallFlow.OUT)],
            *("answered", "+40721", "out"),
        ),
        *(
            ([event(0, DIAL_OUT), event(3, HANGUP, flow=CallFlow.OUT, status=status)], *rest)
            for status, rest in {
                CallStatus.BUSY: ("busy", "", "out"),
                CallStatus.CONGESTION: ("failed", "", "out"),
                CallStatus.CHANUNAVAIL: ("failed", "", "out"),
                CallStatus.NOANSWER: ("unanswered", "", "out"),
                CallStatus.CANCEL: ("unanswered", "", "out"),
                None: ("unanswered", "", "out"),
            }.items()
        ),
        # 101 dials a group.
        (
            [
                event(0, DIAL_OUT, peer="600"),
                event(1, DIAL_IN, "102", caller_extension="101"),
                event(2, ANSWER_OUT, peer="600"),
                event(2.1, ANSWER_IN, "102"),
            ],
            *("answered", "102", "internal"),
        ),
        # 101 calls outside, and then transfers the call to 102.
        (
            [
                event(0, DIAL_OUT),
                event(1, ANSWER_OUT),
                event(5, DIAL_IN, "102"),
                event(6, ANSWER_IN, "102"),
            ],
            *("answered", "+40721", "out"),
        ),
    ],
)
def test_outcome(events: list[Any], outcome: str, answered_by: str, direction: str) -> None:
    """Outcome and direction of a call follow from its events."""
    found = WholeCall(events).values()
    assert (found["Outcome"], found["AnsweredBy"], found["Direction"]) == (
        *(outcome, answered_by, direction),
    )


def test_voicemail_is_no_answer_if_a_listener_follows_the_call() -> None:
    """A listener reports each answer of a party, so a status ANSWER without one is a machine's."""
    events = [event(0, DIAL_OUT), ended(9, flow=CallFlow.OUT)]
    assert WholeCall(events).outcome == "answered"
    assert WholeCall(events, is_followed=True).outcome == "unanswered"


def test_answer_of_unknown_time() -> None:
    """An answer that a listener learned of after a disconnect gives no times."""
    events = [event(0, DIAL_IN), event(40, ANSWER_IN, is_late=True), ended(60)]
    found = WholeCall(events).values()
    assert (found["Outcome"], found["AnswerTime"]) == ("answered", "")
    assert (found["RingSeconds"], found["TalkSeconds"], found["Duration"]) == ("", "", "")
