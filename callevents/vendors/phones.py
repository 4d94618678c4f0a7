"""Desk phones' Action URLs: Yealink, Grandstream, Snom, Akuvox and others with the same variables.

https://support.yealink.com (Administrator's Guide, Action URL),
https://www.grandstream.com (Action URL User Guide), http://wiki.snom.com/Features/Action_URL,
http://wiki.akuvox.com. A phone puts its values into the URL that stands for each event in its
settings; the event's word is in that URL. 'established' and 'terminated' do not say who called:
that follows from the earlier event of the same call.
"""

from collections.abc import Sequence

from callevents.enums import EventType
from callevents.vendors.message import (
    Earlier,
    Fields,
    Message,
    Reading,
    Told,
    number_of,
    passed_over,
    reported,
    require,
)

ESTABLISHED = "established"
EVENTS = {
    "incoming": "dial-in",
    "outgoing": "dial-out",
    ESTABLISHED: "",
    "connected": "",
    "terminated": "hangup",
    "disconnected": "hangup",
    "missed": "hangup",
    "rejected": "hangup",
}
CAUSES = {"missed": "19", "rejected": "21"}
ANSWERS = {EventType.DIAL_IN: "answer-in", EventType.DIAL_OUT: "answer-out"}


def read(message: Message, earlier: Earlier) -> Reading:
    """Return the report of what happened at one phone."""
    event = require(message, "event").lower()
    if event not in EVENTS:
        return passed_over("The phone's event", event)
    extension = number_of(require(message, "ext", "active_user", "local"))
    peer = number_of(message.text("remote"))
    # Some phones tell no call id: then their calls are told apart by who they are with.
    call = message.text("call_id") or f"{extension[:64]};{peer[:64]}"
    dialled = _dialled(earlier(call), extension)
    what = EVENTS[event] or (ANSWERS[dialled.event_type] if dialled else "")
    if not what:
        return Reading(
            passed_over=f"'{event}' came without an 'incoming' or 'outgoing' of the same call "
            "before, so nothing tells who called whom."
        )
    return reported([_report(message, event, what, extension, peer, call)], "")


def _dialled(told: Sequence[Told], extension: str) -> Told | None:
    """Return the newest event of the extension that says who called."""
    found = None
    for one in told:
        if one.extension == extension and one.event_type in ANSWERS:
            found = one
    return found


def _report(
    message: Message, event: str, what: str, extension: str, peer: str, call: str
) -> Fields:
    name = message.text("display_remote")
    return {
        "event": what,
        "extension": extension,
        "peer": peer,
        "call_id": call,
        "caller_name": name if what in {"dial-in", "answer-in"} else "",
        "cause": CAUSES.get(event, ""),
    }
