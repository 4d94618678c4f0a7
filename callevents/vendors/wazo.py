"""Wazo: the call events of wazo-calld, sent by a webhook subscription.

https://wazo-platform.org/uc-doc/api_sdk/message_bus#bus-call-created for the events; the Call of
wazo-calld's API for the fields. A leg is reported by its own call_id; conversation_id is the
call's.
"""

from callevents.enums import Format
from callevents.vendors.message import (
    Earlier,
    Fields,
    Message,
    Reading,
    cause_of,
    make_key,
    passed_over,
    reported,
    require,
    written_moment_of,
)
from callevents.vendors.vendor import SetupGuide, Snippet, Vendor

#: What each event is, for who calls and for who is called.
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


def read(message: Message, _earlier: Earlier) -> Reading:
    """Return the report of one leg's event."""
    name = require(message, "name", "event_name", "event")
    if name not in EVENTS:
        return passed_over("Wazo's event", name)
    call = message.part("data") if isinstance(message.values.get("data"), dict) else message
    if not call.text("user_uuid"):
        return Reading(passed_over="This leg belongs to no user of Wazo: a trunk, for example.")
    return reported([_report(call, name)], "")


def _report(call: Message, name: str) -> Fields:
    given = call.values.get("iscaller")
    is_caller = given is True or str(given).lower() in YES
    leg = require(call, "call_id")
    event = EVENTS[name][not is_caller]
    dialed, peer = call.text("dialed_extension"), call.text("peer_caller_id_number")
    own = call.text("caller_id_number") or (dialed if not is_caller else "")
    other = (dialed or peer) if is_caller else peer
    caller, called = (own, other) if is_caller else (other, own)
    report: Fields = {
        "event": event,
        "extension": own,
        "peer": other,
        "call_id": call.text("conversation_id") or leg,
        "leg_id": leg,
        "caller_number": caller,
        "called_number": called,
        "caller_name": call.text("caller_id_name" if is_caller else "peer_caller_id_name"),
        "at": written_moment_of(call.text(TIMES[name])),
        "id": make_key("wazo", leg, event),
    }
    if name == "call_ended":
        report["cause"] = cause_of(call.text("reason_code"))
        report["caller_extension" if is_caller else "called_extension"] = own
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
