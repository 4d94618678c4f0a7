"""Callers' numbers that contain what looks like messages: they change nobody else's calls.

Asterisk writes numbers unescaped. The recording n02 has a real attack; the tests put other texts
where its number was, as Asterisk puts them. `CALLEVENTS_FUZZ_EXAMPLES=5000` tries more of them.
"""

import os
from collections.abc import Iterable
from random import Random

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from callevents.vendors.asterisk.ami import AmiParser
from callevents.vendors.asterisk.block import LAST_FIELDS, PREFIXES, SNAPSHOT
from callevents.vendors.asterisk.tracker import AsteriskTracker
from callevents.vendors.tracking.events import TrackedEvent
from tests.support.recorded_streams import EXTENSIONS, read_stream
from tests.vendors.asterisk.calls import call_inside
from tests.vendors.asterisk.simulator import Asterisk

RECORDING = read_stream("asterisk", "n02_caller_number_forges_hangup")
#: The number of the recorded attack, with what Asterisk writes before it.
RECORDED = b"6\r\n\r\nEvent: Hangup\r\nUniqueid: pbxtest-1795917565.84\r\nCause: 17\r\n\r\n"
DIALED = b"Exten: 5551600\r\n"
ATTACK = "pbxtest-1795917566.86"
#: Calls of 101 and 102 that go on all the time, and names of channels.
VICTIMS = ("pbxtest-1795917565.84", "pbxtest-1795917565.85")
CHANNELS = ("PJSIP/101-0000002a", "PJSIP/102-0000002b", "PJSIP/102-0000002d")
#: What chan_pjsip accepts; see AST_CHANNEL_NAME and AST_MAX_EXTENSION in Asterisk.
MAX_OF_ASTERISK = 79
#: What chan_iax2 accepts.
MAX_TESTED = 255

Outcome = tuple[object, ...]


def put(number: str, place: bytes = RECORDED) -> bytes:
    """Return the stream with another number in place of the attacker's, or of the dialed one."""
    stream = RECORDING if place == RECORDED else RECORDING.replace(RECORDED, b"6")
    prefix = b"" if place == RECORDED else b"Exten: "
    suffix = b"" if place == RECORDED else b"\r\n"
    return stream.replace(place, prefix + number.encode() + suffix)


def follow(chunks: Iterable[bytes]) -> list[TrackedEvent]:
    """Return the call events."""
    parser, tracker = AmiParser(), AsteriskTracker(EXTENSIONS)
    messages = [message for chunk in chunks for message in parser.feed(chunk)]
    return [event for message in [*messages, *parser.close()] for event in tracker.feed(message)]


def outcomes(events: Iterable[TrackedEvent], *, of_attack: bool) -> list[Outcome]:
    """Return the events of the attacker's own call, or all others, without the texts in them."""
    return [
        (
            *(report.event_type.slug, report.extension, report.leg_id, report.call_id, report.at),
            *(report.cause, report.status, report.duration_seconds, report.flow, event.answered),
            *(() if of_attack else (report.peer, report.caller_name, report.called_number)),
        )
        for event in events
        if ((report := event.report).call_id == ATTACK) == of_attack
    ]


HARMLESS = follow([put("0612345678")])


def lines_of(kind: str, start: int, victim: str, channel: str, line_end: str) -> str:
    """Return a message of a kind from the field number `start` on, with the shortest values."""
    values = {"Channel": channel, "ChannelState": "6", "ChannelStateDesc": "Up", "Priority": "1"}
    values |= {"Uniqueid": victim, "Linkedid": victim, "Cause": "17", "DialStatus": "ANSWER"}
    names = [prefix + name for prefix in PREFIXES[kind] for name in SNAPSHOT]
    names += [name for name in LAST_FIELDS[kind] if name not in names]
    ends = {name: next((v for k, v in values.items() if name.endswith(k)), "") for name in names}
    return "".join(f"{name}: {ends[name]}{line_end}" for name in names[start:])


