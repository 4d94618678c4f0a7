"""What is filled in: CallFlow, CallStatus, and both parties' numbers."""

import pytest

from callevents.enums import CallFlow, CallStatus, EventType
from callevents.ingest.enrich import CallHistory, derive_flow, derive_status, enrich
from callevents.ingest.report import Report

DIAL_IN, DIAL_OUT = EventType.DIAL_IN, EventType.DIAL_OUT
HANGUP, ANSWER_IN, ANSWER_OUT = EventType.HANGUP, EventType.ANSWER_IN, EventType.ANSWER_OUT
ANSWER, CANCEL = CallStatus.ANSWER, CallStatus.CANCEL
NOBODY: frozenset[str] = frozenset()


def report(event: EventType, **values: object) -> Report:
    """Return the report of that event at 101 in the call c1."""
    return Report(**{"event_type": event, "extension": "101", "call_id": "c1", **values})  # type: ignore[arg-type]


def after(*earlier: Report) -> CallHistory:
    """Return the history of those reports."""
    history = CallHistory()
    for told in earlier:
        history.add(told)
    return history


def completed(
    told: Report, *earlier: Report, extensions: frozenset[str] = frozenset({"101", "102"})
) -> Report:
    """Return the report, completed after earlier ones; 101 and 102 are extensions."""
    return enrich(told, extensions, after(*earlier))


@pytest.mark.parametrize(
    ("event", "flow", "status"),
    [
        (DIAL_IN, "IN", "CALLING"),
        (DIAL_OUT, "OUT", "CALLING"),
        (ANSWER_IN, "IN", "ANSWER"),
        (ANSWER_OUT, "OUT", "ANSWER"),
        (HANGUP, None, None),
    ],
)
def test_flow_and_status_of_each_event(
    event: EventType, flow: str | None, status: str | None
) -> None:
    """Each event says its CallFlow and CallStatus by itself, but a hangup of unknown past."""
    told = completed(report(event))
    assert (told.flow, told.status) == (flow, status)


#: The line 'CallStatus for hangup from Cause' of the PBXs' rules, for calls not answered.
BY_CAUSE = [
    (17, "BUSY"),
    *((cause, "NOANSWER") for cause in (0, 18, 19, 21)),
    *((cause, "CANCEL") for cause in (16, 26, 127)),
    *((cause, "CONGESTION") for cause in (34, 42)),
    *((cause, "CHANUNAVAIL") for cause in (1, 3, 20, 27)),
]


@pytest.mark.parametrize("role", [DIAL_IN, DIAL_OUT])
@pytest.mark.parametrize(("cause", "status"), BY_CAUSE)
def test_status_of_unanswered_hangups(cause: int, status: str, role: EventType) -> None:
    """The cause tells how a call ended that was never answered."""
    assert completed(report(HANGUP, cause=cause), report(role)).status == status


@pytest.mark.parametrize("answer", [ANSWER_IN, ANSWER_OUT])
@pytest.mark.parametrize("cause", [None, *(cause for cause, _ in BY_CAUSE), 38, 102])
def test_answered_calls_hang_up_with_answer(cause: int | None, answer: EventType) -> None:
    """Once answered, a call ends with ANSWER whatever the cause."""
    assert completed(report(HANGUP, cause=cause), report(answer)).status is ANSWER


def test_other_causes_tell_nothing() -> None:
    """A cause that is in no table leaves the status empty."""
    causes = set(range(128)) - {cause for cause, _ in BY_CAUSE}
    statuses = {completed(report(HANGUP, cause=cause), report(DIAL_IN)).status for cause in causes}
    assert statuses == {None}


def test_normal_clearing_of_an_unknown_call_is_an_answer() -> None:
    """If nothing else was reported of a call, normal clearing means that it took place."""
    assert completed(report(HANGUP, cause=16)).status is ANSWER
    assert completed(report(HANGUP, cause=16), report(DIAL_OUT)).status is CANCEL


def test_duration_tells_that_it_was_answered() -> None:
    """Somebody must have answered a call that lasted; a duration of zero says nothing."""
    assert completed(report(HANGUP, cause=17, duration_seconds=3)).status is ANSWER
    assert completed(report(HANGUP, cause=17, duration_seconds=0)).status is CallStatus.BUSY


def test_only_the_same_extension_and_call_answer() -> None:
    """Who answered elsewhere, or in another call, has not answered this one."""
    others = (
        report(ANSWER_IN, extension="102"),
        report(ANSWER_IN, call_id="c2"),
        report(DIAL_IN),
    )
    assert completed(report(HANGUP, cause=26), *others).status is CANCEL


