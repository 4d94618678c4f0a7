"""Calls on a FreeSWITCH that no recording has: clicks, pick-ups, transfers, queues, parking."""

import pytest

from callevents.vendors.freeswitch import FreeswitchTracker
from callevents.vendors.tracking.extension_set import ExtensionSet
from tests.vendors.freeswitch.simulator import Channel, Freeswitch


@pytest.fixture
def pbx() -> Freeswitch:
    """A FreeSWITCH with the extensions 101 to 109."""
    return Freeswitch()


def test_a_click_rings_the_own_phone_first(pbx: Freeswitch) -> None:
    """It is no incoming call: the phone is the caller's, which dials when answered."""
    own = pbx.call("101")
    pbx.answer(own)
    assert pbx.take_events() == []
    own.dialled = "102"
    called = pbx.call("102", own, number="101")
    pbx.answer(called)
    pbx.bridge(own, called)
    pbx.hang_up(called, own)
    assert pbx.take_events() == [
        "102 dial-in 101",
        "101 dial-out 102",
        "102 answer-in 101",
        "101 answer-out 102",
        "102 hangup 101 16 answered",
        "101 hangup 102 16 answered",
    ]


def test_a_click_with_a_bridge_names_whom_it_calls(pbx: Freeswitch) -> None:
    """If the caller's channel has no destination number, that of the called channel is used."""
    own = pbx.call("101")
    pbx.answer(own)
    pbx.call_trunk("0699999999", own)
    assert pbx.take_events() == ["101 dial-out 0699999999"]


def test_a_click_that_nobody_takes_is_no_call(pbx: Freeswitch) -> None:
    """No one was called, so there is no event, not even a hangup."""
    pbx.hang_up(pbx.call("101"), cause="NO_ANSWER", q850="19")
    assert pbx.take_events() == []


@pytest.mark.parametrize("is_lost_first", [False, True])
@pytest.mark.parametrize("is_picker_first", [False, True])
def test_a_pick_up(pbx: Freeswitch, *, is_lost_first: bool, is_picker_first: bool) -> None:
    """Only the bridge of two calling phones shows it, before or after the loser's hangup."""
    caller = pbx.phone_calls("101", "102")
    called = pbx.call("102", caller)
    picker = pbx.phone_calls("103", "**102")
    pbx.answer(picker)
    if is_lost_first:
        pbx.hang_up(called, cause="PICKED_OFF")
    pair = (picker, caller) if is_picker_first else (caller, picker)
    pbx.bridge(*pair)
    if not is_lost_first:
        pbx.hang_up(called, cause="PICKED_OFF")
    caller.is_answered = True
    events = pbx.events
    pbx.hang_up(caller, picker)
    assert len({event.report.call_id for event in events}) == 1
    assert sorted(pbx.take_events()) == [
        "101 answer-out 102",
        "101 dial-out 102",
        "101 hangup 102 16 answered",
        "102 dial-in 101",
        "102 hangup 101 16 unanswered",
        "103 answer-in 101",
        "103 hangup 101 16 answered",
    ]


def test_a_pick_up_of_a_call_from_outside_behind_a_loopback(pbx: Freeswitch) -> None:
    """The peer is the outside caller, and the public number is set."""
    trunk = pbx.trunk_calls()
    inner = pbx.call_loopback("102", trunk)
    called = pbx.call("102", inner)
    picker = pbx.phone_calls("103", "**102")
    pbx.bridge(inner, picker)
    pbx.hang_up(called, cause="PICKED_OFF")
    assert pbx.events[1].report.called_did == "5551001"
    assert pbx.take_events() == [
        "102 dial-in 0612345678",
        "103 answer-in 0612345678",
        "102 hangup 0612345678 16 unanswered",
    ]


def test_fetching_a_parked_call_is_no_pick_up(pbx: Freeswitch) -> None:
    """No phone rings any more, so retrieving the call is neither a dial-out nor an answer."""
    trunk = pbx.trunk_calls()
    first = pbx.call("101", trunk)
    pbx.answer(first, trunk)
    pbx.bridge(trunk, first)
    pbx.hang_up(first)
    fetcher = pbx.phone_calls("103", "6001")
    pbx.answer(fetcher)
    pbx.bridge(trunk, fetcher)
    pbx.hang_up(trunk, fetcher)
    assert pbx.take_events() == [
        "101 dial-in 0612345678",
        "101 answer-in 0612345678",
        "101 hangup 0612345678 16 answered",
    ]


def test_fetching_a_call_that_was_picked_up_before_is_no_pick_up(pbx: Freeswitch) -> None:
    """The pick-up is over; the loser's late hangup does not cause a second one."""
    trunk = pbx.trunk_calls()
    called = pbx.call("101", trunk)
    picker = pbx.phone_calls("102", "**101")
    pbx.bridge(trunk, picker)
    pbx.hang_up(called, cause="PICKED_OFF")
    pbx.hang_up(picker)
    fetcher = pbx.phone_calls("103", "6001")
    pbx.bridge(trunk, fetcher)
    pbx.hang_up(trunk, fetcher)
    assert not [words for words in pbx.take_events() if words.startswith("103")]


