"""Kamailio: reports of the dialog module's events, sent by a route with http_client.

The words are those of the route in docs/integrations/kamailio.md, tested with Kamailio 5.6.3. The
meaning of the events is documented at https://www.kamailio.org/docs/modules/5.6.x/modules/dialog.html.
"""

from callevents.enums import Format
from callevents.vendors.message import (
    Fields,
    FindEarlier,
    Message,
    ReadResult,
    find_event_types,
    ignore,
    make_key,
    make_result,
    moment_of,
    number_of,
    require,
)
from callevents.vendors.vendor import SetupGuide, Snippet, Vendor

#: The event of the caller, and of the called party, for each word.
EVENTS = {
    "invite": ("dial-out", ""),
    "ringing": ("", "dial-in"),
    "dialog_start": ("answer-out", "answer-in"),
    "dialog_end": ("hangup", "hangup"),
    "dialog_failed": ("hangup", "hangup"),
}
#: Which of the two ends, caller and called party, are extensions; a trunk is none.
SIDES = {"both": (True, True), "from": (True, False), "to": (False, True)}
#: Q.850 causes of SIP's final responses: RFC 3398, and for 487 Asterisk's cause of a cancel.
CAUSES = {
    **dict.fromkeys(("404", "410", "484", "485", "604"), "1"),
    **dict.fromkeys(("408", "480", "504"), "18"),
    **dict.fromkeys(("486", "600"), "17"),
    "487": "127",
    **dict.fromkeys(("401", "403", "407", "603"), "21"),
    **dict.fromkeys(("500", "502", "503"), "34"),
    "488": "58",
    "606": "58",
}


def read(message: Message, find_earlier: FindEarlier) -> ReadResult:
    """Return the reports of a dialog event: one for each end that is an extension."""
    event = require(message, "event")
    if event not in EVENTS:
        return ignore("Kamailio's event", event)
    ends = number_of(require(message, "from")), number_of(require(message, "to"))
    local = SIDES.get(message.text("local") or "both", (True, True))
    call = require(message, "callid")
    earlier = find_earlier(call) if event == "dialog_failed" else ()
    reports: list[Fields] = []
    for side, event_slug in enumerate(EVENTS[event]):
        # A phone that rejected the call without ringing has no call to hang up.
        is_in_call = side == 0 or event != "dialog_failed" or find_event_types(earlier, ends[1])
        if event_slug and local[side] and is_in_call:
            reports.append(_report(message, call, event_slug, ends, side))
    return make_result(reports, f"No extension has a call event for {event!a}.")


def _report(message: Message, call: str, event: str, ends: tuple[str, str], side: int) -> Fields:
    report: Fields = {
        "event": event,
        "extension": ends[side],
        "peer": ends[1 - side],
        "call_id": call,
        "leg_id": f"{call[:200]};{'from' if side == 0 else 'to'}",
        "caller_number": ends[0],
        "called_number": ends[1],
        "at": moment_of(message.text("at")),
        "id": make_key("kamailio", call, event, ends[side], str(side)),
    }
    if event == "hangup":
        report["cause"] = _cause(message)
        report["called_extension" if side else "caller_extension"] = ends[side]
    return report


def _cause(message: Message) -> str:
    if message.text("event") == "dialog_end":
        return "16"
    return CAUSES.get(message.text("code"), "")


VENDOR = Vendor(
    format=Format.KAMAILIO,
    read=read,
    guides=(
        SetupGuide(
            "kamailio",
            "Kamailio",
            (Snippet("kamailio.cfg", "kamailio.txt"),),
            is_tested=True,
        ),
    ),
)
