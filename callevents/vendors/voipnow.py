"""VoipNow, and systems whose call events have the same names: Telphin and RingMe.

https://wiki.4psa.com/display/VNUAPI30/VoipNow+Call+Events (VoipNow) and
https://ringme-confluence.atlassian.net/wiki/spaces/Ringme/pages/1901921397 (RingMe). VoipNow does
not send the type of the event: the URL has it, as in docs/integrations/voipnow.md.
"""

from callevents.enums import Format
from callevents.ingest.field_values import normalize_name
from callevents.vendors.message import (
    Fields,
    FindEarlier,
    Message,
    ReadResult,
    cause_of,
    ignore,
    iso_time_of,
    make_result,
    moment_of,
    require,
    seconds_of,
)
from callevents.vendors.vendor import SetupGuide, Snippet, Vendor

#: The call events by EventType, for CallFlow OUT and IN.
EVENTS = {
    "dialin": ("dial-in", "dial-in"),
    "dialout": ("dial-out", "dial-out"),
    "answer": ("answer-out", "answer-in"),
    "answerin": ("answer-in", "answer-in"),
    "answerout": ("answer-out", "answer-out"),
    "hangup": ("hangup", "hangup"),
}
#: Telphin and RingMe send EventTime in microseconds since 1970.
MICROSECONDS_PER_SECOND = 1_000_000
#: A time in microseconds has at least this many digits; one in seconds has ten.
MIN_MICROSECOND_DIGITS = 14
STATUSES = {"ANSWER", "BUSY", "NOANSWER", "CANCEL", "CONGESTION", "CHANUNAVAIL", "CALLING"}


def read(message: Message, _find_earlier: FindEarlier) -> ReadResult:
    """Return the report of one event of one extension."""
    event = require(message, "EventType", "event")
    if normalize_name(event) not in EVENTS:
        return ignore("VoipNow's event", event)
    outgoing, incoming = EVENTS[normalize_name(event)]
    is_out = _is_out(message, incoming)
    return make_result([_report(message, outgoing if is_out else incoming, is_out=is_out)], "")


def _is_out(message: Message, event: str) -> bool:
    """Return True if the extension made the call, from CallFlow or else from the event."""
    flow = message.text("CallFlow").upper()
    if flow in {"IN", "OUT"}:
        return flow == "OUT"
    return event == "dial-out" or not message.text("CalledExtension")


def _report(message: Message, event: str, *, is_out: bool) -> Fields:
    caller, called = message.text("CallerExtension"), message.text("CalledExtension")
    status = message.text("CallStatus").upper()
    extensions = (caller, called) if is_out else (called, caller)
    report: Fields = {
        "event": event,
        "extension": message.text("Extension") or extensions[0] or extensions[1],
        "call_id": message.text("CallID"),
        "leg_id": message.text("SubCallID", "CallAPIID"),
        "caller_number": message.text("CallerIDNum"),
        "caller_name": message.text("CallerIDName"),
        "called_number": message.text("CalledNumber"),
        "called_did": message.text("CalledDID"),
        "caller_extension": caller,
        "called_extension": called,
        "peer": message.text("CalledNumber") if is_out else message.text("CallerIDNum"),
        "cause": cause_of(message.text("HangupCause")),
        "duration": seconds_of(message.text("Duration")),
        "at": _moment(message.text("EventTime")),
    }
    if event == "hangup" and status in STATUSES:
        report["status"] = status
    return report


def _moment(text: str) -> str:
    if text.isdigit() and len(text) >= MIN_MICROSECOND_DIGITS:
        return moment_of(text, units_per_second=MICROSECONDS_PER_SECOND)
    return moment_of(text) or iso_time_of(text)


VENDOR = Vendor(
    format=Format.VOIPNOW,
    read=read,
    guides=(
        SetupGuide(
            "voipnow",
            "VoipNow, Telphin, RingMe",
            (
                Snippet(
                    "A URL for each event",
                    "voipnow.txt",
                    "VoipNow does not send the type of the event, so the URL has it. Telphin and "
                    "RingMe send it; for them, leave out &event=.",
                ),
            ),
        ),
    ),
)
