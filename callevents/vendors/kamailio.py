"""Kamailio: what a route with http_client reports of the dialog module's events.

The words are those of the route in docs/integrations/kamailio.md, tested with Kamailio 5.6.3; what
the events mean is in https://www.kamailio.org/docs/modules/5.6.x/modules/dialog.html.
"""

from callevents.enums import Format
from callevents.vendors.message import (
    Earlier,
    Fields,
    Message,
    Reading,
    make_key,
    moment_of,
    number_of,
    passed_over,
    reported,
    require,
    told_of,
)
from callevents.vendors.vendor import SetupGuide, Snippet, Vendor

#: What each word means for who calls and who is called.
EVENTS = {
    "invite": ("dial-out", ""),
    "ringing": ("", "dial-in"),
    "dialog_start": ("answer-out", "answer-in"),
    "dialog_end": ("hangup", "hangup"),
    "dialog_failed": ("hangup", "hangup"),
}
#: Which of the two are extensions of this PBX: with a trunk at one end, only the other one is.
SIDES = {"both": (True, True), "from": (True, False), "to": (False, True)}
#: Q.850 causes of SIP's final answers: RFC 3398, and for 487 what Asterisk gives a caller's cancel.
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


def read(message: Message, earlier: Earlier) -> Reading:
    """Return the reports of an event of a dialog: one for each end that is an extension."""
    event = require(message, "event")
    if event not in EVENTS:
        return passed_over("Kamailio's event", event)
    ends = number_of(require(message, "from")), number_of(require(message, "to"))
    local = SIDES.get(message.text("local") or "both", (True, True))
    call = require(message, "callid")
    told = earlier(call) if event == "dialog_failed" else ()
    reports: list[Fields] = []
    for side, what in enumerate(EVENTS[event]):
        # Who was refused at once has not rung, and so has nothing to end.
        is_in_call = side == 0 or event != "dialog_failed" or told_of(told, ends[1])
        if what and local[side] and is_in_call:
            reports.append(_report(message, call, what, ends, side))
    return reported(reports, f"Nothing of an extension has to be reported for {event!a}.")


def _report(message: Message, call: str, what: str, ends: tuple[str, str], side: int) -> Fields:
    report: Fields = {
        "event": what,
        "extension": ends[side],
        "peer": ends[1 - side],
        "call_id": call,
        "leg_id": f"{call[:200]};{'from' if side == 0 else 'to'}",
        "caller_number": ends[0],
        "called_number": ends[1],
        "at": moment_of(message.text("at")),
        "id": make_key("kamailio", call, what, ends[side], str(side)),
    }
    if what == "hangup":
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