def test_calls_without_an_id_have_no_past() -> None:
    """Reports without a call id are never taken for one call."""
    assert completed(report(HANGUP, call_id=""), report(ANSWER_IN, call_id="")).status is None


def test_said_values_win() -> None:
    """What the PBX says of flow, status and numbers is never replaced."""
    told = completed(
        report(
            HANGUP,
            status=CallStatus.CONGESTION,
            cause=17,
            peer="1",
            caller_number="2",
            called_number="3",
            caller_extension="4",
            called_extension="101",
            called_did="5",
        ),
        report(ANSWER_IN, peer="9", caller_number="9", caller_name="Nine", called_did="9"),
    )
    assert told.status is CallStatus.CONGESTION
    assert (told.peer, told.caller_number, told.called_number) == ("1", "2", "3")
    assert (told.caller_extension, told.called_extension, told.called_did) == ("4", "101", "5")
    assert told.caller_name == "", "the name belongs to another party than the one that was said"


def test_numbers_of_an_outgoing_call() -> None:
    """The extension is the caller, and the peer the called number; an extension if it is one."""
    told = completed(report(DIAL_OUT, peer="0721"))
    assert (told.caller_extension, told.caller_number) == ("101", "101")
    assert (told.called_number, told.called_extension, told.called_did) == ("0721", "", "")
    assert completed(report(DIAL_OUT, peer="102")).called_extension == "102"
    assert completed(report(DIAL_OUT, called_number="0721")).peer == "0721"


def test_numbers_of_an_incoming_call() -> None:
    """The extension was called, under the public number if it is told; the peer is the caller."""
    told = completed(report(DIAL_IN, peer="0721"))
    assert (told.caller_number, told.caller_extension) == ("0721", "")
    assert (told.called_number, told.called_extension) == ("101", "101")
    assert completed(report(DIAL_IN, peer="102")).caller_extension == "102"
    assert completed(report(DIAL_IN, caller_number="0721")).peer == "0721"
    assert completed(report(DIAL_IN, called_did="021")).called_number == "021"


def test_extension_knows_itself_though_nobody_added_it() -> None:
    """An extension that is not configured is the caller or the called one all the same."""
    told = completed(report(DIAL_OUT, peer="102"), extensions=NOBODY)
    assert (told.caller_extension, told.called_extension) == ("101", "")


@pytest.mark.parametrize("role", [DIAL_IN, DIAL_OUT])
def test_hangup_takes_the_party_from_earlier_events(role: EventType) -> None:
    """A hangup that does not tell the peer has the newest one of the same call and extension."""
    first = completed(report(role, peer="0721", caller_name="Ana", called_did="021"))
    transferred = completed(report(role, peer="0722"))
    told = completed(
        report(HANGUP, cause=16), first, transferred, report(DIAL_IN, extension="102", peer="9")
    )
    assert told.peer == "0722"
    assert told.flow == role.call_flow
    assert (told.caller_name, told.called_did) == ("Ana", "021")
    others_number = told.caller_number if role is DIAL_IN else told.called_number
    assert others_number == "0722"


def test_only_hangups_remember() -> None:
    """An event that says nothing of the peer stays silent unless it is a hangup."""
    assert completed(report(ANSWER_IN), report(DIAL_IN, peer="0721")).peer == ""


def test_flow_of_a_hangup() -> None:
    """A hangup's flow is told by its numbers, else by what happened before, if that agrees."""
    assert derive_flow(report(HANGUP, caller_extension="101")) is CallFlow.OUT
    assert derive_flow(report(HANGUP, called_extension="101")) is CallFlow.IN
    assert derive_flow(report(HANGUP, caller_extension="102")) is None
    assert derive_flow(report(HANGUP), {DIAL_OUT, ANSWER_OUT, HANGUP}) is CallFlow.OUT
    assert derive_flow(report(HANGUP), {ANSWER_IN}) is CallFlow.IN
    assert derive_flow(report(HANGUP), {DIAL_IN, DIAL_OUT}) is None
    assert derive_flow(report(HANGUP), {HANGUP}) is None


def test_hangup_without_flow_gets_no_numbers() -> None:
    """Where nobody knows who called, no number is guessed."""
    told = completed(report(HANGUP, peer="0721"))
    assert (told.caller_number, told.called_number, told.called_extension) == ("", "", "")


def test_status_of_a_hangup_without_a_cause() -> None:
    """No cause, no duration and no answer: nothing is claimed."""
    assert derive_status(report(HANGUP), {DIAL_IN}) is None
