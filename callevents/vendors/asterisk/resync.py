"""Adopts channels of a CoreShowChannels list, with the events that they must have had."""

from callevents.enums import EventType
from callevents.ingest.field_values import MAX_TEXT_LENGTH
from callevents.vendors.asterisk.channels import Channel
from callevents.vendors.tracking.fields import Message, text_of
from callevents.vendors.tracking.legs import Role

RINGING, UP = "5", "6"
#: Applications of a channel for which another phone is called.
DIALING_APPLICATIONS = {"Dial", "Queue", "FollowMe", "RetryDial"}
#: Applications of a channel created by Dial or Queue, and by Originate.
CALLED_APPLICATIONS = {"AppDial", "AppQueue"}
ORIGINATE_APPLICATION = "AppDial2"
#: The fields of a row that are used.
FIELDS = (
    *("Uniqueid", "Linkedid", "Channel", "ChannelState", "Exten", "Application", "BridgeId"),
    *("CallerIDNum", "CallerIDName", "ConnectedLineNum"),
)


def cut_row(row: Message) -> Message:
    """Return the used fields of the row, so that a list without an end takes little memory."""
    # Truncated to more than MAX_ID_LENGTH, so that an ID that is too long stays invalid.
    return {name: row[name][:MAX_TEXT_LENGTH] for name in FIELDS if name in row}


def adopt_channel(channel: Channel, row: Message, *, is_new: bool) -> None:
    """Note the events that the channel has had, so that only new ones are sent."""
    channel.is_listed = True
    if is_new:
        channel.is_adopted = True
        channel.role = _find_role(channel, row)
        channel.is_originated = row.get("Application") == ORIGINATE_APPLICATION
    channel.connected_number = text_of(row, "ConnectedLineNum") or channel.connected_number
    is_up = row.get("ChannelState") == UP
    if channel.extension and channel.role is Role.CALLED:
        _adopt_called(channel, is_up=is_up, is_new=is_new)
    elif channel.extension:
        _adopt_caller(channel, row, is_up=is_up)
    channel.is_answered = channel.is_answered or is_up


def find_missed_answer(channel: Channel, row: Message) -> EventType | None:
    """Return the answer that a channel which rang before the disconnect has had; else None."""
    if row.get("ChannelState") != UP:
        return None
    if channel.role is Role.CALLED:
        dial, answer = EventType.DIAL_IN, EventType.ANSWER_IN
    elif row.get("BridgeId") and row.get("Application") in DIALING_APPLICATIONS:
        dial, answer = EventType.DIAL_OUT, EventType.ANSWER_OUT
    else:
        # An announcement, a conference or a parking lot, as far as the list shows.
        return None
    return answer if channel.has_event(dial) and not channel.has_event(answer) else None


def _adopt_called(channel: Channel, *, is_up: bool, is_new: bool) -> None:
    if is_new:
        channel.peer = channel.caller_number = channel.connected_number
        channel.assume(EventType.DIAL_IN)
    if is_up:
        channel.assume(EventType.DIAL_IN, EventType.ANSWER_IN)


def _adopt_caller(channel: Channel, row: Message, *, is_up: bool) -> None:
    if EventType.DIAL_OUT not in channel.sent:
        if row.get("Application") not in DIALING_APPLICATIONS:
            return
        channel.peer = channel.called_number = channel.exten
        channel.assume(EventType.DIAL_OUT)
    # Without a bridge, the channel may be up because of an announcement.
    if is_up and row.get("BridgeId"):
        channel.assume(EventType.ANSWER_OUT)


def _find_role(channel: Channel, row: Message) -> Role:
    application = row.get("Application", "")
    if application == ORIGINATE_APPLICATION or application in DIALING_APPLICATIONS:
        return Role.CALLER
    if application in CALLED_APPLICATIONS or row.get("ChannelState") == RINGING:
        return Role.CALLED
    if channel.role is not Role.UNKNOWN:
        return channel.role
    return Role.CALLER if channel.exten else Role.CALLED
