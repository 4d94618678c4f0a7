"""Enrichment: CallFlow, CallStatus, and both parties' numbers."""

import pytest

from callevents.enums import CallFlow, CallStatus, EventType
from callevents.ingest.enrich import CallHistory, derive_flow, derive_status, enrich
from callevents.ingest.report import Report

DIAL_IN, DIAL_OUT = EventType.DIAL_IN, EventType.DIAL_OUT
HANGUP, ANSWER_IN, ANSWER_OUT = EventType.HANGUP, EventType.ANSWER_IN, EventType.ANSWER_OUT
ANSWER, CANCEL = CallStatus.ANSWER, CallStatus.CANCEL
NO_EXTENSIONS: frozenset[str] = frozenset()


def report(event: EventType, **values: object) -> Report:
    """Return the report of that event at 101 in the call c1."""
    return Report(**{"event_type": event, "extension": "101", "call_id": "c1", **values})  # type: ignore[arg-type]


def after(*earlier: Report) -> CallHistory:
    """Return the history of those reports."""
    history = CallHistory()
    for one in earlier:
        history.add(one)
    return history


def enriched(
    reported: Report, *earlier: Report, extensions: frozenset[str] = frozenset({"101", "102"})
) -> Report:
    """Return the report, enriched after earlier ones; by default 101 and 102 are extensions."""
    return enrich(reported, extensions, after(*earlier))


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
    """The event determines CallFlow and CallStatus, except for a hangup without earlier events."""
    result = enriched(report(event))
    assert (result.flow, result.status) == (flow, status)


#: The CallStatus of an unanswered call, by cause.
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
    """The cause determines the status of an unanswered call."""
    assert enriched(report(HANGUP, cause=cause), report(role)).status == status


@pytest.mark.parametrize("answer", [ANSWER_IN, ANSWER_OUT])
@pytest.mark.parametrize("cause", [None, *(cause for cause, _ in BY_CAUSE), 38, 102])
def test_answered_calls_hang_up_with_answer(cause: int | None, answer: EventType) -> None:
    """An answered call ends with ANSWER, regardless of the cause."""
    assert enriched(report(HANGUP, cause=cause), report(answer)).status is ANSWER


def test_with_any_other_cause_nobody_answered() -> None:
    """No cause of an unanswered call leaves the status empty."""
    causes = set(range(128)) - {cause for cause, _ in BY_CAUSE}
    statuses = {enriched(report(HANGUP, cause=cause), report(DIAL_IN)).status for cause in causes}
    assert statuses == {"NOANSWER"}


def test_without_a_cause_the_status_is_empty() -> None:
    """Nothing says whether the call was answered."""
    assert enriched(report(HANGUP), report(DIAL_IN)).status is None


def test_normal_clearing_of_an_unknown_call_is_an_answer() -> None:
    """Without earlier events of the call, normal clearing means that it was answered."""
    assert enriched(report(HANGUP, cause=16)).status is ANSWER
    assert enriched(report(HANGUP, cause=16), report(DIAL_OUT)).status is CANCEL


def test_duration_means_answered() -> None:
    """A duration above zero means that the call was answered; zero means nothing."""
    assert enriched(report(HANGUP, cause=17, duration_seconds=3)).status is ANSWER
    assert enriched(report(HANGUP, cause=17, duration_seconds=0)).status is CallStatus.BUSY


def test_only_the_same_extension_and_call_answer() -> None:
    """An answer at another extension, or in another call, does not count."""
    others = (
        report(ANSWER_IN, extension="102"),
        report(ANSWER_IN, call_id="c2"),
        report(DIAL_IN),
    )
    assert enriched(report(HANGUP, cause=26), *others).status is CANCEL


def test_calls_without_an_id_have_no_past() -> None:
    """Reports without a call ID never belong to the same call."""
    assert enriched(report(HANGUP, call_id=""), report(ANSWER_IN, call_id="")).status is None


