"""Channels of a CoreShowChannels list: what must have happened to them before."""

from callevents.enums import EventType
from callevents.ingest.field_values import MAX_TEXT_LENGTH
from callevents.vendors.asterisk.channels import Channel
from callevents.vendors.tracking.fields import Message, text_of
from callevents.vendors.tracking.legs import Role

RINGING, UP = "5", "6"
#: What a channel runs while somebody is called for it.
DIALLING = {"Dial", "Queue", "FollowMe", "RetryDial"}
#: What Asterisk says of a channel that Dial or Queue has made, and of one that Originate has.
CALLED = {"AppDial", "AppQueue"}
ORIGINATED = "AppDial2"
#: What is read of a row.
READ = (
    *("Uniqueid", "Linkedid", "Channel", "ChannelState", "Exten", "Application", "BridgeId"),
    *("CallerIDNum", "CallerIDName", "ConnectedLineNum"),
)


def cut_row(row: Message) -> Message:
    """Return what is read of the row, so that a list whose end does not come takes little."""
    # An id that is too long for one stays that.
    return {name: row[name][:MAX_TEXT_LENGTH] for name in READ if name in row}


def take_over(channel: Channel, row: Message, *, is_new: bool) -> None:
    """Note what has happened to the channel, so that only what comes now is sent."""
    channel.is_listed = True
    if is_new:
        channel.is_adopted = True
        channel.role = _role(channel, row)
        channel.is_originated = row.get("Application") == ORIGINATED
    channel.connected_number = text_of(row, "ConnectedLineNum") or channel.connected_number
    is_up = row.get("ChannelState") == UP
    if channel.extension and channel.role is Role.CALLED:
        _take_over_called(channel, is_up=is_up, is_new=is_new)
    elif channel.extension:
        _take_over_caller(channel, row, is_up=is_up)
    channel.is_answered = channel.is_answered or is_up


def _take_over_called(channel: Channel, *, is_up: bool, is_new: bool) -> None:
    if is_new:
        channel.peer = channel.caller_number = channel.connected_number
        channel.assume(EventType.DIAL_IN)
    if is_up:
        channel.assume(EventType.DIAL_IN, EventType.ANSWER_IN)


def _take_over_caller(channel: Channel, row: Message, *, is_up: bool) -> None:
    if EventType.DIAL_OUT not in channel.sent:
        if row.get("Application") not in DIALLING:
            return
        channel.peer = channel.called_number = channel.exten
        channel.assume(EventType.DIAL_OUT)
    # Up alone may be an announcement's doing.
    if is_up and row.get("BridgeId"):
        channel.assume(EventType.ANSWER_OUT)


def _role(channel: Channel, row: Message) -> Role:
    application = row.get("Application", "")
    if application == ORIGINATED or application in DIALLING:
        return Role.CALLER
    if application in CALLED or row.get("ChannelState") == RINGING:
        return Role.CALLED
    if channel.role is not Role.UNKNOWN:
        return channel.role
    return Role.CALLER if channel.exten else Role.CALLED
