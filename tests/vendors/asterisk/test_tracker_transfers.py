"""Transfers and pick-ups on an Asterisk that no recording has."""

import pytest

from tests.vendors.asterisk.calls import call_from_outside, call_inside
from tests.vendors.asterisk.simulator import Asterisk


def test_an_attended_transfer_by_the_phone(pbx: Asterisk) -> None:
    """The consultation is an ordinary call; afterwards the target talks to the first caller."""
    trunk, first = call_from_outside(pbx)
    second, target = call_inside(pbx, "101", "102")
    pbx.answer(second, target)
    assert pbx.take_events() == [
        "101 dial-in 0612345678",
        "101 answer-in 0612345678",
        "101 dial-out 102",
        "102 dial-in 101",
        "102 answer-in 101",
        "101 answer-out 102",
    ]
    pbx.connect(target, "0612345678")
    pbx.hang_up(second, first)
    pbx.hang_up(trunk, target)
    assert pbx.take_events() == [
        "101 hangup 102 16 answered",
        "101 hangup 0612345678 16 answered",
        "102 hangup 0612345678 16 answered",
    ]


def test_an_attended_transfer_before_the_target_answers(pbx: Asterisk) -> None:
    """The transferer's second call ends unanswered; the target answers the first caller."""
    trunk, first = call_from_outside(pbx)
    second, target = call_inside(pbx, "101", "102")
    pbx.take_events()
    pbx.hang_up(second, first)
    pbx.connect(target, "0612345678")
    pbx.answer(trunk, target)
    pbx.hang_up(target)
    assert pbx.take_events() == [
        "101 hangup 102 16 unanswered",
        "101 hangup 0612345678 16 answered",
        "102 answer-in 101",
        "102 hangup 0612345678 16 answered",
    ]


@pytest.mark.parametrize("is_told", [False, True])
def test_an_attended_transfer_by_a_feature_code(pbx: Asterisk, *, is_told: bool) -> None:
    """The PBX calls the target through a Local channel, so the transferer has dialled nothing.

    It is no click-to-call, with or without a DialBegin of the Local channel.
    """
    trunk, first = call_from_outside(pbx)
    pbx.take_events()
    outer, inner = pbx.begin_local("102", parent=first)
    inner.number = "101"
    if is_told:
        pbx.dial(None, outer)
    target = pbx.begin("PJSIP/102", "s", state="0", parent=trunk)
    pbx.dial(inner, target)
    pbx.answer(inner, target)
    pbx.connect(target, "0612345678")
    pbx.hang_up(first, inner, outer, target, trunk)
    assert pbx.take_events() == [
        "102 dial-in 101",
        "102 answer-in 101",
        "101 hangup 0612345678 16 answered",
        "102 hangup 0612345678 16 answered",
    ]


def test_a_called_phone_that_is_transferred_dials_nothing(pbx: Asterisk) -> None:
    """Its leg was called, so the number its channel dials for the transfer is no dial-out."""
    caller, called = call_inside(pbx, "101", "102")
    pbx.answer(caller, called)
    pbx.hang_up(caller)
    pbx.take_events()
    target = pbx.begin("PJSIP/103", "s", state="0", parent=called)
    pbx.dial(called, target, exten="103")
    pbx.end_dial(called, target, "BUSY")
    pbx.hang_up(target, cause=17)
    pbx.hang_up(called, cause=17)
    assert pbx.take_events() == [
        "103 dial-in 102",
        "103 hangup 102 17 unanswered",
        "102 hangup 101 17 answered",
    ]


def test_a_caller_that_is_transferred_has_called_once(pbx: Asterisk) -> None:
    """Its channel dials again for the transfer; the first number dialed stays its peer."""
    caller, called = call_inside(pbx, "101", "102")
    pbx.answer(caller, called)
    pbx.hang_up(called)
    target = pbx.begin("PJSIP/103", "s", state="0", parent=caller)
    pbx.dial(caller, target, exten="103")
    pbx.answer(caller, target)
    pbx.hang_up(target, caller)
    events = pbx.take_events()
    assert [words for words in events if words.startswith("101")] == [
        "101 dial-out 102",
        "101 answer-out 102",
        "101 hangup 102 16 answered",
    ]


@pytest.mark.parametrize("is_late", [False, True])
def test_a_pick_up_of_an_inner_call(pbx: Asterisk, *, is_late: bool) -> None:
    """The phone that picks up answers, and the caller's call too. The Pickup may come late."""
    caller, called = call_inside(pbx, "101", "102")
    picker = pbx.begin("PJSIP/103", "*8")
    picker.state, picker.connected = "6", "101"
    pbx.say("Newstate", **picker.fields())
    pbx.wait(1)
    if is_late:
        pbx.end_dial(caller, picker)
    pbx.say("Pickup", **picker.fields(), **called.fields("Target"))
    if not is_late:
        pbx.end_dial(caller, picker)
    caller.state = "6"
    pbx.wait(2)
    pbx.hang_up(called, cause=26)
    events = pbx.events
    pbx.hang_up(caller, picker)
    assert sorted(event.report.duration_seconds or 0 for event in events[-2:]) == [2, 2]
    assert len({event.report.call_id for event in events}) == 1
    assert sorted(pbx.take_events()) == [
        "101 answer-out 102",
        "101 dial-out 102",
        "101 hangup 102 16 answered",
        "102 dial-in 101",
        "102 hangup 101 26 unanswered",
        "103 answer-in 101",
        "103 hangup 101 16 answered",
    ]


def test_who_picked_up_and_is_transferred_has_called_nobody(pbx: Asterisk) -> None:
    """It picked up a call, so a number that its channel dials afterwards is a transfer's."""
    caller, called = call_inside(pbx, "101", "102")
    picker = pbx.begin("PJSIP/103", "*8")
    pbx.say("Pickup", **picker.fields(), **called.fields("Target"))
    pbx.take_events()
    target = pbx.begin("PJSIP/104", "s", state="0", parent=picker)
    pbx.dial(picker, target, exten="104")
    pbx.answer(picker, target)
    assert pbx.take_events() == ["104 dial-in 103", "104 answer-in 103"]
    assert caller.uid != picker.uid
