"""Calls on an Asterisk that lead through several features at once, and that no recording has."""

import pytest

from callevents.vendors.asterisk import AsteriskTracker
from callevents.vendors.tracking.extension_set import ExtensionSet
from tests.vendors.asterisk.calls import call_from_outside, call_inside
from tests.vendors.asterisk.simulator import Asterisk, Channel


def test_an_attended_transfer_to_a_queue(pbx: Asterisk) -> None:
    """The transferred call waits in the second leg's place, and the queue rings on for it."""
    trunk, first = call_from_outside(pbx)
    second = pbx.begin("PJSIP/101", "700")
    agent = ring(pbx, second, "102")
    outer, inner = begin_transfer(pbx, first)
    pbx.hang_up(second, first)
    inner.number = "0612345678"
    pbx.end_dial(inner, agent, "NOANSWER")
    pbx.hang_up(agent, cause=0)
    again = ring(pbx, inner, "102")
    pbx.answer(inner, again)
    pbx.connect(again, "0612345678")
    pbx.hang_up(trunk, outer, inner, again)
    assert pbx.take_events() == [
        "101 dial-in 0612345678",
        "101 answer-in 0612345678",
        "101 dial-out 700",
        "102 dial-in 101",
        "101 hangup 700 16 unanswered",
        "101 hangup 0612345678 16 answered",
        "102 hangup 101 0 unanswered",
        "102 dial-in 0612345678",
        "102 answer-in 0612345678",
        "102 hangup 0612345678 16 answered",
    ]


@pytest.mark.parametrize("caller_name", ["PJSIP/101", "PJSIP/trunk"])
def test_a_pick_up_of_a_queues_call_behind_a_local_channel(pbx: Asterisk, caller_name: str) -> None:
    """Whoever picks it up answers it, and an extension that called the queue is answered once."""
    caller = pbx.begin(caller_name, "700", number="101" if "101" in caller_name else "0612345678")
    outer, inner = pbx.begin_local("102", parent=caller)
    inner.number = caller.number
    pbx.dial(caller, outer)
    agent = ring(pbx, inner, "102")
    picker = pbx.begin("PJSIP/103", "*8102")
    picker.state, picker.connected = "6", caller.number
    agent.connected = caller.number
    pbx.say("Pickup", **picker.fields(), **agent.fields("Target"))
    for one, other in ((inner, picker), (caller, outer), (caller, outer)):
        pbx.end_dial(one, other)
    caller.state = "6"
    pbx.hang_up(agent, cause=26)
    events = pbx.events
    pbx.hang_up(caller, outer, inner, picker)
    assert {event.report.call_id for event in events} == {caller.uid}
    events = pbx.take_events()
    own = [words for words in events if words.startswith("101")]
    assert own == (
        ["101 dial-out 700", "101 answer-out 700", "101 hangup 700 16 answered"]
        if "101" in caller_name
        else []
    )
    assert [words for words in events if words not in own] == [
        f"102 dial-in {caller.number}",
        f"103 answer-in {caller.number}",
        f"102 hangup {caller.number} 26 unanswered",
        f"103 hangup {caller.number} 16 answered",
    ]


def test_a_blind_transfer_to_a_ring_group(pbx: Asterisk) -> None:
    """Each phone of the group has the caller from outside; the transferer has ended before."""
    trunk, first = call_from_outside(pbx)
    pbx.hang_up(first)
    phones = [ring(pbx, trunk, number) for number in ("102", "103")]
    pbx.answer(trunk, phones[1])
    pbx.hang_up(phones[0], cause=26)
    pbx.hang_up(phones[1], trunk)
    assert pbx.take_events()[2:] == [
        "101 hangup 0612345678 16 answered",
        "102 dial-in 0612345678",
        "103 dial-in 0612345678",
        "103 answer-in 0612345678",
        "102 hangup 0612345678 26 unanswered",
        "103 hangup 0612345678 16 answered",
    ]


