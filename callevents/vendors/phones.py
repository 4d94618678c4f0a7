"""Desk phones' Action URLs: Yealink, Grandstream, Snom, Akuvox and others with the same variables.

https://support.yealink.com (Administrator's Guide, Action URL),
https://www.grandstream.com (Action URL User Guide), http://wiki.snom.com/Features/Action_URL,
http://wiki.akuvox.com. A phone has a URL for each event and fills its variables into it; the URL
names the event. 'established' does not say who called: that follows from the earlier event of the
same call.
"""

from collections.abc import Sequence

from callevents.enums import EventType, Format
from callevents.vendors.message import (
    EarlierEvent,
    Fields,
    FindEarlier,
    Message,
    ReadResult,
    ignore,
    make_result,
    number_of,
    require,
)
from callevents.vendors.vendor import SetupGuide, Snippet, Vendor

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


def read(message: Message, find_earlier: FindEarlier) -> ReadResult:
    """Return the report of one event of one phone."""
    event = require(message, "event").lower()
    if event not in EVENTS:
        return ignore("The phone's event", event)
    extension = number_of(require(message, "ext", "active_user", "local"))
    peer = number_of(message.text("remote"))
    # Some phones send no call ID: the other party then identifies the call.
    call = message.text("call_id") or f"{extension[:64]};{peer[:64]}"
    dial = _find_dial(find_earlier(call), extension)
    slug = EVENTS[event] or (ANSWERS[dial.event_type] if dial else "")
    if not slug:
        return ReadResult(
            ignored=f"'{event}' came without an earlier 'incoming' or 'outgoing' of the same "
            "call, so the direction of the call is unknown."
        )
    return make_result([_report(message, event, slug, extension, peer, call)], "")


def _find_dial(events: Sequence[EarlierEvent], extension: str) -> EarlierEvent | None:
    """Return the latest dial-in or dial-out of the extension."""
    found = None
    for event in events:
        if event.extension == extension and event.event_type in ANSWERS:
            found = event
    return found


def _report(
    message: Message, event: str, slug: str, extension: str, peer: str, call: str
) -> Fields:
    name = message.text("display_remote")
    return {
        "event": slug,
        "extension": extension,
        "peer": peer,
        "call_id": call,
        "caller_name": name if slug in {"dial-in", "answer-in"} else "",
        "cause": CAUSES.get(event, ""),
    }


_GRANDSTREAM = "&active_user=$active_user&remote=$remote&display_remote=$display_remote"
_YEALINK = _GRANDSTREAM + "&call_id=$call_id"
_SNOM = "&local=$local&remote=$remote&display_remote=$display_remote&call_id=$call-id"
_NOTE = (
    "Enter all of the URLs: 'established' counts as an answer only after 'incoming' or 'outgoing' "
    "of the same call. Phones cannot keep a secret well: add a PBX, and so a token, for each site."
)

VENDOR = Vendor(
    format=Format.PHONES,
    read=read,
    guides=(
        SetupGuide(
            "yealink",
            "Yealink phones",
            (Snippet("Action URLs", "yealink.txt"),),
            variables=_YEALINK,
            note=_NOTE,
        ),
        SetupGuide(
            "grandstream",
            "Grandstream phones",
            (Snippet("Action URLs", "grandstream.txt", "Leave out http:// for these phones."),),
            variables=_GRANDSTREAM,
            adds_http_scheme=True,
            note=_NOTE,
        ),
        SetupGuide(
            "snom",
            "Snom phones",
            (Snippet("Action URLs", "snom.txt"),),
            variables=_SNOM,
            note=_NOTE,
        ),
    ),
)
