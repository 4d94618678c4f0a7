"""sipgate.io's push API: newCall, and answer and hangup, which the answer to newCall asks for.

https://developer.sipgate.io/push-api/api-reference/. Extensions are the users' ids (w0), or their
names where no id is sent. A hangup names nobody: it is of all who are still in the call.
"""

from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from callevents.enums import EventType, Format
from callevents.vendors.message import (
    Earlier,
    Fields,
    Message,
    Reading,
    make_key,
    passed_over,
    present,
    reported,
    require,
    told_of,
)
from callevents.vendors.vendor import Reply, SetupGuide, Snippet, Vendor

NEW_CALL, ANSWER, HANGUP = "newCall", "answer", "hangup"
#: The events of a call that was made, and of one that comes in.
EVENTS = {NEW_CALL: ("dial-out", "dial-in"), ANSWER: ("answer-out", "answer-in")}
#: Q.850 causes of sipgate's words.
CAUSES = {
    "normalClearing": "16",
    "busy": "17",
    "cancel": "127",
    "noAnswer": "19",
    "congestion": "34",
    "notFound": "1",
    "forwarded": "16",
}
#: Answered elsewhere.
LOST = "26"


def read(message: Message, earlier: Earlier) -> Reading:
    """Return the reports of every user concerned."""
    event = require(message, "event")
    call = require(message, "callId")
    if event == HANGUP:
        users = present(earlier(call))
        cause = CAUSES.get(message.text("cause"), "")
        ends = [_report(message, call, "hangup", user, cause) for user in users]
        return reported(ends, "Nothing was reported before of this call.")
    if event not in EVENTS:
        return passed_over("sipgate's event", event)
    is_out = require(message, "direction") == "out"
    users = list(dict.fromkeys(message.texts("userId[]") or message.texts("user[]")))
    reports = [_report(message, call, EVENTS[event][not is_out], user) for user in users]
    if event == ANSWER and not is_out and users:
        reports += _losers(message, call, users, earlier)
    return reported(reports, "No user of sipgate is named in this event.")


def write_reply(url: str, token: str) -> str:
    """Return the document by which sipgate reports answer and hangup of this call too."""
    address = quoteattr(f"{url}?token={quote(token)}")
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Response onAnswer={address} onHangup={address}/>\n"
    )


def _losers(message: Message, call: str, users: list[str], earlier: Earlier) -> list[Fields]:
    """Return the hangups of those whose phones rang, and another one has answered."""
    told = earlier(call)
    return [
        _report(message, call, "hangup", user, LOST)
        for user in present(told)
        if user not in users and told_of(told, user) == {EventType.DIAL_IN}
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
