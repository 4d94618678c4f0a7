"""The order of a PBX's messages, where it may vary, does not change the events."""

import re
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callevents.vendors.registry import SOURCES
from callevents.vendors.tracking.fields import Message
from tests.support.recorded_streams import (
    EXPECTED,
    SCENARIOS,
    expected,
    moment,
    read_messages,
    summarise,
    tell_all,
)

#: Asterisk's threads say these in another order each time.
SWAPPED_BY_ASTERISK = {
    *("NewConnectedLine", "NewCallerid", "DialBegin", "Newstate", "DialState"),
    *("DeviceStateChange", "ExtensionStatus", "QueueMemberStatus", "AgentCalled"),
}
#: FreeSWITCH's channels each have their own thread: what they say at one time may be mixed.
SWAPPED_BY_FREESWITCH = {
    *("CHANNEL_ANSWER", "CHANNEL_BRIDGE", "CHANNEL_UNBRIDGE", "CHANNEL_HANGUP_COMPLETE"),
    *("CALL_UPDATE", "CHANNEL_PROGRESS", "CHANNEL_STATE", "CHANNEL_CALLSTATE", "CHANNEL_DESTROY"),
}
AT_ONCE = timedelta(milliseconds=20)
INTERLEAVED = 10


def swap_asterisk(messages: list[Message], random: Random) -> list[Message]:
    """Return the messages with runs of those that may swap in random order."""
    return _swap(messages, random, lambda _, new: new["Event"] in SWAPPED_BY_ASTERISK)


def swap_freeswitch(messages: list[Message], random: Random) -> list[Message]:
    """Return the messages with those of different channels at the same time in random order."""

    def may_join(run: list[Message], new: Message) -> bool:
        is_free = new["Event-Name"] in SWAPPED_BY_FREESWITCH
        is_other = all(new["Unique-ID"] != old["Unique-ID"] for old in run)
        at = moment("freeswitch", new)
        return is_free and is_other and at - moment("freeswitch", run[0]) <= AT_ONCE

    known = [message for message in messages if "Unique-ID" in message]
    return _swap(known, random, lambda run, new: not run or may_join(run, new))


def _swap(messages: list[Message], random: Random, may_join: Any) -> list[Message]:
    swapped: list[Message] = []
    run: list[Message] = []
    for message in messages:
        if not may_join(run, message):
            random.shuffle(run)
            swapped += run
            run = []
        run.append(message)
        if not may_join([], message):
            swapped += run
            run = []
    random.shuffle(run)
    return swapped + run


@pytest.mark.parametrize("source", SOURCES)
@given(data=st.data(), seed=st.integers(0, 2**32))
def test_swapped_messages_give_the_same_events(source: str, data: st.DataObject, seed: int) -> None:
    """In any order of the PBX's threads, each extension gets the same events."""
    name = data.draw(st.sampled_from(list(EXPECTED[source])))
    swap = swap_asterisk if source == "asterisk" else swap_freeswitch
    messages = swap(read_messages(source, name), Random(seed))
    assert summarise(source, tell_all(source, messages)) == expected(source, name)


def test_some_messages_are_really_swapped() -> None:
    """The test above swaps something in most recordings."""
    swapped = 0
    for source, name in SCENARIOS:
        messages = read_messages(source, name)
        swap = swap_asterisk if source == "asterisk" else swap_freeswitch
        swapped += any(swap(messages, Random(seed)) != messages for seed in range(5))
    assert swapped > len(SCENARIOS) * 3 / 4


@pytest.mark.parametrize("source", SOURCES)
@settings(max_examples=20)
@given(data=st.data())
def test_calls_at_the_same_time_do_not_mix(source: str, data: st.DataObject) -> None:
    """Ten concurrent scenarios on the same extensions each give their events."""
    names = data.draw(
        st.lists(
            st.sampled_from(list(EXPECTED[source])), min_size=INTERLEAVED, max_size=INTERLEAVED
        )
    )
    delays = data.draw(st.lists(st.integers(0, 5000), min_size=INTERLEAVED, max_size=INTERLEAVED))
    messages = []
    for number, (name, delay) in enumerate(zip(names, delays, strict=True)):
        messages += _shift(source, name, number, timedelta(milliseconds=delay))
    messages.sort(key=lambda entry: entry[0])
    events = tell_all(source, [_at(source, passed, message) for passed, message in messages])
    for number, name in enumerate(names):
        own = [event for event in events if event.report.leg_id.startswith(f"{number}x")]
        assert summarise(source, own) == expected(source, name)


def _shift(
    source: str, name: str, number: int, delay: timedelta
) -> list[tuple[timedelta, Message]]:
    """Return a scenario's messages with unique IDs, and their times since the start."""
    messages = read_messages(source, name)
    if not messages:
        return []
    start = moment(source, messages[0])
    rename = _rename_asterisk if source == "asterisk" else _rename_freeswitch
    return [
        (moment(source, message) - start + delay, rename(message, number)) for message in messages
    ]


def _at(source: str, passed: timedelta, message: Message) -> Message:
    """Return the message with another time: the recordings are of different days."""
    clock, units_per_second = SOURCES[source].clock
    seconds = 1_800_000_000 + passed.total_seconds()
    return message | {clock: f"{seconds * units_per_second:.0f}"}


def _rename_asterisk(message: Message, number: int) -> Message:
    renamed = {key: re.sub(r"^pbxtest-", f"{number}x", text) for key, text in message.items()}
    return {
        key: re.sub(r"-[0-9a-f]([0-9a-f]{7})(;[12])?$", rf"-{number:x}\1\2", text)
        if key.endswith("Channel")
        else text
        for key, text in renamed.items()
    }


def _rename_freeswitch(message: Message, number: int) -> Message:
    ids = ("Unique-ID", "_uuid", "-UUID", "variable_uuid")
    return {key: f"{number}x{text}" if key.endswith(ids) else text for key, text in message.items()}
