"""Enrichment of hangups: queue, begin, answer, and who answered, from the call's earlier events."""

from datetime import timedelta

import pytest

from callevents.db.models import CallEvent, Pbx
from callevents.enums import CallStatus, EventType
from callevents.extensions import db
from callevents.ingest.report import Report
from tests.ingest.accepting import AT, NOW, accept_now
from tests.ingest.test_enrich import enriched, report

DIAL_IN, DIAL_OUT, HANGUP = EventType.DIAL_IN, EventType.DIAL_OUT, EventType.HANGUP
ANSWER_IN, ANSWER_OUT = EventType.ANSWER_IN, EventType.ANSWER_OUT


def after_seconds(seconds: float, event: EventType, **values: object) -> Report:
    """Return a report of the call some seconds after its beginning."""
    return report(event, at=AT + timedelta(seconds=seconds), **values)


def test_times_of_an_answered_call() -> None:
    """The hangup has the time of the first event and of the answer, and who answered."""
    found = enriched(
        after_seconds(60, HANGUP, cause=16),
        after_seconds(0, DIAL_IN, peer="+40721", queue="support"),
        after_seconds(9, ANSWER_IN),
    )
    assert (found.started_at, found.answered_at) == (AT, AT + timedelta(seconds=9))
    assert (found.answered_by, found.queue) == ("101", "support")


def test_only_the_events_since_the_last_hangup_count() -> None:
    """An extension that is rung again has times of its own."""
    found = enriched(
        after_seconds(60, HANGUP, cause=19),
        after_seconds(0, DIAL_IN),
        after_seconds(5, ANSWER_IN),
        after_seconds(20, HANGUP, cause=16),
        after_seconds(30, DIAL_IN),
    )
    assert (found.started_at, found.answered_at) == (AT + timedelta(seconds=30), None)
    assert found.answered_by == ""


@pytest.mark.parametrize(
    ("earlier", "hangup", "answered_by"),
    [
        # The other party of an outgoing call.
        (
            [after_seconds(0, DIAL_OUT, peer="+40721"), after_seconds(1, ANSWER_OUT)],
            {"cause": 16, "peer": "+40721"},
            "+40721",
        ),
        # The extension that answered what was dialed as a group.
        (
            [
                after_seconds(0, DIAL_OUT, peer="600"),
                after_seconds(1, ANSWER_IN, extension="102"),
                after_seconds(1, ANSWER_OUT, peer="600"),
            ],
            {"cause": 16},
            "102",
        ),
        # Another extension answered what rang here.
        (
            [after_seconds(0, DIAL_IN), after_seconds(1, ANSWER_IN, extension="102")],
            {"cause": 26},
            "102",
        ),
        # Another extension had answered before, and transferred the call.
        (
            [after_seconds(-9, ANSWER_IN, extension="102"), after_seconds(0, DIAL_IN)],
            {"cause": 19},
            "",
        ),
        ([after_seconds(0, DIAL_IN)], {"cause": 19}, ""),
        ([after_seconds(0, DIAL_OUT, peer="102")], {"cause": 17}, ""),
        # Nothing else was reported.
        ([], {"cause": 16, "called_extension": "101"}, "101"),
        # A voicemail answered the call that a listener follows.
        (
            [after_seconds(0, DIAL_OUT, peer="102")],
            {"status": CallStatus.ANSWER, "is_followed": True},
            "",
        ),
    ],
)
def test_who_answered(earlier: list[Report], hangup: dict[str, object], answered_by: str) -> None:
    """An extension, or the other party of an outgoing call."""
    assert enriched(after_seconds(60, HANGUP, **hangup), *earlier).answered_by == answered_by


def test_answer_that_a_disconnect_hid() -> None:
    """A listener's late answer has no time, but somebody answered."""
    found = enriched(
        after_seconds(60, HANGUP, cause=16),
        after_seconds(0, DIAL_IN),
        after_seconds(30, ANSWER_IN, is_late=True),
    )
    assert (found.answered_at, found.answered_by) == (None, "101")


def test_other_events_have_no_times() -> None:
    """Only hangups are completed."""
    found = enriched(after_seconds(9, ANSWER_IN), after_seconds(0, DIAL_IN, queue="support"))
    assert (found.started_at, found.answered_at, found.answered_by) == (None, None, "")


@pytest.mark.parametrize("is_at_once", [False, True])
def test_stored_events(pbx: Pbx, *, is_at_once: bool) -> None:
    """The columns are stored, whether events come together or one by one."""
    reports = [
        report(DIAL_IN, at=NOW, queue="support"),
        report(ANSWER_IN, at=NOW + timedelta(seconds=4)),
        report(HANGUP, at=NOW + timedelta(seconds=64), cause=16),
    ]
    for batch in [reports] if is_at_once else [[one] for one in reports]:
        accepted = accept_now(pbx, *batch)
    event = db.session.get(CallEvent, accepted[-1].id)
    assert event is not None
    assert (event.started_at, event.answered_at) == (NOW, NOW + timedelta(seconds=4))
    assert (event.answered_by, event.queue) == ("101", "support")
