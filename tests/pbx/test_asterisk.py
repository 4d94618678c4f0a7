"""Calls on an Asterisk that no recording has: transfers, clicks, pick-ups, queues, parking."""

import pytest

from callevents.pbx.asterisk import AsteriskTracker
from callevents.pbx.extensions import ExtensionSet
from tests.pbx.ami import Asterisk, Channel


@pytest.fixture
def pbx() -> Asterisk:
    """An Asterisk with the extensions 101 to 109."""
    return Asterisk()


def call_from_outside(pbx: Asterisk, extension: str = "101") -> tuple[Channel, Channel]:
    """Have somebody outside call an extension, which answers."""
    trunk = pbx.begin("PJSIP/trunk", "5551001", number="0612345678")
    phone = pbx.begin(f"PJSIP/{extension}", "s", state="0", parent=trunk)
    pbx.dial(trunk, phone, exten=extension)
    pbx.answer(trunk, phone)
    return trunk, phone


def call_inside(pbx: Asterisk, caller: str, called: str) -> tuple[Channel, Channel]:
    """Have an extension call another, which rings."""
    one = pbx.begin(f"PJSIP/{caller}", called)
    other = pbx.begin(f"PJSIP/{called}", "s", state="0", parent=one)
    pbx.dial(one, other)
    return one, other


