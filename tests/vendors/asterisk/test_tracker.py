"""Calls on an Asterisk without a recording: queues, parking, forwards, and unusual channels."""

import pytest

from callevents.vendors.asterisk import AsteriskTracker
from callevents.vendors.tracking.extension_set import ExtensionSet
from tests.vendors.asterisk.calls import call_from_outside, call_inside
from tests.vendors.asterisk.simulator import Asterisk, Channel


def test_a_call_that_ends_while_it_is_answered(pbx: Asterisk) -> None:
    """The state of the channel at the end decides if the leg was answered."""
    caller, called = call_inside(pbx, "101", "102")
    called.state = "6"
    pbx.end_dial(caller, called)
    pbx.hang_up(called, caller)
    assert pbx.take_events()[-2:] == ["102 hangup 101 16 answered", "101 hangup 102 16 unanswered"]


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
    assert pbx.take_events() == [
        "101 dial-out 700",
        *["102 dial-in 101", "102 hangup 101 0 unanswered"] * 3,
        "101 hangup 700 127 unanswered",
    ]


def test_a_queue_of_busy_members_harms_no_other_call(pbx: Asterisk) -> None:
    """Each attempt has its two events; no leg is kept of them, and other calls go on."""
    caller, called = call_inside(pbx, "104", "105")
    waiting = pbx.begin("PJSIP/trunk", "5551700", number="0612345678")
    running = pbx.tracker.running
    pbx.take_events()
    for _ in range(20):
        members = [pbx.begin(f"PJSIP/{one}", "s", state="0", parent=waiting) for one in (101, 102)]
        for member in members:
            pbx.dial(waiting, member)
            pbx.end_dial(waiting, member, "BUSY")
            pbx.hang_up(member, cause=17)
        assert pbx.tracker.running == running
    assert {event.report.status for event in pbx.events} == {"CALLING", "BUSY"}
    assert len(pbx.take_events()) == 80
    pbx.answer(caller, called)
    pbx.hang_up(called, caller)
    assert len(pbx.take_events()) == 4


def test_a_parked_call_comes_back(pbx: Asterisk) -> None:
    """Retrieving a parked call is no dial-out; a parked call that returns is a new one."""
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
    assert pbx.take_events() == [
        "101 dial-in 0612345678",
        "101 answer-in 0612345678",
        "101 hangup 0612345678 16 answered",
        "101 dial-in 0612345678",
        "101 hangup 0612345678 0 unanswered",
    ]


def test_two_phones_of_one_extension(pbx: Asterisk) -> None:
    """Each phone is a separate leg; the one that is not answered loses."""
    trunk = pbx.begin("PJSIP/trunk", "5551001", number="0612345678")
    phones = [pbx.begin("PJSIP/101", "s", state="0", parent=trunk) for _ in range(2)]
    for phone in phones:
        pbx.dial(trunk, phone)
    pbx.answer(trunk, phones[0])
    pbx.hang_up(phones[1], cause=26)
    pbx.hang_up(phones[0])
    assert pbx.take_events() == [
        "101 dial-in 0612345678",
        "101 dial-in 0612345678",
        "101 answer-in 0612345678",
        "101 hangup 0612345678 26 unanswered",
        "101 hangup 0612345678 16 answered",
    ]


def test_a_chain_of_forwards_that_nobody_answers(pbx: Asterisk) -> None:
    """Each phone on the way rang and hung up; the caller's peer is the number dialed."""
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
    assert pbx.take_events() == [
        "101 dial-out 104",
        "104 dial-in 101",
        "104 hangup 101 0 unanswered",
        "102 dial-in 101",
        "102 hangup 101 0 unanswered",
        "101 hangup 104 16 unanswered",
    ]


def test_a_redirected_phone_keeps_its_leg(pbx: Asterisk) -> None:
    """The PBX moves a called phone through a channel with the phone's name, which is no phone."""
    _, phone = call_from_outside(pbx)
    moved = Channel(f"AsyncGoto/{phone.name}", "1800000000.99", phone.linked, "6", "101", "103")
    pbx.say("Newchannel", **moved.fields())
    pbx.hang_up(moved)
    pbx.take_events()
    target = pbx.begin("PJSIP/103", "s", state="0", parent=phone)
    pbx.dial(phone, target, exten="103")
    pbx.hang_up(target, phone)
    assert pbx.take_events() == [
        "103 dial-in 101",
        "103 hangup 101 16 unanswered",
        "101 hangup 0612345678 16 answered",
    ]


def test_a_second_call_while_talking(pbx: Asterisk) -> None:
    """Call waiting: both calls of the phone get events, each with its own leg."""
    call_from_outside(pbx)
    caller, waiting = call_inside(pbx, "103", "101")
    pbx.hang_up(caller, cause=127)
    pbx.hang_up(waiting, cause=127)
    assert pbx.take_events() == [
        "101 dial-in 0612345678",
        "101 answer-in 0612345678",
        "103 dial-out 101",
        "101 dial-in 103",
        "103 hangup 101 127 unanswered",
        "101 hangup 103 127 unanswered",
    ]


@pytest.mark.parametrize("state", ["0", "3"])
def test_a_phone_may_begin_in_another_state(pbx: Asterisk, state: str) -> None:
    """With any driver, a phone that dials and was not dialed, in a separate call, is a caller."""
    caller = pbx.begin("SCCP/101", "102", state=state)
    called = pbx.begin("PJSIP/102", "s", state="0", parent=caller)
    pbx.dial(caller, called)
    assert pbx.take_events() == ["101 dial-out 102", "102 dial-in 101"]


