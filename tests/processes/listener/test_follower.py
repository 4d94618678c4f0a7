"""A listener follows a PBX: every event is stored once, also after disconnects."""

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
    assert {event.duration_seconds for event in stored(pbx)[4:]} != {None}


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
    assert all(event.status == "ANSWER" and event.duration_seconds for event in hangups)
    second.stop()
    listen()
    server.wait_for_listener(3)
    wait_until(lambda: find(pbx).state is ConnectorState.CONNECTED, "the third listener")
    assert len(texts(pbx)) == len(words)