@st.composite
def numbers(draw: st.DrawFn, max_length: int) -> str:
    """Texts of an attacker who knows how AMI streams are read."""
    line_end = draw(st.sampled_from(["\r\n", "\r\n", "\n", "\r"]))
    is_short = draw(st.booleans())
    victims, kinds = st.sampled_from([*VICTIMS, ATTACK, "1"]), st.sampled_from(list(LAST_FIELDS))
    channels = st.sampled_from([*CHANNELS, "PJSIP/109-00000001", "x", ""])
    texts: list[str] = [draw(st.sampled_from(["", "6", "\t", "é"]))]
    for _ in range(draw(st.integers(1, 4))):
        kind, victim, channel = draw(kinds), draw(victims), draw(channels)
        pieces = [
            # The end of the attacker's own message.
            lines_of(kind, draw(st.integers(0, 20)), victim, channel, line_end),
            # The start of another message, or all of it.
            f"Event: {kind}{line_end}Privilege: call,all{line_end}Timestamp: 1795917567.5{line_end}"
            + lines_of(kind, 0, victim, channel, line_end)[: draw(st.integers(0, 120))],
            f"Event: {kind}{line_end}Uniqueid: {victim}{line_end}Cause: 17{line_end}",
            f"Uniqueid: {victim}{line_end}Linkedid: {victim}{line_end}",
            f"Response: Error{line_end}ActionID: callevents-login{line_end}",
            f"Event: CoreShowChannelsComplete{line_end}EventList: Complete{line_end}",
            f"Timestamp: 4000000000{line_end}",
            draw(st.text(max_size=30)).encode(errors="replace").decode(),
        ]
        piece = draw(st.sampled_from(pieces))
        texts.append(piece.replace(f": {line_end}", f":{line_end}") if is_short else piece)
    return line_end.join(texts)[:max_length]


fuzz = settings(
    max_examples=int(os.environ.get("CALLEVENTS_FUZZ_EXAMPLES", "60")),
    suppress_health_check=[HealthCheck.too_slow],
    deadline=None,
)


def cut(stream: bytes, seed: int) -> list[bytes]:
    """Return the stream in chunks."""
    random, chunks, start = Random(seed), [], 0
    while start < len(stream):
        size = random.choice((1, 60, 1448, 65536))
        chunks.append(stream[start : start + size])
        start += size
    return chunks


def write_bare(kind: str, head: str, **values: str) -> str:
    """Return a number with a whole message of another call, with as many empty values as wanted."""
    names = [prefix + name for prefix in PREFIXES[kind] for name in SNAPSHOT]
    names += [name for name in LAST_FIELDS[kind] if name not in names]
    values = {"Uniqueid": VICTIMS[0], "ChannelState": "6", **values}
    lines = [f"{name}: {values[name]}" if name in values else f"{name}:" for name in names]
    return "\r\n".join(["", "", f"Event: {kind}", head, *lines, ""])


#: What Asterisk never leaves empty, as short as possible.
FILLED = {"ChannelStateDesc": "U", "Context": "a", "Priority": "1", "Linkedid": "1", "Cause": "1"}


@fuzz
@given(number=numbers(MAX_TESTED), seed=st.integers(0, 2**32))
@example(
    number="6\r\n\r\nEvent: Hangup\r\nUniqueid: pbxtest-1795917565.84\r\nCause: 17\r\n\r\n", seed=0
)
@example(number=write_bare("Hangup", "Privilege: a"), seed=0)
@example(number=write_bare("Hangup", "ActionID: a"), seed=0)
@example(number=write_bare("Newstate", "Privilege: a"), seed=0)
@example(number=write_bare("Newchannel", "Privilege: a"), seed=0)
def test_a_caller_number_changes_no_other_call(number: str, seed: int) -> None:
    """Up to 255 characters, which is more than most drivers accept, in chunks of any size."""
    events = follow(cut(put(number), seed))
    assert outcomes(events, of_attack=False) == outcomes(HARMLESS, of_attack=False)


@fuzz
@given(number=numbers(MAX_OF_ASTERISK), seed=st.integers(0, 2**32))
def test_a_caller_number_does_not_hide_its_own_call(number: str, seed: int) -> None:
    """As long as chan_pjsip allows: all events of the attacker's call, too, but for the number."""
    events = follow(cut(put(number), seed))
    for of_attack in (False, True):
        wanted = outcomes(HARMLESS, of_attack=of_attack)
        assert outcomes(events, of_attack=of_attack) == wanted


@fuzz
@given(number=numbers(MAX_OF_ASTERISK))
def test_a_dialed_number_changes_nothing(number: str) -> None:
    """As long as Asterisk allows."""
    events = follow([put(number, DIALED)])
    for of_attack in (False, True):
        wanted = outcomes(HARMLESS, of_attack=of_attack)
        assert outcomes(events, of_attack=of_attack) == wanted


def test_a_dialed_number_ends_its_message_where_a_chunk_ends() -> None:
    """Only the channel's name shows then that the hangup is not that of 101."""
    end = lines_of("Hangup", SNAPSHOT.index("Exten") + 1, VICTIMS[0], CHANNELS[0], "\r\n")
    stream = put("6")
    place = stream.index(b"Exten: 600\r\n", stream.rindex(b"Channel: PJSIP/trunk-0000002c"))
    before = stream[:place] + f"Exten: 6\r\n{end}\r\n".encode()
    events = follow([before, stream[place + len("Exten: 600") :]])
    assert outcomes(events, of_attack=False) == outcomes(HARMLESS, of_attack=False)


