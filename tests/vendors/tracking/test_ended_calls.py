"""Trackers tell when a call is over: its last leg is gone."""

from datetime import UTC, datetime

import pytest

from callevents.enums import EventType
from callevents.ingest.report import CallOver
from callevents.vendors.registry import SOURCES
from callevents.vendors.tracking.events import TrackedEvent
from callevents.vendors.tracking.legs import Leg
from callevents.vendors.tracking.restored_leg import restore_legs
from callevents.vendors.tracking.running_calls import MAX_ENDED, RunningCalls
from tests.support.recorded_streams import EXTENSIONS, SCENARIOS, read_messages

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(("source", "name"), SCENARIOS)
def test_each_call_with_events_ends_once(source: str, name: str) -> None:
    """Each call that has events is told to be over once, after its last event."""
    tracker = SOURCES[source].make_tracker(EXTENSIONS)
    told: list[TrackedEvent | CallOver] = []
    for message in read_messages(source, name):
        told += tracker.feed(message)
        told += tracker.take_ended_calls(NOW)
    overs = [one.call_id for one in told if isinstance(one, CallOver)]
    calls = [one.report.call_id for one in told if isinstance(one, TrackedEvent)]
    assert sorted(overs) == sorted(set(calls))
    for call_id in overs:
        after = told[told.index(next(one for one in told if is_over(one, call_id))) :]
        assert not [one for one in after if isinstance(one, TrackedEvent) and is_of(one, call_id)]
    assert tracker.running_calls == 0


def is_over(told: TrackedEvent | CallOver, call_id: str) -> bool:
    """Return True for the end of that call."""
    return isinstance(told, CallOver) and told.call_id == call_id


def is_of(told: TrackedEvent, call_id: str) -> bool:
    """Return True for an event of that call."""
    return told.report.call_id == call_id


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("asterisk", "s22_ring_group_dial_two"),
        ("freeswitch", "f22_ring_group_two_users"),
    ],
)
def test_call_that_ends_while_no_listener_runs(source: str, name: str) -> None:
    """The next listener restores the call, does not find it in the list, and ends it."""
    before = SOURCES[source].make_tracker(EXTENSIONS)
    messages = read_messages(source, name)
    events = [event for message in messages for event in before.feed(message)][:3]
    tracker = SOURCES[source].make_tracker(EXTENSIONS)
    tracker.restore(restore_legs(event.report for event in events))
    assert tracker.take_ended_calls(NOW) == []
    assert len(tracker.adopt([], NOW)) == 2
    assert tracker.take_ended_calls(NOW) == [CallOver(events[0].report.call_id, NOW)]


def test_call_goes_on_with_its_caller() -> None:
    """A restored call whose phones have hung up is not over while its caller is in the list."""
    messages = read_messages("asterisk", "s22_ring_group_dial_two")
    before = SOURCES["asterisk"].make_tracker(EXTENSIONS)
    events = [event for message in messages for event in before.feed(message)][:2]
    tracker = SOURCES["asterisk"].make_tracker(EXTENSIONS)
    tracker.restore(restore_legs(event.report for event in events))
    call_id = events[0].report.call_id
    caller = {
        "Uniqueid": call_id,
        "Linkedid": call_id,
        "Channel": "PJSIP/trunk-00000001",
        "ChannelState": "4",
        "Exten": "600",
    }
    assert len(tracker.adopt([caller], NOW)) == 2
    assert tracker.take_ended_calls(NOW) == []


def test_asterisk_account_without_the_class_of_queues() -> None:
    """Without `agent` in `read`, the call ends all the same; its queue is not known."""
    messages = read_messages("asterisk", "s21_queue_caller_abandons")
    tracker = SOURCES["asterisk"].make_tracker(EXTENSIONS)
    told: list[TrackedEvent | CallOver] = []
    for message in messages:
        if not message.get("Privilege", "").startswith("agent"):
            told += tracker.feed(message)
            told += tracker.take_ended_calls(NOW)
    over = told[-1]
    assert isinstance(over, CallOver)
    assert (over.queue, over.is_abandoned) == ("", False)


def test_queue_that_a_caller_has_left_is_not_the_next_one() -> None:
    """A phone that is rung after the caller has left the queue is not rung by the queue."""
    leg = Leg(id="1", call_id="c1", sent={EventType.DIAL_IN})
    calls = RunningCalls()
    calls.add(leg)
    call = calls.find(leg)
    assert call is not None
    call.join_queue("support")
    call.is_abandoned = True
    call.join_queue("sales")
    call.leave_queue()
    assert call.queue == ""
    calls.remove(leg)
    assert calls.take_ended(NOW) == [CallOver("c1", NOW, "sales")]
    assert calls.take_ended(NOW) == []


def test_memory_of_ended_calls_is_bounded() -> None:
    """If nobody takes the ended calls, the oldest are forgotten."""
    calls = RunningCalls()
    for number in range(MAX_ENDED + 5):
        leg = Leg(id=str(number), call_id=f"c{number}", sent={EventType.DIAL_IN})
        calls.add(leg)
        calls.remove(leg)
    ended = calls.take_ended(NOW)
    assert (len(ended), ended[0].call_id) == (MAX_ENDED, "c5")


def test_call_that_the_next_listener_finds() -> None:
    """A call whose phones had hung up before is over when its listed caller is gone."""
    tracker = SOURCES["asterisk"].make_tracker(EXTENSIONS)
    caller = {
        "Uniqueid": "1.1",
        "Linkedid": "1.1",
        "Channel": "PJSIP/trunk-00000001",
        "ChannelState": "6",
        "Exten": "600",
        "Application": "Queue",
    }
    assert tracker.adopt([caller], NOW) == []
    tracker.feed({"Event": "Hangup", "Uniqueid": "1.1", "Channel": "PJSIP/trunk-00000001"})
    assert tracker.take_ended_calls(NOW) == [CallOver("1.1", NOW)]