def test_busy_and_forwarded_to_outside(pbx: Asterisk) -> None:
    """The caller has called once, and is answered by whoever answers; its peer stays."""
    caller, called = call_inside(pbx, "101", "102")
    pbx.end_dial(caller, called, "BUSY")
    pbx.hang_up(called, cause=17)
    trunk = pbx.begin("PJSIP/trunk", "s", state="0", parent=caller, number="0699999999")
    pbx.dial(caller, trunk)
    pbx.answer(caller, trunk)
    pbx.hang_up(trunk, caller)
    assert pbx.take_events() == [
        "101 dial-out 102",
        "102 dial-in 101",
        "102 hangup 101 17 unanswered",
        "101 answer-out 102",
        "101 hangup 102 16 answered",
    ]


def test_a_parked_caller_that_comes_back(pbx: Asterisk) -> None:
    """The parked extension has one dial-out; the extension that parked it gets a dial-in."""
    caller, called = call_inside(pbx, "101", "102")
    pbx.answer(caller, called)
    pbx.say("ParkedCall", **caller.fields("Parkee"))
    pbx.hang_up(called)
    back = ring(pbx, caller, "102")
    pbx.answer(caller, back)
    pbx.hang_up(back, caller)
    assert pbx.take_events() == [
        "101 dial-out 102",
        "102 dial-in 101",
        "102 answer-in 101",
        "101 answer-out 102",
        "102 hangup 101 16 answered",
        "102 dial-in 101",
        "102 answer-in 101",
        "102 hangup 101 16 answered",
        "101 hangup 102 16 answered",
    ]


def test_a_called_phone_that_was_parked_calls_nobody(pbx: Asterisk) -> None:
    """After the timeout, its channel dials the extension that parked it: no dial-out."""
    caller, called = call_inside(pbx, "101", "102")
    pbx.answer(caller, called)
    pbx.say("ParkedCall", **called.fields("Parkee"))
    pbx.hang_up(caller)
    pbx.take_events()
    back = ring(pbx, called, "101")
    pbx.hang_up(back, cause=0)
    pbx.hang_up(called)
    assert pbx.take_events() == [
        "101 dial-in 102",
        "101 hangup 102 0 unanswered",
        "102 hangup 101 16 answered",
    ]


def test_a_page_is_no_call(pbx: Asterisk) -> None:
    """Paged phones are dialed for no caller, and the paging phone has no dial-out."""
    pager = pbx.begin("PJSIP/101", "*80")
    paged = [pbx.begin(f"PJSIP/{number}", "s", state="0", parent=pager) for number in (102, 103)]
    for phone in paged:
        pbx.dial(None, phone)
        pbx.answer(None, phone)
    pbx.hang_up(pager, *paged)
    assert pbx.take_events() == []


def test_an_outside_number_that_the_pbx_calls_first(pbx: Asterisk) -> None:
    """The phone then called for it has a dial-in, directly or through a Local channel."""
    trunk = pbx.begin("PJSIP/trunk", "s", state="0", number="0612345678")
    pbx.dial(None, trunk)
    pbx.answer(None, trunk)
    pbx.hang_up(ring(pbx, trunk, "101"), trunk, cause=19)
    outer, inner = pbx.begin_local("0612345678")
    other = pbx.begin("PJSIP/trunk", "s", state="0", parent=outer, number="0612345678")
    pbx.dial(None, outer)
    pbx.dial(inner, other)
    pbx.answer(inner, other)
    pbx.end_dial(None, outer)
    outer.number = "0612345678"
    pbx.hang_up(ring(pbx, outer, "101"), outer, inner, other, cause=19)
    assert (
        pbx.take_events() == ["101 dial-in 0612345678", "101 hangup 0612345678 19 unanswered"] * 2
    )


def test_a_caller_without_a_number(pbx: Asterisk) -> None:
    """A hidden number is in none of the events."""
    trunk = pbx.begin("PJSIP/trunk", "5551001")
    phone = ring(pbx, trunk, "101")
    pbx.answer(trunk, phone)
    pbx.hang_up(trunk, phone)
    assert pbx.take_events() == ["101 dial-in ", "101 answer-in ", "101 hangup  16 answered"]


