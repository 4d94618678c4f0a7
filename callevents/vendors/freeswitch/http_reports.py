"""FreeSWITCH by HTTP: reports of a dialplan's api hooks, and call records of mod_json_cdr.

https://developer.signalwire.com/freeswitch/FreeSWITCH-Explained/Modules/mod_json_cdr_3964929/ and
https://developer.signalwire.com/freeswitch/Channel-Variables-Catalog/ (api_on_ring and the like).
Both were recorded on FreeSWITCH 1.10.12. A record is sent after the hangup of each leg, so it is
only a hangup, with the exact cause and duration, which a hook does not have.
"""

from callevents.ingest.field_values import normalize_name
from callevents.vendors.message import (
    Fields,
    FindEarlier,
    Message,
    ReadResult,
    cause_of,
    ignore,
    make_key,
    make_result,
    mapping_of,
    moment_of,
    number_of,
    require,
    seconds_of,
)

#: The event names of the hooks in docs/integrations/freeswitch.md.
EVENTS = {
    "dialout": "dial-out",
    "dialin": "dial-in",
    "answerin": "answer-in",
    "answerout": "answer-out",
    "hangup": "hangup",
}
MICROSECONDS_PER_SECOND = 1_000_000


def read(message: Message, _find_earlier: FindEarlier) -> ReadResult:
    """Return the report of a hook, or the hangup of a call record."""
    if mapping_of(message.values.get("variables")):
        return _read_record(message)
    event = require(message, "event")
    if normalize_name(event) not in EVENTS:
        return ignore("FreeSWITCH's event", event)
    return make_result([_read_hook(message, EVENTS[normalize_name(event)])], "")


def _read_hook(message: Message, event: str) -> Fields:
    leg = message.text("leg")
    extension = number_of(require(message, "ext"))
    report: Fields = {
        "event": event,
        "extension": extension,
        "peer": number_of(message.text("peer")),
        "call_id": message.text("call") or leg,
        "leg_id": leg,
        "caller_name": message.text("name"),
        "at": moment_of(message.text("at"), units_per_second=MICROSECONDS_PER_SECOND),
        "cause": cause_of(message.text("cause")),
    }
    if leg:
        report["id"] = _key(leg, event)
    return report


def _read_record(message: Message) -> ReadResult:
    variables = message.part("variables")
    extension = number_of(variables.text("presence_id"))
    if not extension:
        return ReadResult(
            ignored="This call record is of a leg without presence_id, so of no extension."
        )
    is_out = variables.text("direction") == "inbound"
    if is_out and not variables.text("originated_legs", "last_bridge_to", "bridge_uuid"):
        return ReadResult(ignored="This call record is of a call without another party.")
    return make_result([_report_of_record(message, variables, extension, is_out=is_out)], "")


def _report_of_record(
    message: Message, variables: Message, extension: str, *, is_out: bool
) -> Fields:
    profile = _profile(message)
    leg = require(variables, "uuid")
    caller, called = profile.text("caller_id_number"), profile.text("destination_number")
    peer = called if is_out else caller
    end = "caller_extension" if is_out else "called_extension"
    return {
        "event": "hangup",
        "extension": extension,
        "peer": peer,
        "call_id": variables.text("originator", "cc_member_session_uuid", "call_uuid") or leg,
        "leg_id": leg,
        "caller_number": caller,
        "caller_name": profile.text("caller_id_name"),
        "called_number": called,
        end: extension,
        "cause": cause_of(variables.text("hangup_cause_q850")),
        "duration": seconds_of(variables.text("billsec")),
        "at": moment_of(variables.text("end_uepoch"), units_per_second=MICROSECONDS_PER_SECOND),
        "id": _key(leg, "hangup"),
    }


def _profile(message: Message) -> Message:
    """Return the caller profile of the first destination: the last part of the call flow."""
    flow = message.values.get("callflow")
    parts = flow if isinstance(flow, list) else [flow]
    last = Message.of(mapping_of(parts[-1])) if parts else Message({})
    return last.part("caller_profile")


def _key(leg: str, event: str) -> str:
    """Return the key, which a hook's report and the record of the same leg share."""
    return make_key("freeswitch", leg, event)
