"""Wazo: the call events of wazo-calld, sent by a webhook subscription.

https://wazo-platform.org/uc-doc/api_sdk/message_bus#bus-call-created for the events; the Call
object of wazo-calld's API for the fields. call_id identifies the leg, conversation_id the call.
"""

from callevents.enums import Format
from callevents.vendors.message import (
    Fields,
    FindEarlier,
    Message,
    ReadResult,
    cause_of,
    ignore,
    iso_time_of,
    make_key,
    make_result,
    require,
)
from callevents.vendors.vendor import SetupGuide, Snippet, Vendor

#: The call events of the caller and of the called party, by event.
EVENTS = {
    "call_created": ("dial-out", "dial-in"),
    "call_answered": ("answer-out", "answer-in"),
    "call_ended": ("hangup", "hangup"),
}
TIMES = {
    "call_created": "creation_time",
    "call_answered": "answer_time",
    "call_ended": "hangup_time",
}
YES = {"true", "1", "yes"}


def read(message: Message, _find_earlier: FindEarlier) -> ReadResult:
    """Return the report of one leg's event."""
    name = require(message, "name", "event_name", "event")
    if name not in EVENTS:
        return ignore("Wazo's event", name)
    call = message.part("data") if isinstance(message.values.get("data"), dict) else message
    if not call.text("user_uuid"):
        return ReadResult(ignored="This leg belongs to no user of Wazo: a trunk, for example.")
    return make_result([_report(call, name)], "")


def _report(call: Message, name: str) -> Fields:
    given = call.values.get("iscaller")
    is_caller = given is True or str(given).lower() in YES
    leg = require(call, "call_id")
    event = EVENTS[name][not is_caller]
    dialed, peer = call.text("dialed_extension"), call.text("peer_caller_id_number")
    extension = call.text("caller_id_number") or (dialed if not is_caller else "")
    other = (dialed or peer) if is_caller else peer
    caller, called = (extension, other) if is_caller else (other, extension)
    report: Fields = {
        "event": event,
        "extension": extension,
        "peer": other,
        "call_id": call.text("conversation_id") or leg,
        "leg_id": leg,
        "caller_number": caller,
        "called_number": called,
        "caller_name": call.text("caller_id_name" if is_caller else "peer_caller_id_name"),
        "at": iso_time_of(call.text(TIMES[name])),
        "id": make_key("wazo", leg, event),
    }
    if name == "call_ended":
        report["cause"] = cause_of(call.text("reason_code"))
        report["caller_extension" if is_caller else "called_extension"] = extension
    return report


VENDOR = Vendor(
    format=Format.WAZO,
    read=read,
    guides=(
        SetupGuide(
            "wazo",
            "Wazo",
            (Snippet("Subscription", "wazo.txt", "For POST /api/webhookd/1.0/subscriptions."),),
        ),
    ),
)
