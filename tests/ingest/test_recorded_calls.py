"""Hooks that are sent once per call get one dial, one answer and one end of each recorded call."""

from datetime import datetime, timedelta
from itertools import chain

import pytest
import time_machine

from callevents.db.models import Pbx
from callevents.delivery.outbox import DEFER_BEHIND_RUNNING
from callevents.enums import EventType
from callevents.ingest.report import CallOver, Report
from callevents.vendors.registry import SOURCES
from tests.conftest import Configure
from tests.ingest.calls import deliveries, once_per_call, store, values
from tests.support.recorded_streams import EXTENSIONS, moment, read_messages

#: What a recorded call sends before its end, and then Extension, AnsweredBy, Outcome, Direction and
#: Queue of its end.
Expected = tuple[list[str], list[str]]
ANSWERED_BY_102 = (
    ["dial-in 102", "answer-in 102"],
    ["102", "102", "answered", "in", ""],
)
MISSED_AT_103 = (["dial-in 103"], ["103", "", "missed", "in", ""])
TRANSFERRED = (["dial-in 101", "answer-in 101"], ["101", "101", "answered", "in", ""])
FORWARDED = (
    ["dial-in 104", "dial-out 101", "answer-in 102", "answer-out 101"],
    ["102", "102", "answered", "internal", ""],
)
INTERNAL = (
    ["dial-in 102", "dial-out 101", "answer-in 102", "answer-out 101"],
    ["102", "102", "answered", "internal", ""],
)
GROUP = (["dial-in 102", "answer-in 103"], ["103", "103", "answered", "in", ""])
CALLS: dict[str, dict[str, Expected]] = {
    "asterisk": {
        "s01_internal_answered_caller_hangs_up": INTERNAL,
        "s04_internal_busy": (
            ["dial-in 102", "dial-out 101"],
            ["102", "", "missed", "internal", ""],
        ),
        "s07_outbound_trunk_answered": (
            ["dial-out 101", "answer-out 101"],
            ["101", "955512345", "answered", "out", ""],
        ),
        "s09_outbound_trunk_busy": (["dial-out 101"], ["101", "", "busy", "out", ""]),
        "s13_blind_transfer_by_callee_refer": TRANSFERRED,
        "s14_blind_transfer_by_caller_refer": INTERNAL,
        "s17_blind_transfer_dtmf_feature": TRANSFERRED,
        "s18_queue_two_members_ringall_sip": (
            ANSWERED_BY_102[0],
            ["102", "102", "answered", "in", "support"],
        ),
        "s19_queue_two_members_ringall_local_members": (
            ANSWERED_BY_102[0],
            ["102", "102", "answered", "in", "sales"],
        ),
        "s21_queue_caller_abandons": (["dial-in 102"], ["102", "", "abandoned", "in", "support"]),
        "s22_ring_group_dial_two": GROUP,
        "s24_ring_group_nobody_answers": (["dial-in 102"], ["102", "", "missed", "in", ""]),
        "s25_forward_by_phone_302": FORWARDED,
        "s26_forward_by_pbx_local_channel": ANSWERED_BY_102,
        "s30_pickup_directed": (
            ["dial-in 101", "answer-in 103"],
            ["103", "103", "answered", "in", ""],
        ),
        "s32_voicemail_answers_after_no_answer": MISSED_AT_103,
        "s48_blind_transfer_target_busy": TRANSFERRED,
    },
    "freeswitch": {
        "f01_internal_answered_caller_hangs_up": INTERNAL,
        "f13_blind_transfer_by_callee_refer": TRANSFERRED,
        "f14_blind_transfer_by_caller_refer": INTERNAL,
        "f21_callcenter_caller_abandons": (
            ["dial-in 103"],
            ["103", "", "abandoned", "in", "support"],
        ),
        "f22_ring_group_two_users": GROUP,
        "f25_forward_by_phone_302": FORWARDED,
        "f26_forward_by_pbx_loopback": ANSWERED_BY_102,
        "f32_voicemail_after_no_answer": MISSED_AT_103,
    },
}
RECORDED = [(source, name) for source, names in CALLS.items() for name in names]


def follow(source: str, name: str) -> list[tuple[datetime, list[Report], list[CallOver]]]:
    """Return what a listener tells after each message of the recorded stream."""
    tracker = SOURCES[source].make_tracker(EXTENSIONS)
    told = []
    for message in read_messages(source, name):
        at = moment(source, message)
        reports = [event.report for event in tracker.feed(message)]
        told.append((at, reports, tracker.take_ended_calls(at)))
    return told


@pytest.mark.parametrize("is_at_once", [False, True], ids=["by message", "at once"])
@pytest.mark.parametrize(("source", "name"), RECORDED)
def test_recorded_call(
    pbx: Pbx, configure: Configure, source: str, name: str, *, is_at_once: bool
) -> None:
    """One dial, one answer, and one end with the outcome, however the listener stores events."""
    for event in EventType:
        once_per_call(configure, event)
    for number in range(101, 110):
        configure.extension(str(number))
    told = follow(source, name)
    if is_at_once:
        reports, overs = (list(chain(*(one[index] for one in told))) for index in (1, 2))
        told = [(told[-1][0], reports, overs)]
    for at, reports, overs in told:
        with time_machine.travel(at, tick=False):
            store(pbx, *reports, overs=overs)
    *before, end = deliveries()
    expected, of_end = CALLS[source][name]
    assert sorted(f"{one.event_type.slug} {one.extension}" for one in before) == sorted(expected)
    found = values(end)
    names = ("Extension", "AnsweredBy", "Outcome", "Direction", "Queue")
    assert [found[name] for name in names] == of_end
    assert end.event_type is EventType.HANGUP
    # The listener has said that the call is over, so it only waits for the others of its call.
    assert end.deferred
    assert end.due_at - end.created_at <= DEFER_BEHIND_RUNNING


def test_conference_is_no_call_between_parties(pbx: Pbx, configure: Configure) -> None:
    """Phones that dial a conference room have no call events, so nothing is sent."""
    for event in EventType:
        once_per_call(configure, event)
    for _, reports, overs in follow("asterisk", "s33_conference"):
        store(pbx, *reports, overs=overs)
    assert list(deliveries()) == []


def test_end_of_a_followed_call_waits_for_the_listener(pbx: Pbx, configure: Configure) -> None:
    """Until the listener says that the call is over, its end waits; 10 minutes if it died."""
    once_per_call(configure, EventType.HANGUP)
    told = follow("asterisk", "s22_ring_group_dial_two")
    for at, reports, _ in told:
        with time_machine.travel(at, tick=False):
            store(pbx, *reports)
    [end] = deliveries()
    assert end.due_at - end.created_at == timedelta(minutes=10)
    withdrawn = end.id
    with time_machine.travel(told[-1][0], tick=False):
        store(pbx, overs=[over for one in told for over in one[2]])
    [now_due] = deliveries()
    assert now_due.id != withdrawn
    assert now_due.due_at == now_due.created_at
