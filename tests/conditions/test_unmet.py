"""Each condition is met or not, and the sentence says why not; what is unknown meets none."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callevents.conditions import CallFacts, Conditions, Hours, find_unmet
from callevents.enums import CallFlow, CallStatus, EventType
from callevents.ingest.enrich import CallHistory, enrich
from callevents.ingest.report import Report

#: A Saturday in Bucharest, at 22:15.
SATURDAY = datetime(2026, 11, 28, 20, 15, tzinfo=UTC)
OFFICE = Hours((1, 2, 3, 4, 5), "09:00", "17:00", "Europe/Bucharest")
FACTS = CallFacts(
    SATURDAY,
    direction="in",
    is_internal=False,
    is_answered=True,
    talk_seconds=12,
    number="+40 721 000 001",
    did="+40 21 000 0100",
    queue="Sales",
)

CASES: dict[str, tuple[Conditions, dict[str, Any], str]] = {
    "none": (Conditions(), {}, ""),
    "direction": (Conditions(directions=("in",)), {}, ""),
    "either direction": (Conditions(directions=("in", "out")), {"direction": "out"}, ""),
    "other direction": (Conditions(directions=("out",)), {}, "the call was incoming"),
    "neither direction": (
        *(Conditions(directions=("in",)), {"direction": "internal"}),
        "the call was internal",
    ),
    "no direction": (
        *(Conditions(directions=("in", "out")), {"direction": ""}),
        "it is not known whether the call was incoming or outgoing",
    ),
    "external": (Conditions(party="external"), {}, ""),
    "not internal": (Conditions(party="internal"), {}, "the call was external"),
    "not external": (
        *(Conditions(party="external"), {"is_internal": True}),
        "the call was internal",
    ),
    "no party": (
        *(Conditions(party="external"), {"is_internal": None}),
        "it is not known whether the call was internal or external",
    ),
    "answered": (Conditions(answered=True), {}, ""),
    "not missed": (Conditions(answered=False), {}, "the call was answered"),
    "missed": (Conditions(answered=False), {"is_answered": False}, ""),
    "not answered": (
        *(Conditions(answered=True), {"is_answered": False}),
        "the call was not answered",
    ),
    "no outcome": (
        *(Conditions(answered=False), {"is_answered": None}),
        "it is not known whether the call was answered",
    ),
    "long enough": (Conditions(min_seconds=12), {}, ""),
    "too short": (Conditions(min_seconds=30), {}, "the call lasted 12 seconds, less than 30"),
    "a second": (
        *(Conditions(min_seconds=3600), {"talk_seconds": 1}),
        "the call lasted 1 second, less than 3,600",
    ),
    "no talk": (
        *(Conditions(min_seconds=1), {"is_answered": False, "talk_seconds": 0}),
        "the call was not answered",
    ),
    "no duration": (
        *(Conditions(min_seconds=1), {"talk_seconds": None}),
        "it is not known how long the call lasted",
    ),
    "at the weekend": (
        *(Conditions(hours=OFFICE), {}),
        "22:15 on Saturday in Europe/Bucharest is outside Monday to Friday, 09:00 to 17:00",
    ),
    "outside office hours": (Conditions(hours=replace(OFFICE, is_outside=True)), {}, ""),
    "at the wrong time": (
        Conditions(hours=Hours((6,), zone="Europe/Bucharest", is_outside=True)),
        {},
        "22:15 on Saturday in Europe/Bucharest is within Saturday",
    ),
    "a zone that was renamed": (
        *(Conditions(hours=replace(OFFICE, zone="Europe/Atlantis")), {}),
        "this server does not know the time zone Europe/Atlantis",
    ),
    "number": (Conditions(numbers=("+40721000001",)), {}, ""),
    "beginning": (Conditions(numbers=("+49*", "+40*")), {}, ""),
    "other number": (
        *(Conditions(numbers=("+49*", "112")), {}),
        "the other party's number is none of +49*, 112",
    ),
    "many numbers": (
        *(Conditions(numbers=tuple("1234567")), {}),
        "the other party's number is none of 1, 2, 3, 4, 5 and 2 more",
    ),
    "no number": (
        *(Conditions(numbers=("+40*",)), {"number": "anonymous"}),
        "the other party's number is not known",
    ),
    "DID": (Conditions(dids=("+40 21 000 01*",)), {}, ""),
    "other DID": (
        *(Conditions(dids=("+4031*",)), {}),
        "the number that was called from outside is none of +4031*",
    ),
    "no DID": (
        *(Conditions(dids=("+4031*",)), {"did": ""}),
        "the number that was called from outside is not known",
    ),
    "queue in any case": (Conditions(queues=("support", "sales")), {}, ""),
    "other queue": (
        *(Conditions(queues=("support",)), {}),
        "the call was in the queue Sales, not in support",
    ),
    "no queue": (Conditions(queues=("support",)), {"queue": ""}, "no queue of the call is known"),
}


@pytest.mark.parametrize("name", CASES)
def test_each_condition(name: str) -> None:
    """A condition that is met says nothing; one that is not, a sentence."""
    conditions, facts, reason = CASES[name]
    found = find_unmet(conditions, replace(FACTS, **facts))
    assert found == (f"Skipped: {reason}." if reason else "")


def test_all_conditions_have_to_be_met() -> None:
    """One that is not met is enough, whichever it is."""
    met = Conditions(
        directions=("in",),
        party="external",
        answered=True,
        min_seconds=10,
        hours=replace(OFFICE, is_outside=True),
        numbers=("+40*",),
        dids=("+4021*",),
        queues=("sales",),
    )
    assert find_unmet(met, FACTS) == ""
    for conditions, facts, reason in CASES.values():
        if reason:
            names = [name for name, one in vars(conditions).items() if one != getattr(NONE, name)]
            changed = replace(met, **{name: getattr(conditions, name) for name in names})
            assert find_unmet(changed, replace(FACTS, **facts)) == f"Skipped: {reason}."


NONE = Conditions()


def facts_of(event_type: EventType, **values: Any) -> CallFacts:
    """Return the facts of an enriched report, as it is stored; 101 and 102 are extensions."""
    report = Report(event_type=event_type, extension="101", **values)
    row = enrich(report, {"101", "102"}, CallHistory())._asdict()
    return CallFacts.of_event({**row, "happened_at": SATURDAY})


def test_facts_of_an_event() -> None:
    """They follow from the columns, as enriched."""
    outside = facts_of(EventType.DIAL_IN, peer="+40721000001", called_did="0210000100", queue="q")
    assert outside == CallFacts(
        *(SATURDAY, "in", False, False, 0, "+40721000001", "0210000100", "q")
    )
    inside = facts_of(EventType.DIAL_OUT, peer="102")
    assert (inside.direction, inside.is_internal, inside.number) == ("out", True, "102")
    unknown = facts_of(EventType.HANGUP, peer="102")
    assert (unknown.direction, unknown.is_internal, unknown.is_answered) == ("", None, None)
    missed = facts_of(EventType.HANGUP, cause=17, flow=CallFlow.IN)
    assert (missed.is_answered, missed.talk_seconds) == (False, 0)
    talked = facts_of(EventType.HANGUP, status=CallStatus.ANSWER, duration_seconds=42)
    assert (talked.is_answered, talked.talk_seconds) == (True, 42)


def test_facts_of_a_whole_call() -> None:
    """The values of the call count, not those of the event that ended it."""
    last = facts_of(EventType.HANGUP, cause=26, peer="+40721000001", flow=CallFlow.IN)
    values = {"Outcome": "answered", "TalkSeconds": "60", "Direction": "in", "Queue": "support"}
    whole = last.of_call(values)
    assert (whole.is_answered, whole.talk_seconds, whole.queue) == (True, 60, "support")
    assert (whole.number, whole.is_internal) == ("+40721000001", False)
    missed = whole.of_call({"Outcome": "missed", "TalkSeconds": ""})
    assert (missed.is_answered, missed.talk_seconds, missed.direction) == (False, 0, "in")
    internal = last.of_call({"Direction": "internal", "RemoteNumber": "102"})
    assert (internal.direction, internal.is_internal, internal.number) == ("internal", True, "102")


@given(st.text(max_size=300), st.text(max_size=300), st.text(max_size=300))
def test_hostile_values(number: str, did: str, queue: str) -> None:
    """Whatever a caller sends, a condition is met or there is one sentence."""
    conditions = Conditions(numbers=("+40*",), dids=("0*",), queues=("sales",))
    reason = find_unmet(conditions, replace(FACTS, number=number, did=did, queue=queue))
    assert reason == "" or (reason.startswith("Skipped: ") and reason.endswith("."))
