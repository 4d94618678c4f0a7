"""Any input: no exception, bounded memory, and events that can be stored.

Examples that hypothesis makes, and makes small when they fail. `make fuzz` makes a million, faster.
"""

import json
import os
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callevents.vendors.freeswitch.esl import BODY
from callevents.vendors.registry import SOURCES
from callevents.vendors.tracking.fields import Message
from callevents.vendors.tracking.line_reader import MAX_LINE_BYTES
from tests.fuzz.checks import check_events, check_tracker
from tests.support.recorded_streams import EXPECTED, EXTENSIONS, read_messages, read_stream

fuzz = settings(
    max_examples=int(os.environ.get("CALLEVENTS_FUZZ_EXAMPLES", "60")),
    suppress_health_check=[HealthCheck.too_slow],
)
MAX_LEGS = 20

ASTERISK_KINDS = [
    *("Newchannel", "Newstate", "NewConnectedLine", "DialBegin", "DialEnd", "Pickup", "Hangup"),
    *("CoreShowChannel", "CoreShowChannelsComplete", "Nonsense", ""),
]
FREESWITCH_KINDS = [
    *("CHANNEL_CREATE", "CHANNEL_ANSWER", "CHANNEL_BRIDGE", "CHANNEL_HANGUP_COMPLETE"),
    *("CALL_UPDATE", "NONSENSE", ""),
]
#: Few ids and names, so that messages often speak of the same channels.
IDS = [str(number) for number in range(40)]
NAMES = [
    *("PJSIP/101-00000001", "PJSIP/102-00000002", "PJSIP/trunk-00000003", "DAHDI/1-1", ""),
    *(f"Local/102@a-{number:08};{half}" for number in range(3) for half in "12"),
    *("loopback/102-a", "loopback/102-b", "sofia/internal/101@a", "x" * 400, "\ud800\x00"),
]
NUMBERS = [
    "101",
    "102",
    "s",
    "",
    "<unknown>",
    "0612345678",
    "9" * 400,
    "\u0661\u0660\u0661",
    "\x1b[31m",
    "\ud800",
]
STATES = ["0", "4", "5", "6", "", "\u00b2"]
TIMES = ["1800000000.5", "1800000001", "1800900000", "99999999999", "-1", "0", "nan", "1e9", ""]

ASTERISK_VALUES = {
    **dict.fromkeys(("Uniqueid", "DestUniqueid", "Linkedid", "TargetUniqueid", "x"), IDS),
    **dict.fromkeys(("Channel", "DestChannel"), NAMES),
    **dict.fromkeys(("ChannelState", "DestChannelState"), STATES),
    **dict.fromkeys(("CallerIDNum", "ConnectedLineNum", "Exten", "DestCallerIDNum"), NUMBERS),
    **dict.fromkeys(("CallerIDName", "TargetConnectedLineNum", "BridgeId"), NUMBERS),
    "DialStatus": ["ANSWER", "BUSY", ""],
    "Cause": ["16", "0", "127", "128", "-5", "x", "9" * 30, "\u0663"],
    "Application": ["Dial", "AppDial", "AppDial2", ""],
    "Timestamp": TIMES,
}
FREESWITCH_VALUES = {
    **dict.fromkeys(("Unique-ID", "Other-Leg-Unique-ID", "Channel-Call-UUID"), IDS),
    **dict.fromkeys(("Bridge-A-Unique-ID", "Bridge-B-Unique-ID"), IDS),
    **dict.fromkeys(("variable_other_loopback_leg_uuid", "variable_cc_member_session_uuid"), IDS),
    **dict.fromkeys(("Caller-Caller-ID-Number", "Caller-Destination-Number"), NUMBERS),
    "Channel-Name": NAMES,
    "Channel-Presence-ID": ["101@a", "102@a", "@", "", "101"],
    "Call-Direction": ["inbound", "outbound", ""],
    "Other-Type": ["originator", "originatee", ""],
    "variable_cc_side": ["agent", ""],
    "Hangup-Cause": ["NORMAL_CLEARING", "PICKED_OFF", "", "\x00"],
    "variable_hangup_cause_q850": ["16", "-1", "999", ""],
    "variable_billsec": ["1", "-1", "9" * 20, ""],
    "Event-Date-Timestamp": [time.replace(".", "") + "000000" for time in TIMES],
}


