"""Kazoo (2600Hz): webhooks of channel events, as a form or JSON.

https://docs.2600hz.com/events/webhooks/channel-events. A leg whose call_direction is inbound comes
from a phone to Kazoo, an outbound one goes from Kazoo to a phone. The extension is the SIP user of
the device, which every event has; Kazoo's extension numbers are in no event.
"""

from callevents.enums import Format
from callevents.vendors.message import (
    Fields,
    FindEarlier,
    Message,
    ReadResult,
    ignore,
    make_key,
    make_result,
    moment_of,
    number_of,
    require,
)
from callevents.vendors.vendor import SetupGuide, Snippet, Vendor

#: The call events of the caller and of the called party, by hook.
EVENTS = {
    "channel_create": ("dial-out", "dial-in"),
    "channel_answer": ("answer-out", "answer-in"),
    "channel_destroy": ("hangup", "hangup"),
}
#: Types of owners of an extension's leg; a carrier's leg has none of these.
OWNERS = {"device", "user", "mobile"}
#: Kazoo counts seconds from the year 0.
SECONDS_BEFORE_1970 = 62_167_219_200
CAUSES = {
    "NORMAL_CLEARING": "16",
    "USER_BUSY": "17",
    "NO_USER_RESPONSE": "18",
    "NO_ANSWER": "19",
    "SUBSCRIBER_ABSENT": "20",
    "CALL_REJECTED": "21",
    "UNALLOCATED_NUMBER": "1",
    "NO_ROUTE_DESTINATION": "3",
    "DESTINATION_OUT_OF_ORDER": "27",
    "NORMAL_TEMPORARY_FAILURE": "41",
    "NORMAL_CIRCUIT_CONGESTION": "34",
    "SWITCH_CONGESTION": "42",
    "ORIGINATOR_CANCEL": "127",
    "LOSE_RACE": "26",
    "PICKED_OFF": "26",
}


def read(message: Message, _find_earlier: FindEarlier) -> ReadResult:
    """Return the report of one leg's event."""
    hook = require(message, "hook_event", "event_name", "hook").lower()
    if hook not in EVENTS:
        return ignore("Kazoo's hook", hook)
    if message.text("authorizing_type").lower() not in OWNERS:
        return ReadResult(
            ignored="This leg belongs to no device of Kazoo: a carrier's, for example."
        )
    is_caller = require(message, "call_direction").lower() == "inbound"
    return make_result([_report(message, hook, is_caller=is_caller)], "")


def _report(message: Message, hook: str, *, is_caller: bool) -> Fields:
    leg = require(message, "call_id")
    event = EVENTS[hook][not is_caller]
    ends = number_of(message.text("from")), number_of(message.text("to", "request"))
    caller = message.text("caller_id_number") or ends[0]
    called = ends[1] if is_caller else message.text("callee_id_number") or ends[1]
    extension = ends[0] if is_caller else ends[1]
    report: Fields = {
        "event": event,
        "extension": extension,
        "peer": called if is_caller else caller,
        "call_id": leg if is_caller else message.text("other_leg_call_id") or leg,
        "leg_id": leg,
        "caller_number": caller,
        "caller_name": message.text("caller_id_name"),
        "called_number": called,
        "at": moment_of(message.text("timestamp"), epoch_offset=SECONDS_BEFORE_1970),
        "id": make_key("kazoo", leg, event),
    }
    if event == "hangup":
        report["cause"] = CAUSES.get(message.text("hangup_cause").upper(), "")
        report["caller_extension" if is_caller else "called_extension"] = extension
    return report


VENDOR = Vendor(
    format=Format.KAZOO,
    read=read,
    guides=(SetupGuide("kazoo", "Kazoo", (Snippet("Webhooks", "kazoo.txt"),)),),
)