def test_an_attended_transfer_by_the_phone(pbx: Asterisk) -> None:
    """The consultation is an ordinary call; afterwards the target talks to the first caller."""
    trunk, first = call_from_outside(pbx)
    second, target = call_inside(pbx, "101", "102")
    pbx.answer(second, target)
    assert pbx.told() == [
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
    assert pbx.told() == [
        "101 hangup 102 16 answered",
        "101 hangup 0612345678 16 answered",
        "102 hangup 0612345678 16 answered",
    ]


def test_an_attended_transfer_before_the_target_answers(pbx: Asterisk) -> None:
    """The transferer's second call ends unanswered; the target answers the first caller."""
    trunk, first = call_from_outside(pbx)
    second, target = call_inside(pbx, "101", "102")
    pbx.told()
    pbx.hang_up(second, first)
    pbx.connect(target, "0612345678")
    pbx.answer(trunk, target)
    pbx.hang_up(target)
    assert pbx.told() == [
        "101 hangup 102 16 unanswered",
        "101 hangup 0612345678 16 answered",
        "102 answer-in 101",
        "102 hangup 0612345678 16 answered",
    ]


@pytest.mark.parametrize("is_told", [False, True])
def test_an_attended_transfer_by_a_feature_code(pbx: Asterisk, *, is_told: bool) -> None:
    """The PBX calls the target through a Local channel, so the transferer has dialled nothing.

    It is no click either, whether or not a DialBegin of the Local channel is told.
    """
    trunk, first = call_from_outside(pbx)
    pbx.told()
    outer, inner = pbx.begin_local("102", parent=first)
    inner.number = "101"
    if is_told:
        pbx.dial(None, outer)
    target = pbx.begin("PJSIP/102", "s", state="0", parent=trunk)
    pbx.dial(inner, target)
    pbx.answer(inner, target)
    pbx.connect(target, "0612345678")
    pbx.hang_up(first, inner, outer, target, trunk)
    assert pbx.told() == [
        "102 dial-in 101",
        "102 answer-in 101",
        "101 hangup 0612345678 16 answered",
        "102 hangup 0612345678 16 answered",
    ]


def test_a_called_phone_that_is_transferred_dials_nothing(pbx: Asterisk) -> None:
    """Its leg was called, so what its channel dials for the transfer is no call of its own."""
    caller, called = call_inside(pbx, "101", "102")
    pbx.answer(caller, called)
    pbx.hang_up(caller)
    pbx.told()
    target = pbx.begin("PJSIP/103", "s", state="0", parent=called)
    pbx.dial(called, target, exten="103")
    pbx.end_dial(called, target, "BUSY")
    pbx.hang_up(target, cause=17)
    pbx.hang_up(called, cause=17)
    assert pbx.told() == [
        "103 dial-in 102",
        "103 hangup 102 17 unanswered",
        "102 hangup 101 17 answered",
    ]


def test_a_caller_that_is_transferred_has_called_once(pbx: Asterisk) -> None:
    """Its channel dials again for the transfer; what it dialled itself stays its peer."""
    caller, called = call_inside(pbx, "101", "102")
    pbx.answer(caller, called)
    pbx.hang_up(called)
    target = pbx.begin("PJSIP/103", "s", state="0", parent=caller)
    pbx.dial(caller, target, exten="103")
    pbx.answer(caller, target)
    pbx.hang_up(target, caller)
    told = pbx.told()
    assert [words for words in told if words.startswith("101")] == [
        "101 dial-out 102",
        "101 answer-out 102",
        "101 hangup 102 16 answered",
    ]


def test_a_click_rings_the_own_phone_first(pbx: Asterisk) -> None:
    """It is no incoming call: the phone is the caller's, who calls when it is answered.

    What its own channel was made for is not what it dialled.
    """
    own = pbx.begin("PJSIP/101", "101", state="0")
    pbx.dial(None, own)
    pbx.answer(None, own)
    assert pbx.told() == []
    own.exten = "102"
    called = pbx.begin("PJSIP/102", "s", state="0", parent=own)
    pbx.dial(own, called, exten="102")
    pbx.wait(3)
    pbx.answer(own, called)
    pbx.wait(5)
    events = pbx.events
    pbx.hang_up(called, own)
    assert pbx.told() == [
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
    assert pbx.told() == ["101 dial-out 0699999999"]


def test_a_click_that_nobody_takes_is_no_call(pbx: Asterisk) -> None:
    """Nobody was called, so there is nothing to tell, not even a hangup."""
    own = pbx.begin("PJSIP/101", "s", state="0")
    pbx.dial(None, own)
    pbx.end_dial(None, own, "NOANSWER")
    pbx.hang_up(own, cause=19)
    assert pbx.told() == []


@pytest.mark.parametrize("is_late", [False, True])
def test_a_click_through_a_local_channel(pbx: Asterisk, *, is_late: bool) -> None:
    """The own phone is rung by the inner half; the outer one calls for it.

    The outer half's DialBegin may come late.
    """
    outer, inner = pbx.begin_local("101")
    own = pbx.begin("PJSIP/101", "s", state="0", parent=outer)
    dials = [(None, outer), (inner, own)]
    for caller, called in reversed(dials) if is_late else dials:
        pbx.dial(caller, called)
    pbx.answer(inner, own)
    pbx.end_dial(None, outer)
    assert pbx.told() == []
    outer.number = "101"
    called = pbx.begin("PJSIP/102", "s", state="0", parent=outer)
    pbx.dial(outer, called, exten="102")
    pbx.answer(outer, called)
    pbx.hang_up(outer, inner, called, own)
    assert pbx.told() == [
        "101 dial-out 102",
        "102 dial-in 101",
        "102 answer-in 101",
        "101 answer-out 102",
        "102 hangup 101 16 answered",
        "101 hangup 102 16 answered",
    ]


def test_a_click_through_a_ring_group_calls_for_the_phone_that_answers(pbx: Asterisk) -> None:
    """Several own phones ring; the one that is taken is the caller, and the others are nobody."""
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
    assert pbx.told() == ["101 dial-out 102", "102 dial-in 101"]


@pytest.mark.parametrize("is_late", [False, True])
def test_a_pick_up_of_an_inner_call(pbx: Asterisk, *, is_late: bool) -> None:
    """Who picks up answers, and the caller's call is answered. The Pickup may come late."""
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
    assert sorted(pbx.told()) == [
        "101 answer-out 102",
        "101 dial-out 102",
        "101 hangup 102 16 answered",
        "102 dial-in 101",
        "102 hangup 101 26 unanswered",
        "103 answer-in 101",
        "103 hangup 101 16 answered",
    ]


def test_who_picked_up_and_is_transferred_has_called_nobody(pbx: Asterisk) -> None:
    """It took a call, so what its channel dials afterwards is a transfer's."""
    caller, called = call_inside(pbx, "101", "102")
    picker = pbx.begin("PJSIP/103", "*8")
    pbx.say("Pickup", **picker.fields(), **called.fields("Target"))
    pbx.told()
    target = pbx.begin("PJSIP/104", "s", state="0", parent=picker)
    pbx.dial(picker, target, exten="104")
    pbx.answer(picker, target)
    assert pbx.told() == ["104 dial-in 103", "104 answer-in 103"]
    assert caller.uid != picker.uid


def test_a_call_that_ends_while_it_is_answered(pbx: Asterisk) -> None:
    """Whether a leg was answered is what its channel says at the end."""
    caller, called = call_inside(pbx, "101", "102")
    called.state = "6"
    pbx.end_dial(caller, called)
    pbx.hang_up(called, caller)
    assert pbx.told()[-2:] == ["102 hangup 101 16 answered", "101 hangup 102 16 unanswered"]


def test_a_queue_rings_again_each_round(pbx: Asterisk) -> None:
    """Each round is a dial-in and a hangup; the caller has called once."""
    caller = pbx.begin("PJSIP/101", "700")
    for _ in range(3):
        agent = pbx.begin("PJSIP/102", "s", state="0", parent=caller)
        pbx.dial(caller, agent)
        pbx.end_dial(caller, agent, "NOANSWER")
        pbx.end_dial(caller, agent, "NOANSWER")
        pbx.hang_up(agent, cause=0)
    pbx.hang_up(caller, cause=127)
    assert pbx.told() == [
        "101 dial-out 700",
        *["102 dial-in 101", "102 hangup 101 0 unanswered"] * 3,
        "101 hangup 700 127 unanswered",
    ]


def test_a_parked_call_comes_back(pbx: Asterisk) -> None:
    """Whoever fetches a parked call has called nobody; a parked call that returns is a new one."""
    trunk, first = call_from_outside(pbx)
    pbx.hang_up(first)
    fetcher = pbx.begin("PJSIP/103", "701")
    fetcher.state = "6"
    pbx.say("Newstate", **fetcher.fields())
    pbx.say("UnParkedCall", **trunk.fields("Parkee"), **fetcher.fields("Retriever"))
    pbx.hang_up(fetcher)
    back = pbx.begin("PJSIP/101", "s", state="0", parent=trunk)
    pbx.dial(trunk, back)
    pbx.hang_up(back, cause=0)
    assert pbx.told() == [
        "101 dial-in 0612345678",
        "101 answer-in 0612345678",
        "101 hangup 0612345678 16 answered",
        "101 dial-in 0612345678",
        "101 hangup 0612345678 0 unanswered",
    ]


def test_two_phones_of_one_extension(pbx: Asterisk) -> None:
    """Each phone is a leg of its own; the one that is not taken loses."""
    trunk = pbx.begin("PJSIP/trunk", "5551001", number="0612345678")
    phones = [pbx.begin("PJSIP/101", "s", state="0", parent=trunk) for _ in range(2)]
    for phone in phones:
        pbx.dial(trunk, phone)
    pbx.answer(trunk, phones[0])
    pbx.hang_up(phones[1], cause=26)
    pbx.hang_up(phones[0])
    assert pbx.told() == [
        "101 dial-in 0612345678",
        "101 dial-in 0612345678",
        "101 answer-in 0612345678",
        "101 hangup 0612345678 26 unanswered",
        "101 hangup 0612345678 16 answered",
    ]


def test_a_chain_of_forwards_that_nobody_answers(pbx: Asterisk) -> None:
    """Each phone on the way rang and hung up; the caller's peer is what it dialled."""
    caller, first = call_inside(pbx, "101", "104")
    pbx.say(
        "DialEnd", **caller.fields(), **first.fields("Dest"), DialStatus="CANCEL", Forward="102"
    )
    outer, inner = pbx.begin_local("102", parent=caller)
    inner.number = "101"
    pbx.dial(caller, outer)
    pbx.hang_up(first, cause=0)
    second = pbx.begin("PJSIP/102", "s", state="0", parent=caller)
    pbx.dial(inner, second)
    pbx.end_dial(inner, second, "NOANSWER")
    pbx.end_dial(caller, outer, "NOANSWER")
    pbx.hang_up(second, cause=0)
    pbx.hang_up(outer, inner, caller)
    assert pbx.told() == [
        "101 dial-out 104",
        "104 dial-in 101",
        "104 hangup 101 0 unanswered",
        "102 dial-in 101",
        "102 hangup 101 0 unanswered",
        "101 hangup 104 16 unanswered",
    ]


def test_a_redirected_phone_keeps_its_leg(pbx: Asterisk) -> None:
    """The PBX moves a called phone through a channel of its own name; that one is no phone."""
    _, phone = call_from_outside(pbx)
    moved = Channel(f"AsyncGoto/{phone.name}", "1800000000.99", phone.linked, "6", "101", "103")
    pbx.say("Newchannel", **moved.fields())
    moved.name = f"{phone.name}<ZOMBIE>"
    pbx.hang_up(moved)
    pbx.told()
    target = pbx.begin("PJSIP/103", "s", state="0", parent=phone)
    pbx.dial(phone, target, exten="103")
    pbx.hang_up(target, phone)
    assert pbx.told() == [
        "103 dial-in 101",
        "103 hangup 101 16 unanswered",
        "101 hangup 0612345678 16 answered",
    ]


def test_a_second_call_while_talking(pbx: Asterisk) -> None:
    """Call waiting: both calls of the phone are told, each with its own leg."""
    call_from_outside(pbx)
    caller, waiting = call_inside(pbx, "103", "101")
    pbx.hang_up(caller, cause=127)
    pbx.hang_up(waiting, cause=127)
    assert pbx.told() == [
        "101 dial-in 0612345678",
        "101 answer-in 0612345678",
        "103 dial-out 101",
        "101 dial-in 103",
        "103 hangup 101 127 unanswered",
        "101 hangup 103 127 unanswered",
    ]


@pytest.mark.parametrize("state", ["0", "3"])
def test_a_phone_may_begin_in_another_state(pbx: Asterisk, state: str) -> None:
    """Drivers differ: who dials and was never dialled, in a call of its own, has called."""
    caller = pbx.begin("SCCP/101", "102", state=state)
    called = pbx.begin("PJSIP/102", "s", state="0", parent=caller)
    pbx.dial(caller, called)
    assert pbx.told() == ["101 dial-out 102", "102 dial-in 101"]


def test_what_was_dialled_may_have_no_number() -> None:
    """A phone that goes off the hook into the dialplan's `s` dials whom the PBX dials for it."""
    pbx = Asterisk()
    caller = pbx.begin("PJSIP/101", "s")
    called = pbx.begin("PJSIP/102", "s", state="0", parent=caller)
    pbx.dial(caller, called)
    assert pbx.told() == ["101 dial-out 102", "102 dial-in 101"]


@pytest.mark.parametrize(
    ("name", "is_phone"),
    [
        ("PJSIP/101-0000001a", True),
        ("SIP/101-0000001a", True),
        ("SCCP/101-0000001a", True),
        ("IAX2/101-4711", True),
        ("PJSIP/0003*210-0000001a", True),
        ("PJSIP/desk-101-0000001a", True),
        ("PJSIP/101", False),
        ("PJSIP/1010-0000001a", False),
        ("PJSIP/trunk-101-0000001a", False),
        ("DAHDI/101-0000001a", False),
        ("Local/101@phones-0000001a;1", False),
        ("AsyncGoto/PJSIP/101-0000001a", False),
    ],
)
def test_an_extension_is_known_by_its_channel(name: str, *, is_phone: bool) -> None:
    """Technology and endpoint tell; the caller ID does not, PBXs rewrite it."""
    tracker = AsteriskTracker(ExtensionSet(["101", "0003*210", "desk-101"]))
    pbx = Asterisk(tracker)
    trunk = pbx.begin("PJSIP/trunk", "5551001", number="0612345678")
    phone = Channel(name, "1800000000.9", trunk.linked, "0", "101", "s")
    pbx.say("Newchannel", **phone.fields())
    pbx.dial(trunk, phone)
    assert bool(pbx.told()) == is_phone


def test_a_pattern_may_say_what_is_an_extension() -> None:
    """Without a list, all endpoints that the pattern fits from end to end are extensions."""
    pbx = Asterisk(AsteriskTracker(ExtensionSet(pattern=r"2\d\d")))
    caller, called = call_inside(pbx, "201", "1201")
    pbx.hang_up(called, caller)
    assert pbx.told() == ["201 dial-out 1201", "201 hangup 1201 16 unanswered"]
    with pytest.raises(ValueError, match="no regular expression"):
        ExtensionSet(pattern="2[")


def test_without_times_the_messages_arrival_counts() -> None:
    """Where the PBX sends no timestamps, the time at which a message came stands for it."""
    pbx = Asterisk()
    caller, called = call_inside(pbx, "101", "102")
    pbx.told()
    message = {"Event": "Hangup", **caller.fields(), "Cause": "16"}
    (event,) = pbx.tracker.feed(message)
    assert (event.report.at, event.report.duration_seconds) == (None, 0)
    assert called.connected == "101"