#: The name of a message's kind, the kinds, and the values that come with them.
GRAMMARS = {
    "asterisk": ("Event", ASTERISK_KINDS, ASTERISK_VALUES),
    "freeswitch": ("Event-Name", FREESWITCH_KINDS, FREESWITCH_VALUES),
}


def make_message(source: str, random: Random) -> Message:
    """Return a message that speaks of one of few channels, and is often wrong."""
    kind, kinds, values = GRAMMARS[source]
    if random.random() < 0.02:
        return {"".join(map(chr, random.choices(range(0x300), k=3))): "x"}
    message = {name: random.choice(known) for name, known in values.items()}
    for name in random.sample(list(message), k=random.randrange(len(message) // 2)):
        del message[name]
    if random.random() < 0.05:
        message[BODY] = json.dumps(
            {"row_count": 1, "rows": [make_row(random), random.choice([None, 3])]}
        )
    return {kind: random.choice(kinds), **message}


def make_row(random: Random) -> Message:
    """Return a row of a list of running calls, of either kind of PBX."""
    names = ("uuid", "call_uuid", "Uniqueid", "Linkedid")
    states = {
        "callstate": random.choice(["ACTIVE", "RINGING", ""]),
        "direction": random.choice(["inbound", "outbound"]),
        "presence_id": random.choice(["101@a", ""]),
        "Channel": random.choice(NAMES),
        "name": random.choice(NAMES),
        "ChannelState": random.choice(STATES),
        "Application": random.choice(["Dial", "AppDial", ""]),
    }
    return {name: random.choice(IDS) for name in names} | states


@pytest.mark.parametrize("source", SOURCES)
@fuzz
@given(count=st.integers(0, 300), seed=st.integers(0, 2**32))
def test_random_messages(source: str, count: int, seed: int) -> None:
    """Messages that speak of the same few channels in any order, whole or broken."""
    random = Random(seed)
    tracker = SOURCES[source].make_tracker(EXTENSIONS, MAX_LEGS)
    for _ in range(count):
        check_events(tracker.feed(make_message(source, random)), EXTENSIONS)
        if random.random() < 0.01:
            tracker.handle_disconnect()
            check_events(tracker.adopt(make_row(random) for _ in range(30)), EXTENSIONS)
    check_tracker(tracker, MAX_LEGS)
    assert tracker.counts.messages == count


@pytest.mark.parametrize("source", SOURCES)
@fuzz
@given(data=st.data(), seed=st.integers(0, 2**32))
def test_mutated_recordings(source: str, data: st.DataObject, seed: int) -> None:
    """Real streams with messages lost, doubled, moved, and values lost or swapped."""
    name = data.draw(st.sampled_from(list(EXPECTED[source])))
    tracker = SOURCES[source].make_tracker(EXTENSIONS, MAX_LEGS)
    for message in mutate(read_messages(source, name), Random(seed)):
        check_events(tracker.feed(message), EXTENSIONS)
    check_tracker(tracker, MAX_LEGS)


def mutate(messages: list[Message], random: Random) -> list[Message]:
    """Return the messages, some of them malformed."""
    mutated = [message for message in messages if random.random() > 0.05]
    for _ in range(len(mutated) // 10):
        place, other = random.randrange(len(mutated)), random.choice(mutated)
        choice = random.randrange(4)
        if choice == 0:
            mutated.insert(place, other)
        elif choice == 1:
            mutated.append(mutated.pop(place))
        else:
            changed = dict(mutated[place])
            key = random.choice([*changed, BODY])
            changed[key] = random.choice([*other.values(), "", "\x00", "9" * 5000])
            mutated[place] = changed
    return mutated


@pytest.mark.parametrize("source", SOURCES)
@fuzz
@given(data=st.data(), seed=st.integers(0, 2**32))
def test_mutated_bytes(source: str, data: st.DataObject, seed: int) -> None:
    """Real streams with bytes lost, doubled or overwritten, in pieces."""
    random = Random(seed)
    name = data.draw(st.sampled_from(list(EXPECTED[source])))
    stream = bytearray(read_stream(source, name)[:60_000])
    for _ in range(random.randrange(20)):
        place = random.randrange(len(stream) + 1)
        size = random.randrange(50)
        stream[place : place + random.randrange(50)] = random.choice(
            [b"", random.randbytes(size), b"\n" * size, bytes(stream[place : place + size])]
        )
    parser = SOURCES[source].make_parser()
    tracker = SOURCES[source].make_tracker(EXTENSIONS, MAX_LEGS)
    for start in range(0, len(stream), 4096):
        for message in parser.feed(bytes(stream[start : start + 4096])):
            check_events(tracker.feed(message), EXTENSIONS)
    for message in parser.close():
        check_events(tracker.feed(message), EXTENSIONS)
    check_tracker(tracker, MAX_LEGS)


@pytest.mark.parametrize("source", SOURCES)
@fuzz
@given(data=st.binary(max_size=300))
def test_random_bytes(source: str, data: bytes) -> None:
    """Noise is skipped."""
    parser = SOURCES[source].make_parser()
    tracker = SOURCES[source].make_tracker(EXTENSIONS, MAX_LEGS)
    for message in [*parser.feed(data), *parser.close()]:
        check_events(tracker.feed(message), EXTENSIONS)


@pytest.mark.parametrize("source", SOURCES)
def test_a_line_without_end_is_left_out(source: str) -> None:
    """It takes no memory, is counted once, and the messages after it are read."""
    parser = SOURCES[source].make_parser()
    for _ in range(100):
        assert not list(parser.feed(b"x" * MAX_LINE_BYTES))
    assert len(parser._lines) <= MAX_LINE_BYTES
    name = next(iter(EXPECTED[source]))
    messages = list(parser.feed(b"\n\n" + read_stream(source, name)))
    assert messages == read_messages(source, name)
    assert parser.broken == 1


@pytest.mark.parametrize("length", ["999999999", "-1", "x", "9" * 40, "²"])
def test_a_body_of_a_wrong_length_is_left_out(length: str) -> None:
    """A length that cannot be is not waited for; the next message is read."""
    parser = SOURCES["freeswitch"].make_parser()
    name = next(iter(EXPECTED["freeswitch"]))
    head = f"Content-Length: {length}\nContent-Type: text/event-plain\n\n".encode()
    assert list(parser.feed(head + read_stream("freeswitch", name))) == read_messages(
        "freeswitch", name
    )
    assert parser.broken == 1


@pytest.mark.parametrize("source", SOURCES)
def test_channels_that_never_end_are_bounded(source: str) -> None:
    """The ones silent for longest go, and are counted; the newest are followed."""
    begin = {
        "asterisk": {"Event": "Newchannel", "Channel": "PJSIP/101-00000001"},
        "freeswitch": {"Event-Name": "CHANNEL_CREATE", "Channel-Presence-ID": "101@a"},
    }[source]
    key = {"asterisk": "Uniqueid", "freeswitch": "Unique-ID"}[source]
    tracker = SOURCES[source].make_tracker(EXTENSIONS, MAX_LEGS)
    for number in range(MAX_LEGS * 3):
        tracker.feed({**begin, key: f"c{number}"})
    assert (tracker.running, tracker.dropped) == (MAX_LEGS, MAX_LEGS * 2)
    check_tracker(tracker, MAX_LEGS)


@pytest.mark.parametrize("source", SOURCES)
def test_broken_messages_are_counted(source: str) -> None:
    """A message without its ID is broken; an irrelevant one is not."""
    kinds = {
        "asterisk": ("Event", ["Newchannel", "DialBegin", "DialEnd", "Pickup", "Hangup"]),
        "freeswitch": ("Event-Name", ["CHANNEL_CREATE", "CHANNEL_HANGUP_COMPLETE"]),
    }
    key, broken = kinds[source]
    tracker = SOURCES[source].make_tracker(EXTENSIONS)
    for kind in [*broken, "SomethingElse"]:
        assert tracker.feed({key: kind}) == []
    assert tracker.counts.broken == len(broken)
    assert tracker.counts.ignored == 1
