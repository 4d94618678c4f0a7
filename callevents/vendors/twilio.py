"""Twilio's status callbacks, and those of its likes: SignalWire, jambonz.

https://www.twilio.com/docs/voice/twiml/number#attributes-status-callback-event and
https://developer.signalwire.com/compatibility-api/guides/signalwire-status-callbacks. Only child
legs, which a <Dial> makes, and calls that the API makes are looked at: the leg that comes in is
answered by Twilio itself. Extensions are the users of sip: and client: addresses; for an outside
number, the one that the callback's URL names with ext=.
"""

from email.utils import parsedate_to_datetime

from callevents.enums import Format
from callevents.vendors.message import (
    Earlier,
    Fields,
    Message,
    Reading,
    exact,
    make_key,
    number_of,
    passed_over,
    reported,
    require,
    seconds_of,
)
from callevents.vendors.vendor import SetupGuide, Snippet, Vendor

#: What each status is for who calls and for who is called, and the Q.850 cause of its hangup.
STATUSES = {
    "ringing": ("dial-out", "dial-in", ""),
    "in-progress": ("answer-out", "answer-in", ""),
    "answered": ("answer-out", "answer-in", ""),
    "completed": ("hangup", "hangup", "16"),
    "busy": ("hangup", "hangup", "17"),
    "no-answer": ("hangup", "hangup", "19"),
    "canceled": ("hangup", "hangup", "127"),
    "failed": ("hangup", "hangup", "34"),
}
OWN = ("sip:", "sips:", "client:")


def read(message: Message, _earlier: Earlier) -> Reading:
    """Return the reports of a leg's status: of who is called by it, and of who calls."""
    status = require(message, "CallStatus").lower()
    if status not in STATUSES:
        return passed_over("The call status", status)
    if not message.text("ParentCallSid") and message.text("Direction").lower() == "inbound":
        return Reading(
            passed_over="This leg came in and has no parent: only Twilio has answered it."
        )
    caller, called = require(message, "From"), require(message, "To")
    reports = []
    if extension := _own(caller) or ("" if _own(called) else message.text("ext")):
        reports.append(_report(message, status, number_of(extension), is_caller=True))
    if extension := _own(called):
        reports.append(_report(message, status, number_of(extension), is_caller=False))
    return reported(reports, "Neither end is a sip: or client: address, and the URL has no ext=.")


def _report(message: Message, status: str, extension: str, *, is_caller: bool) -> Fields:
    outgoing, incoming, cause = STATUSES[status]
    event = outgoing if is_caller else incoming
    leg = require(message, "CallSid")
    ends = number_of(message.text("From")), number_of(message.text("To"))
    report: Fields = {
        "event": event,
        "extension": extension,
        "peer": ends[1] if is_caller else ends[0],
        "call_id": message.text("ParentCallSid") or leg,
        "leg_id": leg,
        "caller_number": ends[0],
        "caller_name": message.text("CallerName"),
        "called_number": ends[1],
        "at": _moment(message.text("Timestamp")),
        "id": make_key("twilio", leg, event, "from" if is_caller else "to"),
    }
    if event == "hangup":
        report["cause"] = cause
        report["duration"] = seconds_of(message.text("CallDuration", "Duration"))
        report["caller_extension" if is_caller else "called_extension"] = extension
    return report


def _own(address: str) -> str:
    """Return the address if it is one of our own phones', and no number outside."""
    return address if address.lower().startswith(OWN) else ""


def _moment(text: str) -> str:
    """Return the time, which is written as in mails."""
    try:
        return exact(parsedate_to_datetime(text))
    except (ValueError, TypeError, IndexError, OverflowError):
        return ""


VENDOR = Vendor(
    format=Format.TWILIO,
    read=read,
    guides=(
        SetupGuide("twilio", "Twilio, SignalWire, jambonz", (Snippet("TwiML", "twilio.txt"),)),
    ),
)
