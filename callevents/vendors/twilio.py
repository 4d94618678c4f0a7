"""Status callbacks of Twilio and compatible services: SignalWire, jambonz.

https://www.twilio.com/docs/voice/twiml/number#attributes-status-callback-event and
https://developer.signalwire.com/compatibility-api/guides/signalwire-status-callbacks. Only child
legs, created by <Dial>, and calls created by the API are read: an incoming leg is answered by
Twilio itself. Extensions are the users of sip: and client: addresses; for an outside number, the
extension is ext= of the callback URL.
"""

from email.utils import parsedate_to_datetime

from callevents.enums import Format
from callevents.vendors.message import (
    Fields,
    FindEarlier,
    Message,
    ReadResult,
    format_time,
    ignore,
    make_key,
    make_result,
    number_of,
    require,
    seconds_of,
)
from callevents.vendors.vendor import SetupGuide, Snippet, Vendor

#: By status: the call event of the caller and of the called party, and the Q.850 cause.
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
EXTENSION_SCHEMES = ("sip:", "sips:", "client:")


def read(message: Message, _find_earlier: FindEarlier) -> ReadResult:
    """Return the reports of a leg's status: of the caller and of the called party."""
    status = require(message, "CallStatus").lower()
    if status not in STATUSES:
        return ignore("The call status", status)
    if not message.text("ParentCallSid") and message.text("Direction").lower() == "inbound":
        return ReadResult(
            ignored="This incoming leg has no parent leg: only Twilio has answered it."
        )
    caller, called = require(message, "From"), require(message, "To")
    reports = []
    if extension := _extension_of(caller) or ("" if _extension_of(called) else message.text("ext")):
        reports.append(_report(message, status, number_of(extension), is_caller=True))
    if extension := _extension_of(called):
        reports.append(_report(message, status, number_of(extension), is_caller=False))
    return make_result(
        reports, "Neither end is a sip: or client: address, and the URL has no ext=."
    )


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


def _extension_of(address: str) -> str:
    """Return the address if it is an extension's, empty for an outside number."""
    return address if address.lower().startswith(EXTENSION_SCHEMES) else ""


def _moment(text: str) -> str:
    """Return the time of an RFC 2822 date; empty if invalid."""
    try:
        return format_time(parsedate_to_datetime(text))
    except (ValueError, TypeError, IndexError, OverflowError):
        return ""


VENDOR = Vendor(
    format=Format.TWILIO,
    read=read,
    guides=(
        SetupGuide("twilio", "Twilio, SignalWire, jambonz", (Snippet("TwiML", "twilio.txt"),)),
    ),
)
