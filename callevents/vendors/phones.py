"""Desk phones' Action URLs: Yealink, Grandstream, Snom, Akuvox and others with the same variables.

https://support.yealink.com (Administrator's Guide, Action URL),
https://www.grandstream.com (Action URL User Guide), http://wiki.snom.com/Features/Action_URL,
http://wiki.akuvox.com. A phone puts its values into the URL that stands for each event in its
settings; the event's word is in that URL. 'established' and 'terminated' do not say who called:
that follows from the earlier event of the same call.
"""

from collections.abc import Sequence

from callevents.enums import EventType, Format
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
