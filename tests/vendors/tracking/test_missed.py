"""What a list of running calls shows after a disconnect: missed answers, and changed names."""

import pytest

from callevents.vendors.tracking.restored_leg import restore_legs
from tests.vendors.asterisk.calls import call_inside
from tests.vendors.asterisk.simulator import Asterisk
from tests.vendors.freeswitch.simulator import Freeswitch
from tests.vendors.tracking.test_resync import list_rows


def test_a_missed_answer_after_an_announcement_has_no_duration() -> None:
    """The announcement's answer is not that of the called phone, whose time is unknown."""
    pbx = Asterisk()
    caller = pbx.begin("PJSIP/101", "102")
    caller.state = "6"
    pbx.say("Newstate", **caller.fields())
    pbx.wait(60)
    called = pbx.begin("PJSIP/102", "s", state="0", parent=caller)
    pbx.dial(caller, called)
    pbx.tracker.handle_disconnect()
    called.state = "6"
    pbx.list_channels((caller, "Queue", "b1"), (called, "AppQueue", "b1"))
    pbx.wait(20)
    pbx.hang_up(called, caller)
    durations = [one.report.duration_seconds for one in pbx.events]
    assert (pbx.take_events()[2:], durations[4:]) == (
        [
            "101 answer-out 102",
            "102 answer-in 101",
            "102 hangup 101 16 answered",
            "101 hangup 102 16 answered",
        ],
        [None, None],
    )


@pytest.mark.parametrize("is_restored", [False, True])
def test_an_event_before_the_list_does_not_hide_a_missed_answer(is_restored: bool) -> None:
    """The legs are mentioned between the subscription and the list, by a new listener too."""
    pbx = Asterisk()
    caller, called = call_inside(pbx, "101", "102")
    if is_restored:
        reports = [event.report for event in pbx.events]
        pbx.tracker = Asterisk().tracker
        pbx.tracker.restore(restore_legs(reports))
    else:
        pbx.tracker.handle_disconnect()
    pbx.take_events()
    caller.state = called.state = "6"
    pbx.say("Hold", **caller.fields())
    pbx.say("Hold", **called.fields())
    pbx.list_channels((caller, "Dial", "b1"), (called, "AppDial", "b1"))
    pbx.wait(20)
    pbx.hang_up(called, caller)
    told = [(one.report.is_late, one.report.duration_seconds) for one in pbx.events]
    assert told == [(True, None), (True, None), (False, None), (False, None)]
    assert pbx.take_events() == [
        "101 answer-out 102",
        "102 answer-in 101",
        "102 hangup 101 16 answered",
        "101 hangup 102 16 answered",
    ]


@pytest.mark.parametrize("is_restored", [False, True])
def test_an_event_before_the_list_of_freeswitch_hides_no_answer(is_restored: bool) -> None:
    """The legs are mentioned between the subscription and the list, by a new listener too."""
    pbx = Freeswitch()
    caller = pbx.phone_calls("101", "102")
    called = pbx.call("102", caller)
    if is_restored:
        reports = [event.report for event in pbx.events]
        pbx.tracker = Freeswitch().tracker
        pbx.tracker.restore(restore_legs(reports))
    else:
        pbx.tracker.handle_disconnect()
    pbx.take_events()
    for channel in (caller, called):
        pbx.say("CHANNEL_HOLD", **channel.fields())
    pbx.events += pbx.tracker.feed(list_rows((caller, "HELD"), (called, "HELD")))
    assert [event.report.is_late for event in pbx.events] == [True, True]
    assert pbx.take_events() == ["101 answer-out 102", "102 answer-in 101"]


@pytest.mark.parametrize("is_before_list", [True, False])
def test_a_channel_that_was_renamed_meanwhile_has_its_hangup(is_before_list: bool) -> None:
    """The list has the new name of a channel; a Rename during the list is newer than its rows."""
    pbx = Asterisk()
    caller, called = call_inside(pbx, "101", "102")
    pbx.answer(caller, called)
    pbx.take_events()
    pbx.tracker.handle_disconnect()
    old = caller.fields()
    if is_before_list:
        caller.name = "PJSIP/103-00000009"
        pbx.list_channels((caller, "Dial", "b1"), (called, "AppDial", "b1"))
    else:
        for channel in (caller, called):
            row = {**channel.fields(), "Application": "Dial", "BridgeId": "b1"}
            pbx.say("CoreShowChannel", **row)
        caller.name = "PJSIP/103-00000009"
        pbx.say("Rename", Channel=old["Channel"], Newname=caller.name, Uniqueid=caller.uid)
        pbx.say("CoreShowChannelsComplete")
    pbx.hang_up(called, caller)
    assert pbx.take_events() == ["102 hangup 101 16 answered", "101 hangup 102 16 answered"]
    assert pbx.tracker.running == 0