def test_what_was_dialled_may_have_no_number() -> None:
    """A phone that goes off the hook into the dialplan's `s` dials whom the PBX dials for it."""
    pbx = Asterisk()
    caller = pbx.begin("PJSIP/101", "s")
    called = pbx.begin("PJSIP/102", "s", state="0", parent=caller)
    pbx.dial(caller, called)
    assert pbx.take_events() == ["101 dial-out 102", "102 dial-in 101"]


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
    """Technology and endpoint decide, not the caller ID, which PBXs rewrite."""
    tracker = AsteriskTracker(ExtensionSet(["101", "0003*210", "desk-101"]))
    pbx = Asterisk(tracker)
    trunk = pbx.begin("PJSIP/trunk", "5551001", number="0612345678")
    phone = Channel(name, "1800000000.9", trunk.linked, "0", "101", "s")
    pbx.say("Newchannel", **phone.fields())
    pbx.dial(trunk, phone)
    assert bool(pbx.take_events()) == is_phone


def test_a_pattern_may_say_what_is_an_extension() -> None:
    """Without a list, all endpoints that the pattern fits from end to end are extensions."""
    pbx = Asterisk(AsteriskTracker(ExtensionSet(pattern=r"2\d\d")))
    caller, called = call_inside(pbx, "201", "1201")
    pbx.hang_up(called, caller)
    assert pbx.take_events() == ["201 dial-out 1201", "201 hangup 1201 16 unanswered"]
    with pytest.raises(ValueError, match="Invalid regular expression"):
        ExtensionSet(pattern="2[")


def test_without_times_the_messages_arrival_counts() -> None:
    """Where the PBX sends no timestamps, the time at which a message came stands for it."""
    pbx = Asterisk()
    caller, called = call_inside(pbx, "101", "102")
    pbx.take_events()
    message = {"Event": "Hangup", **caller.fields(), "Cause": "16"}
    (event,) = pbx.tracker.feed(message)
    assert (event.report.at, event.report.duration_seconds) == (None, 0)
    assert called.connected == "101"


def test_a_trunk_that_is_an_extension_keeps_the_public_number() -> None:
    """CalledDID is the number that was called from outside, also if the trunk was added."""
    pbx = Asterisk(AsteriskTracker(ExtensionSet(["101", "102", "trunk"])))
    call_from_outside(pbx)
    dial_in = next(event.report for event in pbx.events if event.report.extension == "101")
    assert (dial_in.called_did, dial_in.called_number) == ("5551001", "5551001")


@pytest.mark.parametrize(("number", "dialed"), [("101", "700"), ("0211555", "102")])
def test_a_call_of_an_extension_has_no_public_number(number: str, dialed: str) -> None:
    """Neither what it dials, nor if its caller ID is a public number."""
    pbx = Asterisk()
    caller = pbx.begin("PJSIP/101", dialed, number=number)
    called = pbx.begin("PJSIP/102", "s", state="0", parent=caller)
    pbx.dial(caller, called)
    assert {event.report.called_did for event in pbx.events} == {""}


def test_a_message_with_the_id_of_another_channel(pbx: Asterisk) -> None:
    """A caller can forge an ID, but no channel's name: the message counts as broken."""
    trunk, phone = call_from_outside(pbx)
    _, other = call_inside(pbx, "103", "104")
    for prefix, wrong in (("", phone), ("Dest", other)):
        fields = trunk.fields(prefix) | {f"{prefix}Uniqueid": wrong.uid}
        pbx.say("Hangup", **fields, Cause="17")
    assert pbx.tracker.counts.broken == 2
    pbx.take_events()
    pbx.hang_up(phone)
    assert pbx.take_events() == ["101 hangup 0612345678 16 answered"]


def test_a_channel_with_the_id_of_another_one(pbx: Asterisk) -> None:
    """It replaces none that has had events, and is replaced by the real one otherwise."""
    _, phone = call_from_outside(pbx)
    fake = Channel("PJSIP/trunk-00000099", phone.uid, phone.uid, "4", "06", "102")
    pbx.say("Newchannel", **fake.fields())
    early = Channel("PJSIP/trunk-00000098", "1800000000.3", "1800000000.3", "4", "06", "102")
    pbx.say("Newchannel", **early.fields())
    pbx.take_events()
    call_inside(pbx, "103", "104")
    assert pbx.take_events() == ["103 dial-out 104", "104 dial-in 103"]
    pbx.hang_up(phone)
    assert pbx.take_events() == ["101 hangup 0612345678 16 answered"]


def test_a_renamed_channel_keeps_its_leg(pbx: Asterisk) -> None:
    """Some drivers give a channel its name after it began."""
    trunk, phone = call_from_outside(pbx)
    old, phone.name = phone.name, "PJSIP/101-0000abcd"
    pbx.say("Rename", Channel=old, Newname=phone.name, Uniqueid=phone.uid)
    pbx.say("Rename", Channel="PJSIP/x-1", Newname="PJSIP/y-1", Uniqueid=trunk.uid)
    pbx.take_events()
    pbx.hang_up(phone, trunk)
    assert pbx.take_events() == ["101 hangup 0612345678 16 answered"]
    assert pbx.tracker.running == 0
