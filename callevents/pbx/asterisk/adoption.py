"""Channels of a CoreShowChannels list: what must have happened to them before."""

from callevents.enums import EventType
from callevents.pbx.asterisk.channels import Channel
from callevents.pbx.legs import Role
from callevents.pbx.values import Message, text_of

UP = "6"
#: What a channel runs while somebody is called for it.
DIALLING = {"Dial", "Queue", "FollowMe", "RetryDial"}
#: What Asterisk says of a channel that Dial or Queue has made, and of one that Originate has.
CALLED = {"AppDial", "AppQueue"}
ORIGINATED = "AppDial2"


def take_over(channel: Channel, row: Message, *, is_new: bool) -> None:
    """Note as sent what has happened to the channel, so that only what comes now is sent."""
    if is_new:
        channel.is_adopted = True
        channel.role = _role(channel, row)
        channel.is_originated = row.get("Application") == ORIGINATED
    channel.connected_number = text_of(row, "ConnectedLineNum") or channel.connected_number
    is_up = row.get("ChannelState") == UP
    if channel.role is Role.CALLED:
        _take_over_called(channel, is_up=is_up)
    elif row.get("Application") in DIALLING or EventType.DIAL_OUT in channel.sent:
        _take_over_caller(channel, is_answered=is_up and bool(row.get("BridgeId")))
    channel.is_answered = channel.is_answered or is_up


def _take_over_called(channel: Channel, *, is_up: bool) -> None:
    if EventType.DIAL_IN not in channel.sent:
        channel.peer = channel.caller_number = channel.connected_number
    channel.sent.add(EventType.DIAL_IN)
    if is_up:
        channel.sent.add(EventType.ANSWER_IN)


def _take_over_caller(channel: Channel, *, is_answered: bool) -> None:
    if EventType.DIAL_OUT not in channel.sent:
        channel.peer = channel.called_number = channel.exten
    channel.sent.add(EventType.DIAL_OUT)
    if is_answered:
        channel.sent.add(EventType.ANSWER_OUT)


def _role(channel: Channel, row: Message) -> Role:
    application = row.get("Application", "")
    if application in CALLED or row.get("ChannelState") == "5":
        return Role.CALLED
    if application == ORIGINATED or application in DIALLING or channel.role is Role.CALLER:
        return Role.CALLER
    if channel.role is Role.CALLED:
        return Role.CALLED
    return Role.CALLER if channel.exten else Role.CALLED
