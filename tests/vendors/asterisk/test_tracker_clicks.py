"""Clicks to call on an Asterisk that no recording has."""

import pytest

from tests.vendors.asterisk.simulator import Asterisk


def test_a_click_rings_the_own_phone_first(pbx: Asterisk) -> None:
    """It is no incoming call: the phone is the caller's, which dials when answered.

    What its own channel was made for is not what it dialled.
    """
    own = pbx.begin("PJSIP/101", "101", state="0")
    pbx.dial(None, own)
    pbx.answer(None, own)
    assert pbx.take_events() == []
    own.exten = "102"
    called = pbx.begin("PJSIP/102", "s", state="0", parent=own)
    pbx.dial(own, called, exten="102")
    pbx.wait(3)
    pbx.answer(own, called)
    pbx.wait(5)
    events = pbx.events
    pbx.hang_up(called, own)
    assert pbx.take_events() == [
        "101 dial-out 102",
        "102 dial-in 101",
        "102 answer-in 101",
        "101 answer-out 102",
        "102 hangup 101 16 answered",
        "101 hangup 102 16 answered",
    ]
    assert events[-1].report.duration_seconds == 5


def test_a_click_with_an_application_names_whom_it_dials(pbx: Asterisk) -> None:
    """Where no number of the dialplan was dialled, the called party's number stands for it."""
    own = pbx.begin("PJSIP/101", "s", state="0")
    pbx.dial(None, own)
    pbx.answer(None, own)
    trunk = pbx.begin("PJSIP/trunk", "s", state="0", parent=own, number="0699999999")
    pbx.dial(own, trunk)
    assert pbx.take_events() == ["101 dial-out 0699999999"]


def test_a_click_that_nobody_takes_is_no_call(pbx: Asterisk) -> None:
    """No one was called, so there is no event, not even a hangup."""
    own = pbx.begin("PJSIP/101", "s", state="0")
    pbx.dial(None, own)
    pbx.end_dial(None, own, "NOANSWER")
    pbx.hang_up(own, cause=19)
    assert pbx.take_events() == []


@pytest.mark.parametrize("is_late", [False, True])
def test_a_click_through_a_local_channel(pbx: Asterisk, *, is_late: bool) -> None:
    """The caller's phone is rung by the inner half; the outer one dials for it.

    The outer half's DialBegin may come late.
    """
    outer, inner = pbx.begin_local("101")
    own = pbx.begin("PJSIP/101", "s", state="0", parent=outer)
    dials = [(None, outer), (inner, own)]
    for caller, called in reversed(dials) if is_late else dials:
        pbx.dial(caller, called)
    pbx.answer(inner, own)
    pbx.end_dial(None, outer)
    assert pbx.take_events() == []
    outer.number = "101"
    called = pbx.begin("PJSIP/102", "s", state="0", parent=outer)
    pbx.dial(outer, called, exten="102")
    pbx.answer(outer, called)
    pbx.hang_up(outer, inner, called, own)
    assert pbx.take_events() == [
        "101 dial-out 102",
        "102 dial-in 101",
        "102 answer-in 101",
        "101 answer-out 102",
        "102 hangup 101 16 answered",
        "101 hangup 102 16 answered",
    ]


def test_a_click_through_a_ring_group_calls_for_the_phone_that_answers(pbx: Asterisk) -> None:
    """Several phones of the caller ring; the answered one is the caller, others have no events."""
    outer, inner = pbx.begin_local("600")
    pbx.dial(None, outer)
    nested_outer, nested_inner = pbx.begin_local("101", parent=outer)
    pbx.dial(inner, nested_outer)
    lost = pbx.begin("PJSIP/103", "s", state="0", parent=outer)
    own = pbx.begin("PJSIP/101", "s", state="0", parent=outer)
    pbx.dial(inner, lost)
    pbx.dial(nested_inner, own)
    pbx.answer(nested_inner, own)
    called = pbx.begin("PJSIP/102", "s", state="0", parent=outer)
    pbx.dial(outer, called, exten="102")
    pbx.hang_up(lost, cause=26)
    assert pbx.take_events() == ["101 dial-out 102", "102 dial-in 101"]


@pytest.mark.parametrize("shown", ["102", "0800123456", "101"])
def test_the_caller_of_a_click_is_the_own_phone(pbx: Asterisk, shown: str) -> None:
    """Whatever caller ID the click has set, the called phone sees the extension that calls."""
    own = pbx.begin("PJSIP/101", "102", state="0", number=shown)
    pbx.dial(None, own)
    pbx.answer(None, own)
    called = pbx.begin("PJSIP/102", "s", state="0", parent=own)
    pbx.dial(own, called, exten="102")
    pbx.answer(own, called)
    pbx.hang_up(called, own)
    events = [event.report for event in pbx.events if event.report.extension == "102"]
    assert [(report.peer, report.caller_number) for report in events] == [("101", "101")] * 3
    assert {report.caller_name for report in events} == {"Phone 101" if shown == "101" else ""}


def test_a_new_party_of_a_clicked_call_is_the_newest(pbx: Asterisk) -> None:
    """After a transfer, the hangup has the new party, as in all calls."""
    own = pbx.begin("PJSIP/101", "102", state="0", number="102")
    pbx.dial(None, own)
    pbx.answer(None, own)
    called = pbx.begin("PJSIP/102", "s", state="0", parent=own)
    pbx.dial(own, called, exten="102")
    pbx.answer(own, called)
    pbx.connect(called, "0612345678")
    pbx.hang_up(called)
    assert pbx.take_events()[-1] == "102 hangup 0612345678 16 answered"