def test_an_attended_transfer_by_the_phone(pbx: Freeswitch) -> None:
    """The consultation is an ordinary call; the transfer itself gives only the hangups."""
    trunk = pbx.trunk_calls()
    first = pbx.call("101", trunk)
    pbx.answer(first, trunk)
    second = pbx.phone_calls("101", "102")
    target = pbx.call("102", second)
    pbx.answer(target, second)
    pbx.bridge(second, target)
    pbx.take_events()
    pbx.bridge(trunk, target)
    pbx.hang_up(second, first)
    pbx.hang_up(trunk, target)
    assert pbx.take_events() == [
        "101 hangup 102 16 answered",
        "101 hangup 0612345678 16 answered",
        "102 hangup 101 16 answered",
    ]


def test_an_attended_transfer_by_a_feature_code(pbx: Freeswitch) -> None:
    """The transferer's leg was called, so a leg called for it is no dial-out."""
    trunk = pbx.trunk_calls()
    first = pbx.call("101", trunk)
    pbx.answer(first, trunk)
    target = pbx.call("102", first, number="101")
    pbx.answer(target)
    pbx.hang_up(first, target)
    assert pbx.take_events() == [
        "101 dial-in 0612345678",
        "101 answer-in 0612345678",
        "102 dial-in 101",
        "102 answer-in 101",
        "101 hangup 0612345678 16 answered",
        "102 hangup 101 16 answered",
    ]


def test_an_inner_call_through_a_loopback(pbx: Freeswitch) -> None:
    """The caller has called once, and is answered once, however many channels lie between."""
    caller = pbx.phone_calls("101", "106")
    inner = pbx.call_loopback("102", caller)
    called = pbx.call("102", inner)
    outer = Channel(inner.more["variable_other_loopback_leg_uuid"], "loopback/102-a", "", "", "")
    pbx.answer(called, outer, inner, caller)
    events = pbx.events
    pbx.hang_up(outer, inner, called, caller)
    assert len({event.report.call_id for event in events}) == 1
    assert pbx.take_events() == [
        "101 dial-out 106",
        "102 dial-in 101",
        "102 answer-in 101",
        "101 answer-out 106",
        "102 hangup 101 16 answered",
        "101 hangup 106 16 answered",
    ]


def test_a_queue_of_the_call_centre(pbx: Freeswitch) -> None:
    """An agent's leg names the caller only in variables, until it is answered."""
    caller = pbx.phone_calls("101", "700")
    pbx.answer(caller)
    more = {"variable_cc_side": "agent", "variable_cc_member_session_uuid": caller.uid}
    for _ in range(2):
        agent = pbx.call("102", number="101", **more)
        pbx.hang_up(agent, cause="NO_ANSWER", q850="19")
    agent = pbx.call("102", number="101", **more)
    pbx.answer(agent)
    pbx.bridge(agent, caller)
    pbx.hang_up(caller, agent)
    assert pbx.take_events() == [
        "102 dial-in 101",
        "101 dial-out 700",
        "102 hangup 101 19 unanswered",
        "102 dial-in 101",
        "102 hangup 101 19 unanswered",
        "102 dial-in 101",
        "102 answer-in 101",
        "101 answer-out 700",
        "101 hangup 700 16 answered",
        "102 hangup 101 16 answered",
    ]


def test_voicemail_and_conferences_are_nobody(pbx: Freeswitch) -> None:
    """A phone that is connected to the PBX itself has no dial-out."""
    caller = pbx.phone_calls("101", "*98")
    pbx.answer(caller)
    pbx.hang_up(caller)
    assert pbx.take_events() == []


def test_an_extension_may_be_meant_with_its_domain() -> None:
    """If tenants have the same numbers, the domain distinguishes them."""
    pbx = Freeswitch(FreeswitchTracker(ExtensionSet(["101@pbx.local"])))
    caller = pbx.phone_calls("101", "102")
    caller.presence = "101@other.local"
    other = Channel(pbx.next_id(), caller.name, "inbound", "101", "102", "101@other.local")
    pbx.begin(other)
    for channel in (caller, other):
        pbx.call("102", channel)
    assert pbx.take_events() == ["101@pbx.local dial-out 102"]


@pytest.mark.parametrize(
    ("cause", "q850", "status"),
    [
        ("NO_ANSWER", "19", "NOANSWER"),
        ("NO_USER_RESPONSE", "18", "NOANSWER"),
        ("CALL_REJECTED", "21", "NOANSWER"),
        ("REDIRECTION_TO_NEW_DESTINATION", "23", "NOANSWER"),
        ("USER_BUSY", "17", "BUSY"),
        ("ORIGINATOR_CANCEL", "16", "CANCEL"),
        ("LOSE_RACE", "16", "CANCEL"),
        ("PICKED_OFF", "16", "CANCEL"),
        ("NORMAL_CIRCUIT_CONGESTION", "34", "CONGESTION"),
        ("NO_ROUTE_DESTINATION", "3", "CHANUNAVAIL"),
        ("USER_NOT_REGISTERED", "20", "CHANUNAVAIL"),
        ("NORMAL_TEMPORARY_FAILURE", "41", "CONGESTION"),
        ("DECLINE", "16", "NOANSWER"),
        ("INTERWORKING", "127", "NOANSWER"),
        ("MANDATORY_IE_MISSING", "96", "NOANSWER"),
    ],
)
def test_the_status_of_an_unanswered_call(
    pbx: Freeswitch, cause: str, q850: str, status: str
) -> None:
    """VoipNow's CallStatus, from the name of the cause or its number."""
    trunk = pbx.trunk_calls()
    pbx.hang_up(pbx.call("101", trunk), cause=cause, q850=q850)
    report = pbx.events[-1].report
    assert (report.status, report.cause) == (status, int(q850))
