"""A listener follows a PBX: every event is stored once, also after disconnects."""

import re
from collections.abc import Callable

import pytest

from callevents.db.models import Pbx
from callevents.enums import ConnectorState
from callevents.vendors.replay import Replay
from callevents.vendors.tracking.extension_set import ExtensionSet
from tests.processes.listener.conftest import (
    EXTENSIONS,
    Listening,
    Serve,
    connect,
    find,
    stored,
    texts,
    wait_for_error,
)
from tests.support.ami_server import cut_ami
from tests.support.esl_server import cut_esl
from tests.support.recorded_streams import EXPECTED, read_stream
from tests.support.waiting import wait_until

CUT = {"asterisk": cut_ami, "freeswitch": cut_esl}
CALLS = [
    ("asterisk", "s01"),
    ("asterisk", "s13"),
    ("asterisk", "s22"),
    ("freeswitch", "f01"),
    ("freeswitch", "f13"),
    ("freeswitch", "f22"),
]
KINDS = [("asterisk", "s01"), ("freeswitch", "f01")]
#: The first message after a call was answered, and the one that shows both parties connected.
ANSWERED = {"asterisk": b"ChannelStateDesc: Up", "freeswitch": b"CHANNEL_ANSWER"}
BRIDGED = {"asterisk": b"Event: BridgeEnter", "freeswitch": b"CHANNEL_BRIDGE"}
Listen = Callable[[], Listening]


def find_call(kind: str, number: str) -> tuple[list[bytes], list[str]]:
    """Return the parts of a recorded call, and its expected events as text."""
    [name] = [name for name in EXPECTED[kind] if name.startswith(number)]
    stream = read_stream(kind, name)
    events = Replay(kind, ExtensionSet(EXTENSIONS)).run([stream])
    words = [
        f"{event.report.extension} {event.report.event_type.slug} {event.report.peer}"
        for event in events
    ]
    return CUT[kind](stream), words


def number_of(part: bytes) -> int:
    """Return the highest number of a Uniqueid in a part; 0 without one."""
    return max(map(int, re.findall(rb"-\d+\.(\d+)\r", part)), default=0)


def renumber(part: bytes, first: int) -> bytes:
    """Return the part of a call with its first two channel numbers in order from `first` on."""
    return re.sub(
        rb"(-\d+\.)(\d+)\r", lambda found: b"%s%d\r" % (found[1], first + int(found[2]) % 2), part
    )


def middle(parts: list[bytes], kind: str) -> int:
    """Return where a call is answered."""
    word = {"asterisk": b"DialEnd", "freeswitch": b"CHANNEL_ANSWER"}[kind]
    return next(index for index, part in enumerate(parts) if word in part) + 2


@pytest.mark.parametrize(("kind", "number"), CALLS)
def test_a_call_is_stored_as_it_happened(
    pbx: Pbx, serve: Serve, listen: Listen, kind: str, number: str
) -> None:
    """Events are stored in order, from bytes in arbitrary pieces; the status counts them."""
    parts, words = find_call(kind, number)
    server = serve(kind)
    connect(pbx, kind, server.port)
    listen()
    server.wait_for_listener()
    server.say(parts)
    wait_until(lambda: len(texts(pbx)) >= len(words), "the events")
    assert texts(pbx) == words
    wait_until(lambda: find(pbx).events == len(words), "the counts")
    connector = find(pbx)
    assert (connector.state, connector.last_error) == (ConnectorState.CONNECTED, "")
    assert connector.messages >= len(words)
    assert (connector.skipped, connector.dropped_legs, connector.waiting) == (0, 0, 0)
    assert connector.connected_since
    assert connector.last_message_at


