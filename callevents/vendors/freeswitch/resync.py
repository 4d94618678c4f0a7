"""Channels of a `show channels as json` list: what must have happened to them before."""

import json
from collections import defaultdict
from collections.abc import Mapping

from callevents.enums import EventType
from callevents.vendors.freeswitch.channels import Channel
from callevents.vendors.tracking.extension_set import ExtensionSet
from callevents.vendors.tracking.fields import Message, id_of, text_of
from callevents.vendors.tracking.legs import Role

#: Call states of a channel whose party has answered.
ANSWERED = {"ACTIVE", "HELD", "UNHELD"}
#: The caller ID that FreeSWITCH gives to calls that nobody made.
NOBODY = {"", "0000000000"}


def read_rows(text: str) -> list[Message] | None:
    """Return the rows of the answer to `show channels as json`, None if it is something else."""
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
    presence = text_of(row, "presence_id")
    numbers = (presence.partition("@")[0], presence)
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
    channel.extension = next((number for number in numbers if number in extensions), "")
    channel.is_originated = (
        not channel.is_inbound and channel.call_id == uid and channel.caller_number in NOBODY
    )
    is_caller = channel.is_inbound or channel.is_originated
    channel.role = Role.CALLER if is_caller else Role.CALLED
    if not is_caller and channel.call_id != uid:
        channel.parent_id = channel.call_id
    return channel


def complete(channel: Channel, row: Message, extensions: ExtensionSet) -> None:
    """Give a channel that was restored what only the list knows of it."""
    listed = new_channel(row, extensions)
    channel.name, channel.number = listed.name, listed.number
    channel.is_inbound, channel.is_originated = listed.is_inbound, listed.is_originated
    channel.parent_id = listed.parent_id


class Calls:
    """The channels of a list, and which of them were made for which."""

    def __init__(self, rows: Mapping[str, Message]) -> None:
        self._children: dict[str, list[Message]] = defaultdict(list)
        for uid, row in rows.items():
            if (call_id := id_of(row, "call_uuid")) and call_id != uid:
                self._children[call_id].append(row)

    def take_over(self, channel: Channel, row: Message) -> None:
        """Note what has happened to the channel, so that only what comes now is sent."""
        channel.is_listed = True
        is_answered = row.get("callstate") in ANSWERED
        if channel.extension and channel.role is Role.CALLED:
            _take_over_called(channel, is_answered=is_answered)
        elif channel.extension and channel.role is Role.CALLER:
            self._take_over_caller(channel)
        channel.is_answered = channel.is_answered or is_answered

    def _take_over_caller(self, channel: Channel) -> None:
        children = self._children[channel.id]
        if not channel.sent:
            if not children:
                return
            channel.peer = channel.called_number = channel.number
            channel.assume(EventType.DIAL_OUT)
        channel.has_called = True
        if any(child.get("callstate") in ANSWERED for child in children):
            channel.assume(EventType.ANSWER_OUT)


def _take_over_called(channel: Channel, *, is_answered: bool) -> None:
    if not channel.sent:
        channel.peer = channel.caller_number
        channel.assume(EventType.DIAL_IN)
    if is_answered:
        channel.assume(EventType.ANSWER_IN)
