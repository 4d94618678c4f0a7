"""Adopts channels of a `show channels as json` list, with the events that they must have had."""

import json
from collections import defaultdict
from collections.abc import Mapping

from callevents.enums import EventType
from callevents.vendors.freeswitch.channels import Channel
from callevents.vendors.tracking.extension_set import ExtensionSet
from callevents.vendors.tracking.fields import Message, id_of, text_of
from callevents.vendors.tracking.legs import Role

#: Call states of an answered channel.
ANSWERED = {"ACTIVE", "HELD", "UNHELD"}
#: Caller IDs of calls that FreeSWITCH originated.
ORIGINATED_CALLER_IDS = {"", "0000000000"}


def read_rows(text: str) -> list[Message] | None:
    """Return the rows of the reply to `show channels as json`; None for another reply."""
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(answer, dict) or "row_count" not in answer:
        return None
    rows = answer.get("rows", [])
    if not isinstance(rows, list):
        return None
    return [
        {str(key): str(value) for key, value in row.items()}
        for row in rows
        if isinstance(row, dict)
    ]


def new_channel(row: Message, extensions: ExtensionSet) -> Channel:
    """Return the channel of a row."""
    uid = id_of(row, "uuid")
    channel = Channel(
        id=uid,
        call_id=id_of(row, "call_uuid") or uid,
        name=text_of(row, "name"),
        is_inbound=row.get("direction") == "inbound",
        number=text_of(row, "initial_dest") or text_of(row, "dest"),
        caller_number=text_of(row, "initial_cid_num") or text_of(row, "cid_num"),
        caller_name=text_of(row, "initial_cid_name") or text_of(row, "cid_name"),
        is_adopted=True,
    )
    if channel.is_loopback:
        return channel
    channel.extension = extensions.find(text_of(row, "presence_id"))
    channel.is_originated = (
        not channel.is_inbound
        and channel.call_id == uid
        and channel.caller_number in ORIGINATED_CALLER_IDS
    )
    is_caller = channel.is_inbound or channel.is_originated
    channel.role = Role.CALLER if is_caller else Role.CALLED
    if not is_caller and channel.call_id != uid:
        channel.parent_id = channel.call_id
    return channel


def complete(channel: Channel, row: Message, extensions: ExtensionSet) -> None:
    """Set the fields of a restored channel that only the list has."""
    listed = new_channel(row, extensions)
    channel.name, channel.number = listed.name, listed.number
    channel.is_inbound, channel.is_originated = listed.is_inbound, listed.is_originated
    channel.parent_id = listed.parent_id


class Calls:
    """The channels of a list, and the channels that were created for each."""

    def __init__(self, rows: Mapping[str, Message]) -> None:
        self._children: dict[str, list[Message]] = defaultdict(list)
        for uid, row in rows.items():
            if (call_id := id_of(row, "call_uuid")) and call_id != uid:
                self._children[call_id].append(row)

    def adopt(self, channel: Channel, row: Message) -> None:
        """Note the events that the channel has had, so that only new ones are sent."""
        channel.is_listed = True
        is_answered = row.get("callstate") in ANSWERED
        if channel.extension and channel.role is Role.CALLED:
            _adopt_called(channel, is_answered=is_answered)
        elif channel.extension and channel.role is Role.CALLER:
            self._adopt_caller(channel)
        channel.is_answered = channel.is_answered or is_answered

    def find_missed_answer(self, channel: Channel, row: Message) -> EventType | None:
        """Return the answer that a channel which rang before the disconnect has had; else None."""
        if channel.role is Role.CALLED:
            dial, answer = EventType.DIAL_IN, EventType.ANSWER_IN
            is_answered = row.get("callstate") in ANSWERED
        else:
            dial, answer = EventType.DIAL_OUT, EventType.ANSWER_OUT
            is_answered = self._has_answered_child(channel)
        is_missed = channel.has_event(dial) and not channel.has_event(answer)
        return answer if is_answered and is_missed else None

    def _has_answered_child(self, channel: Channel) -> bool:
        return any(row.get("callstate") in ANSWERED for row in self._children[channel.id])

    def _adopt_caller(self, channel: Channel) -> None:
        children = self._children[channel.id]
        if not channel.sent:
            if not children:
                return
            channel.peer = channel.called_number = channel.number
            channel.assume(EventType.DIAL_OUT)
        channel.has_called = True
        if self._has_answered_child(channel):
            channel.assume(EventType.ANSWER_OUT)


def _adopt_called(channel: Channel, *, is_answered: bool) -> None:
    if not channel.sent:
        channel.peer = channel.caller_number
        channel.assume(EventType.DIAL_IN)
    if is_answered:
        channel.assume(EventType.ANSWER_IN)