@fuzz
@given(name=numbers(MAX_TESTED))
def test_a_name_changes_nothing(name: str) -> None:
    """Asterisk escapes it: no line of it begins with anything but the name's field."""
    escapes = {"\\": "\\\\", "\r": "\\r", "\n": "\\n", "\t": "\\t", "'": "\\'", '"': '\\"'}
    escaped = "".join(escapes.get(one, one) for one in name)
    stream = put("6").replace(b"Name: <unknown>", f"Name: {escaped}".encode())
    events = follow([stream])
    for of_attack in (False, True):
        wanted = outcomes(HARMLESS, of_attack=of_attack)
        assert [one[:10] for one in outcomes(events, of_attack=of_attack)] == [
            one[:10] for one in wanted
        ]


def write_whole(kind: str, after: str, *, line_end: str = "\r\n") -> str:
    """Return a number that ends its own message and then contains another whole one.

    `after` is the field in which Asterisk writes the number.
    """
    end = lines_of("Newchannel", SNAPSHOT.index(after) + 1, "1", "x", line_end)
    head = f"Event: {kind}{line_end}Privilege: a{line_end}"
    body = lines_of(kind, 0, VICTIMS[0], CHANNELS[0], line_end)
    return f"{line_end}{end}{line_end}{head}{body}{line_end}"


@pytest.mark.parametrize("after", ["CallerIDNum", "ConnectedLineNum"])
@pytest.mark.parametrize("kind", LAST_FIELDS)
def test_a_whole_message_does_not_fit_into_a_number(kind: str, after: str) -> None:
    """With its own message's end, it takes more than 255 characters."""
    assert len(write_whole(kind, after)) > MAX_TESTED


@pytest.mark.parametrize("missing", [*FILLED, "Channel", "Privilege"])
def test_what_asterisk_always_writes_is_demanded(missing: str) -> None:
    """A forged message that lacks one of these values changes nothing, whatever its length."""
    values = {**FILLED, "Channel": CHANNELS[0]}
    values.pop(missing, None)
    head = "Privilege: call" if missing == "Privilege" else "Privilege: call,all"
    events = follow([put(write_bare("Hangup", head, **values))])
    assert outcomes(events, of_attack=False) == outcomes(HARMLESS, of_attack=False)


def test_what_a_longer_number_can_do() -> None:
    """The remaining risk, as documented: a driver that accepts 290 characters.

    It shows too that the tests above would notice a forged hangup.
    """
    short = {**FILLED, "Channel": CHANNELS[0].replace("PJSIP", "SIP"), "Uniqueid": "1795917565.84"}
    lengths = {kind: len(write_bare(kind, "Privilege: call,all", **short)) for kind in LAST_FIELDS}
    assert MAX_TESTED < min(lengths.values()) <= lengths["Hangup"] < 295
    number = write_bare("Hangup", "Privilege: call,all", Channel=CHANNELS[0], **FILLED)
    events = follow([put(number)])
    assert outcomes(events, of_attack=False) != outcomes(HARMLESS, of_attack=False)


@pytest.mark.parametrize("kind", ["Newstate", "Newchannel", "NewConnectedLine", "Hangup"])
@pytest.mark.parametrize("name", [{}, {"Channel": ""}, {"Channel": "PJSIP/103-00000009"}])
def test_a_message_without_the_name_of_its_channel_counts_nothing(
    kind: str, name: dict[str, str], pbx: Asterisk
) -> None:
    """A name that is empty or missing does not belong to the ID of a known channel."""
    caller, called = call_inside(pbx, "101", "102")
    true = called.fields()
    fields = {key: value for key, value in true.items() if key != "Channel"} | name
    pbx.say(kind, **fields | {"ChannelState": "6", "ConnectedLineNum": "666"}, Cause="17")
    pbx.hang_up(called, caller, cause=19)
    assert pbx.take_events() == [
        "101 dial-out 102",
        "102 dial-in 101",
        "102 hangup 101 19 unanswered",
        "101 hangup 102 19 unanswered",
    ]


def test_the_recorded_attack() -> None:
    """101 has dial-out, answer-out and one hangup, when it hangs up; the number is cleaned."""
    events = follow([RECORDING])
    assert outcomes(events, of_attack=False) == outcomes(HARMLESS, of_attack=False)
    assert outcomes(events, of_attack=True) == outcomes(HARMLESS, of_attack=True)
    own = [event.report for event in events if event.report.extension == "101"]
    assert [report.event_type.slug for report in own] == ["dial-out", "answer-out", "hangup"]
    assert (own[-1].cause, own[-1].duration_seconds) == (16, 6)
    numbers_told = {event.report.peer for event in events if event.report.call_id == ATTACK}
    assert numbers_told == {"6"}
