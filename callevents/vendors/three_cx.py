"""3CX, by third-party webhook reporters; 3CX itself sends no call events by HTTP.

https://creomate.com/3cx-webhook/ and
https://creomate.freshdesk.com/support/solutions/articles/101000408229-3cx-webhook-generator. The
names mislead: hangupincoming is sent when the call is answered, incoming when it has ended.
"""

import re

from callevents.enums import Format
from callevents.vendors.message import (
    Fields,
    FindEarlier,
    Message,
    ReadResult,
    ignore,
    make_key,
    make_result,
    require,
    seconds_of,
)
from callevents.vendors.vendor import SetupGuide, Snippet, Vendor

EVENTS = {
    "ringing": "dial-in",
    "dialing": "dial-out",
    "hangupincoming": "answer-in",
    "pickupincoming": "answer-in",
    "incomingcall_started": "answer-in",
    "hangupoutgoing": "answer-out",
    "pickupoutgoing": "answer-out",
    "outgoingcall_started": "answer-out",
    "incoming": "hangup",
    "outgoing": "hangup",
}
OUTGOING = {"dialing", "hangupoutgoing", "pickupoutgoing", "outgoingcall_started", "outgoing"}
#: Q.850 causes of a call's finishtype.
CAUSES = {"ok": "16", "missed": "19", "busy": "17", "noanswer": "19", "cancelled": "127"}


def read(message: Message, _find_earlier: FindEarlier) -> ReadResult:
    """Return the report of one event of one user."""
    event = require(message, "event").lower()
    if event not in EVENTS:
        return ignore("The reporter's event", event)
    kind = message.text("usertype").lower()
    if kind not in {"", "ext"}:
        return ReadResult(ignored=f"The user is not an extension but {kind[:20]!a}.")
    return make_result([_report(message, event)], "")


def _report(message: Message, event: str) -> Fields:
    is_out = event in OUTGOING
    user, outside = require(message, "user"), message.text("callerid")
    # The last part of an ID is the number of the step of the call.
    segment = message.text("id")
    call = message.text("chid") or segment.rpartition("-")[0] or segment
    caller, called = (user, outside) if is_out else (outside, user)
    slug = EVENTS[event]
    report: Fields = {
        "event": slug,
        "extension": user,
        "peer": outside,
        "call_id": call,
        "leg_id": f"{call[:180]};{user[:64]}" if call else "",
        "caller_number": caller,
        "called_number": called,
        "caller_name": "" if is_out else message.text("phonebook", "sip_displayname"),
        "called_did": "" if is_out else message.text("inbound_did", "did"),
    }
    if segment:
        report["id"] = make_key("3cx", segment, user, slug)
    if slug == "hangup":
        report["cause"] = CAUSES.get(message.text("finishtype").lower(), "")
        report["duration"] = _seconds(message.text("duration"))
        report["caller_extension" if is_out else "called_extension"] = user
    return report


def _seconds(text: str) -> str:
    """Return the seconds of a duration such as 3:24, 1:03:24 or 204."""
    if not re.fullmatch(r"(\d{1,3}:)?\d{1,3}:\d{1,2}", text, re.ASCII):
        return seconds_of(text)
    total = 0
    for part in text.split(":"):
        total = 60 * total + int(part)
    return str(total)


VENDOR = Vendor(
    format=Format.THREE_CX,
    read=read,
    guides=(
        SetupGuide(
            "3cx",
            "3CX with a webhook reporter",
            (Snippet("URL", "three_cx.txt"),),
            note="3CX sends no call events by HTTP. Third-party webhook reporters do.",
        ),
    ),
)
