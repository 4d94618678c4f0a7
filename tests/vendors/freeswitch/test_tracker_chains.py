"""Calls on a FreeSWITCH that lead through several features at once, and that no recording has."""

import pytest

from tests.vendors.freeswitch.simulator import Channel, Freeswitch


@pytest.fixture
def pbx() -> Freeswitch:
    """A FreeSWITCH with the extensions 101 to 109."""
    return Freeswitch()


def talk(pbx: Freeswitch, extension: str) -> tuple[Channel, Channel]:
    """Connect an outside caller to an extension; discard the events."""
    trunk = pbx.trunk_calls()
    phone = pbx.call(extension, trunk)
    pbx.answer(phone, trunk)
    pbx.bridge(trunk, phone)
    pbx.take_events()
    return trunk, phone


def test_an_attended_transfer_before_the_target_answers(pbx: Freeswitch) -> None:
    """The consultation ends unanswered, and the target answers all the same."""
    trunk, first = talk(pbx, "101")
    second = pbx.phone_calls("101", "102")
    target = pbx.call("102", second)
    pbx.hang_up(second, first, cause="ATTENDED_TRANSFER", q850="31")
    pbx.answer(target)
    pbx.bridge(trunk, target)
    pbx.hang_up(trunk, target)
    assert pbx.take_events() == [
        "102 dial-in 101",
        "101 dial-out 102",
        "101 hangup 102 31 unanswered",
        "101 hangup 0612345678 31 answered",
        "102 answer-in 101",
        "102 hangup 101 16 answered",
    ]


def test_a_blind_transfer_to_a_ring_group(pbx: Freeswitch) -> None:
    """Each phone of the group has the caller from outside; the transferer has ended before."""
    trunk, first = talk(pbx, "101")
    pbx.hang_up(first, cause="BLIND_TRANSFER")
    lost, taken = pbx.call("102", trunk), pbx.call("103", trunk)
    pbx.answer(taken)
    pbx.bridge(trunk, taken)
    pbx.hang_up(lost, cause="LOSE_RACE")
    pbx.hang_up(trunk, taken)
    assert pbx.take_events() == [
        "101 hangup 0612345678 16 answered",
        "102 dial-in 0612345678",
        "103 dial-in 0612345678",
        "103 answer-in 0612345678",
        "102 hangup 0612345678 16 unanswered",
        "103 hangup 0612345678 16 answered",
    ]


def test_busy_and_forwarded_to_outside(pbx: Freeswitch) -> None:
    """The caller has called once, and is answered by whoever answers; its peer stays."""
    caller = pbx.phone_calls("101", "102")
    pbx.hang_up(pbx.call("102", caller), cause="USER_BUSY", q850="17")
    trunk = pbx.call_trunk("0699999999", caller)
    pbx.answer(trunk, caller)
    pbx.bridge(caller, trunk)
    pbx.hang_up(trunk, caller)
    assert pbx.take_events() == [
        "102 dial-in 101",
        "101 dial-out 102",
        "102 hangup 101 17 unanswered",
        "101 answer-out 102",
        "101 hangup 102 16 answered",
    ]


def test_voicemail_after_no_answer(pbx: Freeswitch) -> None:
    """The caller's channel was answered by voicemail, so its call was not answered."""
    caller = pbx.phone_calls("101", "103")
    pbx.hang_up(pbx.call("103", caller), cause="NO_ANSWER", q850="19")
    pbx.answer(caller)
    pbx.hang_up(caller)
    assert pbx.take_events() == [
        "103 dial-in 101",
        "101 dial-out 103",
        "103 hangup 101 19 unanswered",
        "101 hangup 103 16 answered",
    ]


def test_a_parked_caller_that_comes_back(pbx: Freeswitch) -> None:
    """The parked extension has one dial-out; the extension that parked it gets a dial-in."""
    caller = pbx.phone_calls("101", "102")
    called = pbx.call("102", caller)
    pbx.answer(called, caller)
    pbx.bridge(caller, called)
    pbx.hang_up(called)
    pbx.take_events()
    back = pbx.call("102", caller)
    pbx.answer(back)
    pbx.bridge(caller, back)
    pbx.hang_up(caller, back)
    assert pbx.take_events() == [
        "102 dial-in 101",
        "102 answer-in 101",
        "101 hangup 102 16 answered",
        "102 hangup 101 16 answered",
    ]


def test_an_outside_number_that_the_pbx_calls_first(pbx: Freeswitch) -> None:
    """The phone then called for it has a dial-in."""
    name = "sofia/external/0612345678"
    trunk = pbx.begin(Channel(pbx.next_id(), name, "outbound", "0612345678", "0612345678"))
    pbx.answer(trunk)
    phone = pbx.call("101", trunk)
    pbx.hang_up(trunk, cause="NORMAL_CLEARING")
    pbx.hang_up(phone, cause="ORIGINATOR_CANCEL")
    assert pbx.take_events() == ["101 dial-in 0612345678", "101 hangup 0612345678 16 unanswered"]


def test_two_calls_that_an_operator_connects(pbx: Freeswitch) -> None:
    """Bridged manually while no phone rings: no phone has picked up a call."""
    trunk, first = talk(pbx, "101")
    waiting = pbx.phone_calls("103", "9000")
    pbx.answer(waiting)
    pbx.bridge(trunk, waiting)
    pbx.hang_up(first)
    pbx.hang_up(trunk, waiting)
    assert pbx.take_events() == ["101 hangup 0612345678 16 answered"]


def test_two_phones_of_one_extension_in_a_browser_and_on_a_desk(pbx: Freeswitch) -> None:
    """Each is a separate leg, whatever its channel's name; the unanswered one loses."""
    trunk = pbx.trunk_calls()
    desk, browser = pbx.call("101", trunk), pbx.call("101", trunk)
    browser.name = "verto.rtc/101"
    pbx.answer(browser)
    pbx.bridge(trunk, browser)
    pbx.hang_up(desk, cause="LOSE_RACE")
    pbx.hang_up(browser, trunk)
    assert pbx.take_events() == [
        "101 dial-in 0612345678",
        "101 dial-in 0612345678",
        "101 answer-in 0612345678",
        "101 hangup 0612345678 16 unanswered",
        "101 hangup 0612345678 16 answered",
    ]