@pytest.mark.parametrize(("kind", "number"), CALLS)
def test_a_cut_loses_nothing_and_invents_nothing(
    pbx: Pbx, serve: Serve, listen: Listen, kind: str, number: str
) -> None:
    """After a disconnect within a call and a message, each event is stored once."""
    parts, words = find_call(kind, number)
    half = middle(parts, kind)
    server = serve(kind)
    connect(pbx, kind, server.port)
    listen()
    client = server.wait_for_listener()
    server.say(parts[:half])
    client.send(parts[half][: len(parts[half]) // 2])
    server.cut()
    server.wait_for_listener()
    server.say(parts[half:])
    wait_until(lambda: len(texts(pbx)) >= len(words), "the events")
    assert texts(pbx) == words
    wait_for_error(pbx, "closed the connection")
    wait_until(lambda: find(pbx).state is ConnectorState.CONNECTED, "the state")


@pytest.mark.parametrize(("kind", "number"), KINDS)
def test_a_call_that_ends_during_a_disconnect_is_hung_up(
    pbx: Pbx, serve: Serve, listen: Listen, kind: str, number: str
) -> None:
    """After the disconnect the call is not listed: both legs get a hangup, nothing else."""
    parts, words = find_call(kind, number)
    half = middle(parts, kind)
    server = serve(kind)
    connect(pbx, kind, server.port)
    listen()
    server.wait_for_listener()
    server.say(parts[:half])
    wait_until(lambda: len(texts(pbx)) == 4, "the events before the cut")
    server.is_open = False
    server.cut()
    server.say(parts[half:])
    server.is_open = True
    wait_until(lambda: len(texts(pbx)) >= len(words), "the hangups")
    assert sorted(texts(pbx)) == sorted(words)
    hangups = [(one.is_late, one.status, one.duration_seconds) for one in stored(pbx)[4:]]
    assert hangups == [(True, "ANSWER", None)] * 2


@pytest.mark.parametrize(("kind", "number"), KINDS)
@pytest.mark.parametrize("is_another", [False, True])
def test_a_call_that_is_answered_during_a_disconnect(
    pbx: Pbx, serve: Serve, listen: Listen, kind: str, number: str, is_another: bool
) -> None:
    """It rang before: both legs get their answer, marked as late, and a hangup without duration.

    So it is if another listener takes over after that; FreeSWITCH sends the duration itself.
    """
    parts, words = find_call(kind, number)
    half = middle(parts, kind)
    ringing = next(i for i, part in enumerate(parts) if ANSWERED[kind] in part)
    server = serve(kind)
    connect(pbx, kind, server.port)
    first = listen()
    server.wait_for_listener()
    server.say(parts[:ringing])
    wait_until(lambda: len(texts(pbx)) == 2, "the events before the cut")
    server.is_open = False
    server.cut()
    server.say(parts[ringing:half])
    bridged = next(i for i in range(half, len(parts)) if BRIDGED[kind] in parts[i]) + 2
    server.say(parts[half:bridged])
    server.is_open = True
    wait_until(lambda: len(texts(pbx)) == 4, "the answers")
    if is_another:
        first.stop()
        listen()
        server.wait_for_listener(2)
    server.say(parts[bridged:])
    wait_until(lambda: len(texts(pbx)) >= len(words), "the hangups")
    assert sorted(texts(pbx)) == sorted(words)
    assert [one.is_late for one in stored(pbx)] == [False, False, True, True, False, False]
    has_duration = [one.duration_seconds is not None for one in stored(pbx)[4:]]
    assert has_duration == [kind == "freeswitch"] * 2
    assert {one.flow for one in stored(pbx)} == {"IN", "OUT"}


def test_calls_that_nobody_saw_are_counted(pbx: Pbx, serve: Serve, listen: Listen) -> None:
    """A whole call during the disconnect: its two legs are counted at the next call."""
    parts, words = find_call("asterisk", "s01")
    other, other_words = find_call("asterisk", "s04")
    server = serve("asterisk")
    connect(pbx, "asterisk", server.port)
    listen()
    server.wait_for_listener()
    server.say(parts)
    wait_until(lambda: len(texts(pbx)) == len(words), "the first call")
    last = max(number_of(part) for part in parts)
    server.cut()
    server.wait_for_listener()
    server.say([renumber(part, last + 3) for part in other])
    wait_until(lambda: len(texts(pbx)) == len(words + other_words), "the next call")
    wait_until(lambda: find(pbx).unseen_legs == 2, "the count")


def test_a_call_that_was_taken_over_keeps_its_parties(
    pbx: Pbx, serve: Serve, listen: Listen
) -> None:
    """Of a call found in the list, the hangup has the flow and both extensions, as of any call."""
    parts, _words = find_call("asterisk", "s01")
    half = middle(parts, "asterisk")
    server = serve("asterisk")
    connect(pbx, "asterisk", server.port)
    server.say(parts[:half])
    listen()
    server.wait_for_listener()
    server.say(parts[half:])
    wait_until(lambda: len(texts(pbx)) == 2, "the hangups")
    ends = {(one.flow, one.caller_extension, one.called_extension) for one in stored(pbx)}
    assert ends == {("IN", "101", "102"), ("OUT", "101", "102")}


@pytest.mark.parametrize(("kind", "number"), KINDS)
def test_another_listener_continues_a_call(
    pbx: Pbx, serve: Serve, listen: Listen, kind: str, number: str
) -> None:
    """A listener that starts during a call restores it and stores the rest, once."""
    parts, words = find_call(kind, number)
    half = middle(parts, kind)
    server = serve(kind)
    connect(pbx, kind, server.port)
    first = listen()
    server.wait_for_listener()
    server.say(parts[:half])
    wait_until(lambda: len(texts(pbx)) == 4, "the events before")
    first.stop()
    assert find(pbx).leader_id is None
    listen()
    server.wait_for_listener(2)
    server.say(parts[half:])
    wait_until(lambda: len(texts(pbx)) >= len(words), "the events after")
    assert texts(pbx) == words


@pytest.mark.parametrize(("kind", "number"), KINDS)
def test_another_listener_hangs_up_ended_calls(
    pbx: Pbx, serve: Serve, listen: Listen, kind: str, number: str
) -> None:
    """A call ended while no listener was connected: the next listener stores the hangup.

    It is stored once: a third listener stores nothing.
    """
    parts, words = find_call(kind, number)
    half = middle(parts, kind)
    server = serve(kind)
    connect(pbx, kind, server.port)
    first = listen()
    server.wait_for_listener()
    server.say(parts[:half])
    wait_until(lambda: len(texts(pbx)) == 4, "the events before")
    first.stop()
    server.say(parts[half:])
    second = listen()
    wait_until(lambda: len(texts(pbx)) >= len(words), "the hangups")
    assert sorted(texts(pbx)) == sorted(words)
    hangups = stored(pbx)[4:]
    assert all((one.status, one.duration_seconds) == ("ANSWER", None) for one in hangups)
    second.stop()
    listen()
    server.wait_for_listener(3)
    wait_until(lambda: find(pbx).state is ConnectorState.CONNECTED, "the third listener")
    assert len(texts(pbx)) == len(words)