def test_a_phone_that_calls_itself() -> None:
    """Both of its legs get events, each in its role."""
    pbx = Asterisk(AsteriskTracker(ExtensionSet(["101"])))
    caller, called = call_inside(pbx, "101", "101")
    pbx.answer(caller, called)
    pbx.hang_up(called, caller)
    assert pbx.take_events() == [
        "101 dial-out 101",
        "101 dial-in 101",
        "101 answer-in 101",
        "101 answer-out 101",
        "101 hangup 101 16 answered",
        "101 hangup 101 16 answered",
    ]


def ring(pbx: Asterisk, caller: Channel, number: str) -> Channel:
    """Have a phone called for a channel."""
    phone = pbx.begin(f"PJSIP/{number}", "s", state="0", parent=caller)
    pbx.dial(caller, phone, exten=number)
    return phone


def begin_transfer(pbx: Asterisk, leg: Channel) -> tuple[Channel, Channel]:
    """Create the Local channel with which Asterisk replaces a call by another."""
    return pbx.begin_local("_attended", parent=leg)


def test_follow_me_of_freepbx(pbx: Asterisk) -> None:
    """One Local channel for the own phone and one for the list, with an outside number in it.

    As FreePBX's dialparties.agi dials them: FMPR-102, FMGL-103-0699000000#, and, for each number
    with a #, another Local channel in from-internal.
    """
    caller = pbx.begin("SIP/101", "102")
    own, own_runs = pbx.begin_local("FMPR-102", parent=caller)
    group, group_runs = pbx.begin_local("FMGL-103-0699000000#", parent=caller)
    for channel in (own_runs, group_runs):
        channel.number = "101"
    pbx.dial(caller, own)
    pbx.dial(caller, group)
    first = pbx.begin("SIP/102", "s", state="0", parent=caller)
    pbx.dial(own_runs, first)
    second = pbx.begin("SIP/103", "s", state="0", parent=caller)
    outside, outside_runs = pbx.begin_local("0699000000", parent=caller)
    outside_runs.number = "101"
    pbx.dial(group_runs, second)
    pbx.dial(group_runs, outside)
    trunk = pbx.begin("SIP/trunk", "s", state="0", parent=caller)
    pbx.dial(outside_runs, trunk)
    pbx.answer(outside_runs, trunk)
    pbx.answer(group_runs, outside)
    pbx.answer(caller, group)
    pbx.hang_up(first, second, cause=26)
    pbx.hang_up(trunk, outside, outside_runs, group, group_runs, own, own_runs, caller)
    assert pbx.take_events() == [
        "101 dial-out 102",
        "102 dial-in 101",
        "103 dial-in 101",
        "101 answer-out 102",
        "102 hangup 101 26 unanswered",
        "103 hangup 101 26 unanswered",
        "101 hangup 102 16 answered",
    ]


def test_a_ring_group_of_freepbx_with_an_outside_number(pbx: Asterisk) -> None:
    """`101-0699000000#` is dialed as SIP/101 and Local/0699000000@from-internal/n."""
    trunk = pbx.begin("SIP/provider", "5551600", number="0612345678")
    phone = pbx.begin("SIP/101", "s", state="0", parent=trunk)
    outside, runs = pbx.begin_local("0699000000", parent=trunk)
    runs.number = "0612345678"
    pbx.dial(trunk, phone)
    pbx.dial(trunk, outside)
    mobile = pbx.begin("SIP/provider", "s", state="0", parent=trunk)
    pbx.dial(runs, mobile)
    pbx.answer(trunk, phone)
    pbx.end_dial(runs, mobile, "CANCEL")
    pbx.hang_up(mobile, outside, runs, cause=26)
    pbx.hang_up(phone, trunk)
    assert pbx.take_events() == [
        "101 dial-in 0612345678",
        "101 answer-in 0612345678",
        "101 hangup 0612345678 16 answered",
    ]
