"""sipgate.io's push API: newCall, and answer and hangup, which the reply to newCall subscribes to.

https://developer.sipgate.io/push-api/api-reference/. Extensions are the users' IDs (w0), or their
names if no ID is sent. A hangup names no user: it applies to everyone still in the call.
"""

from collections.abc import Sequence
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from callevents.enums import EventType, Format
from callevents.vendors.message import (
    EarlierEvent,
    Fields,
    FindEarlier,
    Message,
    ReadResult,
    find_event_types,
    find_extensions_in_call,
    ignore,
    make_key,
    make_result,
    require,
)
from callevents.vendors.vendor import Reply, SetupGuide, Snippet, Vendor

NEW_CALL, ANSWER, HANGUP = "newCall", "answer", "hangup"
#: The call events of an outgoing and of an incoming call.
EVENTS = {NEW_CALL: ("dial-out", "dial-in"), ANSWER: ("answer-out", "answer-in")}
#: Q.850 causes.
CAUSES = {
    "normalClearing": "16",
    "busy": "17",
    "cancel": "127",
    "noAnswer": "19",
    "congestion": "34",
    "notFound": "1",
    "forwarded": "16",
}
#: Q.850 cause 'non-selected user clearing': answered elsewhere.
ANSWERED_ELSEWHERE = "26"


def read(message: Message, find_earlier: FindEarlier) -> ReadResult:
    """Return the reports of every user concerned."""
    event = require(message, "event")
    call = require(message, "callId")
    if event == HANGUP:
        users = find_extensions_in_call(find_earlier(call))
        cause = CAUSES.get(message.text("cause"), "")
        ends = [_report(message, call, "hangup", user, cause) for user in users]
        return make_result(ends, "There is no earlier event of this call.")
    if event not in EVENTS:
        return ignore("sipgate's event", event)
    is_out = require(message, "direction") == "out"
    users = list(dict.fromkeys(message.texts("userId[]") or message.texts("user[]")))
    reports = [_report(message, call, EVENTS[event][not is_out], user) for user in users]
    if event == ANSWER and not is_out and users:
        reports += _end_others(message, call, users, find_earlier(call))
    return make_result(reports, "This event names no sipgate user.")


def write_reply(url: str, token: str) -> str:
    """Return the XML that subscribes to answer and hangup of this call."""
    address = quoteattr(f"{url}?token={quote(token)}")
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Response onAnswer={address} onHangup={address}/>\n"
    )


def _end_others(
    message: Message, call: str, users: list[str], earlier: Sequence[EarlierEvent]
) -> list[Fields]:
    """Return the hangups of the users whose phones rang while another user answered."""
    return [
        _report(message, call, "hangup", user, ANSWERED_ELSEWHERE)
        for user in find_extensions_in_call(earlier)
        if user not in users and find_event_types(earlier, user) == {EventType.DIAL_IN}
    ]


def _report(message: Message, call: str, event: str, user: str, cause: str = "") -> Fields:
    is_out = message.text("direction") == "out"
    caller, called = message.text("from"), message.text("to")
    return {
        "event": event,
        "extension": user,
        "peer": called if is_out else caller,
        "call_id": call,
        "leg_id": f"{call[:150]};{user[:64]}",
        "caller_number": caller,
        "called_number": called,
        "called_did": "" if is_out else called,
        "cause": cause,
        "id": make_key("sipgate", call, user, event),
    }


VENDOR = Vendor(
    format=Format.SIPGATE,
    read=read,
    reply=Reply("application/xml", write_reply),
    guides=(
        SetupGuide(
            "sipgate",
            "sipgate.io",
            (
                Snippet(
                    "URL for incoming and outgoing calls",
                    "webhook.txt",
                    "Under sipgate.io, Webhooks.",
                ),
            ),
            note="Extensions are sipgate's user IDs, w0 and so on.",
        ),
    ),
)