def test_reported_values_win() -> None:
    """Reported status and numbers are never replaced."""
    result = enriched(
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
    assert result.status is CallStatus.CONGESTION
    assert (result.peer, result.caller_number, result.called_number) == ("1", "2", "3")
    assert (result.caller_extension, result.called_extension, result.called_did) == (
        "4",
        "101",
        "5",
    )
    assert result.caller_name == "", "the name belongs to a different party than the reported one"


def test_numbers_of_an_outgoing_call() -> None:
    """The extension is the caller, and the peer the called number or extension."""
    result = enriched(report(DIAL_OUT, peer="0721"))
    assert (result.caller_extension, result.caller_number) == ("101", "101")
    assert (result.called_number, result.called_extension, result.called_did) == ("0721", "", "")
    assert enriched(report(DIAL_OUT, peer="102")).called_extension == "102"
    assert enriched(report(DIAL_OUT, called_number="0721")).peer == "0721"


def test_numbers_of_an_incoming_call() -> None:
    """The extension is called, with the public number if reported; the peer is the caller."""
    result = enriched(report(DIAL_IN, peer="0721"))
    assert (result.caller_number, result.caller_extension) == ("0721", "")
    assert (result.called_number, result.called_extension) == ("101", "101")
    assert enriched(report(DIAL_IN, peer="102")).caller_extension == "102"
    assert enriched(report(DIAL_IN, caller_number="0721")).peer == "0721"
    assert enriched(report(DIAL_IN, called_did="021")).called_number == "021"


def test_unknown_extension_is_a_party() -> None:
    """An extension that is not configured is still the caller or the called party."""
    result = enriched(report(DIAL_OUT, peer="102"), extensions=NO_EXTENSIONS)
    assert (result.caller_extension, result.called_extension) == ("101", "")


@pytest.mark.parametrize("role", [DIAL_IN, DIAL_OUT])
def test_hangup_takes_the_party_from_earlier_events(role: EventType) -> None:
    """A hangup without a peer gets the latest one of the same call and extension."""
    first = enriched(report(role, peer="0721", caller_name="Ana", called_did="021"))
    transferred = enriched(report(role, peer="0722"))
    result = enriched(
        report(HANGUP, cause=16), first, transferred, report(DIAL_IN, extension="102", peer="9")
    )
    assert result.peer == "0722"
    assert result.flow == role.call_flow
    assert (result.caller_name, result.called_did) == ("Ana", "021")
    others_number = result.caller_number if role is DIAL_IN else result.called_number
    assert others_number == "0722"


def test_only_hangups_inherit_the_party() -> None:
    """An event without a peer gets none from earlier events, unless it is a hangup."""
    assert enriched(report(ANSWER_IN), report(DIAL_IN, peer="0721")).peer == ""


def test_flow_of_a_hangup() -> None:
    """A hangup's flow follows from its numbers, or from earlier events if they agree."""
    assert derive_flow(report(HANGUP, caller_extension="101")) is CallFlow.OUT
    assert derive_flow(report(HANGUP, called_extension="101")) is CallFlow.IN
    assert derive_flow(report(HANGUP, caller_extension="102")) is None
    assert derive_flow(report(HANGUP), {DIAL_OUT, ANSWER_OUT, HANGUP}) is CallFlow.OUT
    assert derive_flow(report(HANGUP), {ANSWER_IN}) is CallFlow.IN
    assert derive_flow(report(HANGUP), {DIAL_IN, DIAL_OUT}) is None
    assert derive_flow(report(HANGUP), {HANGUP}) is None


def test_hangup_without_flow_gets_no_numbers() -> None:
    """If the direction is unknown, no number is derived."""
    result = enriched(report(HANGUP, peer="0721"))
    assert (result.caller_number, result.called_number, result.called_extension) == ("", "", "")


def test_status_of_a_hangup_without_a_cause() -> None:
    """Without cause, duration and answer there is no status."""
    assert derive_status(report(HANGUP), {DIAL_IN}) is None
