"""Endless message streams of a PBX: recorded calls in parallel, over many days, with mutations."""

import json
from collections import deque
from collections.abc import Callable, Iterator
from itertools import count
from random import Random

from callevents.vendors.asterisk.block import SNAPSHOT
from callevents.vendors.freeswitch.esl import BODY
from callevents.vendors.registry import SOURCES
from callevents.vendors.tracking.fields import Message
from tests.fuzz.mutation import mutate, unexpected_text, unexpected_value
from tests.support.recorded_streams import EXPECTED, read_messages

CALLS_AT_ONCE = 12
#: Calls that begin at the same time in a flood.
FLOOD = 600
SECONDS_BETWEEN = 2.0
#: Share of the messages that are mutated.
MUTATION_RATE = 0.25

#: A parser of AMI expects all fields of a channel, in order.
CHANNEL_FIELDS = [prefix + name for prefix in ("", "Dest", "Target") for name in SNAPSHOT]

#: Fields with ids of channels and calls.
ID_FIELDS = {
    "asterisk": ("Uniqueid", "Linkedid", "DestUniqueid", "DestLinkedid", "TargetUniqueid"),
    "freeswitch": (
        *("Unique-ID", "Other-Leg-Unique-ID", "Channel-Call-UUID", "Bridge-A-Unique-ID"),
        *("Bridge-B-Unique-ID", "variable_other_loopback_leg_uuid"),
        *("variable_cc_member_session_uuid",),
    ),
}
#: Other fields that the trackers read, and a few that they do not: messages are long.
OTHER_FIELDS = {
    "asterisk": (
        *("Event", "Privilege", "Timestamp", *CHANNEL_FIELDS, "DialStatus", "DialString"),
        *("Cause", "Cause-txt", "Application", "BridgeId"),
    ),
    "freeswitch": (
        *("Event-Name", "Channel-Name", "Channel-Presence-ID", "variable_presence_id"),
        *("Call-Direction", "Caller-Destination-Number", "Caller-Caller-ID-Number"),
        *("Caller-Caller-ID-Name", "Other-Leg-Caller-ID-Number", "Other-Leg-Destination-Number"),
        *("Other-Type", "variable_cc_side", "Hangup-Cause", "variable_hangup_cause_q850"),
        *("variable_billsec", "Event-Date-Timestamp", "Event-Sequence", "Channel-State"),
    ),
}
#: Types of messages that trackers use; of others a few are kept.
RELEVANT = {
    *("Newchannel", "Newstate", "NewConnectedLine", "DialBegin", "DialEnd", "Pickup", "Hangup"),
    *("CHANNEL_CREATE", "CHANNEL_ANSWER", "CHANNEL_BRIDGE", "CHANNEL_HANGUP_COMPLETE"),
}
BEGIN = {"asterisk": ("Event", "Newchannel"), "freeswitch": ("Event-Name", "CHANNEL_CREATE")}
BAD_CLOCKS = ("0", "-1", "", "nan", "99999999999", "1500000000", "4000000000", "18000000009999999")


class Stream:
    """Iterator over messages without end; the same seed gives the same messages."""

    def __init__(self, source: str, random: Random) -> None:
        self.source = source
        self._random = random
        names = {*ID_FIELDS[source], *OTHER_FIELDS[source]}
        kind, begin = BEGIN[source]
        self._recordings = [
            [
                {key: value for key, value in one.items() if key in names}
                for number, one in enumerate(read_messages(source, name))
                if one.get(kind) in RELEVANT or number % 8 == 0
            ]
            for name in EXPECTED[source]
        ]
        self._beginnings = [
            one for found in self._recordings for one in found if one.get(kind) == begin
        ]
        self._clock, self._parts_per_second = SOURCES[source].clock
        self._now = 1_800_000_000.0
        self._numbers = count()
        self._calls = [self._call() for _ in range(CALLS_AT_ONCE)]
        self._recent: deque[Message] = deque(self._beginnings, maxlen=40)
        self._later: list[Message] = []

    def __iter__(self) -> Iterator[Message]:
        """Yield the messages."""
        while True:
            for message in self._mutate(self._next()):
                self._recent.append(message)
                yield message

    def rows(self) -> list[Message]:
        """Return rows of a list of running calls, made from recent messages."""
        return [self._row(one) for one in self._random.sample(list(self._recent), k=8)]

    def _next(self) -> Message:
        """Return the next message of one of the calls, with the current time."""
        self._now += self._random.random() * 2 * SECONDS_BETWEEN
        place = self._random.randrange(CALLS_AT_ONCE)
        while (message := next(self._calls[place], None)) is None:
            self._calls[place] = self._call()
        return message | {self._clock: f"{self._now * self._parts_per_second:.0f}"}

    def _call(self) -> Iterator[Message]:
        if self._random.random() < 0.001:
            return self._flood()
        recording = self._random.choice(self._recordings)
        # Some PBXs reuse ids.
        mark = f"-{next(self._numbers)}" if self._random.random() < 0.95 else ""
        return (self._rename(message, mark) for message in recording)

    def _flood(self) -> Iterator[Message]:
        return (
            self._rename(self._random.choice(self._beginnings), f"-{next(self._numbers)}")
            for _ in range(FLOOD)
        )

    def _rename(self, message: Message, mark: str) -> Message:
        ids = {key: message[key] + mark for key in ID_FIELDS[self.source] if message.get(key)}
        return message | ids

    def _mutate(self, message: Message) -> list[Message]:
        """Return the message, or the messages that replace it."""
        random = self._random
        if random.random() > MUTATION_RATE:
            return [message]
        change: Callable[[Message], list[Message]] = random.choice(
            (self._lose, self._double, self._delay, self._list, *[self._change] * 8)
        )
        return change(message)

    def _lose(self, _message: Message) -> list[Message]:
        return []

    def _double(self, message: Message) -> list[Message]:
        return [message, self._random.choice(self._recent), message]

    def _delay(self, message: Message) -> list[Message]:
        """Delay the message; return the delayed messages in random order."""
        self._later.append(message)
        if len(self._later) < self._random.randrange(2, 6):
            return []
        late, self._later = self._later, []
        self._random.shuffle(late)
        return late

    def _change(self, message: Message) -> list[Message]:
        if self._random.random() < 0.02:
            return [message | {self._clock: self._random.choice(BAD_CLOCKS)}]
        for _ in range(self._random.choice((1, 1, 2, 5))):
            mutate(message, self._random.choice(self._recent), self._random, unexpected_text)
        return [message]

    def _list(self, message: Message) -> list[Message]:
        """Insert a list of running calls before the message, sometimes without its end."""
        if self._random.random() < 0.8:
            return [message]
        if self.source == "freeswitch":
            return [{BODY: self._list_as_json()}, message]
        end = [{"Event": "CoreShowChannelsComplete"}] if self._random.random() < 0.9 else []
        return [*self.rows(), *end, message]

    def _list_as_json(self) -> str:
        rows: list[object] = [*self.rows()]
        if self._random.random() < 0.3:
            rows.append(unexpected_value(self._random))
        response = {"row_count": len(rows), "rows": rows}
        if self._random.random() < 0.1:
            mutate(response, response, self._random, unexpected_value)
        return json.dumps(response)

    def _row(self, message: Message) -> Message:
        if self.source == "asterisk":
            return {**message, "Event": "CoreShowChannel", "BridgeId": ""}
        return {
            "uuid": message.get("Unique-ID", ""),
            "call_uuid": message.get("Channel-Call-UUID", ""),
            "direction": message.get("Call-Direction", ""),
            "name": message.get("Channel-Name", ""),
            "presence_id": message.get("Channel-Presence-ID", ""),
            "dest": message.get("Caller-Destination-Number", ""),
            "cid_num": message.get("Caller-Caller-ID-Number", ""),
            "callstate": self._random.choice(("ACTIVE", "RINGING", "HELD", "")),
        }
