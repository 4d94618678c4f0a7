"""FreeSWITCH: what a dialplan's api hooks report, and the call records of mod_json_cdr.

https://developer.signalwire.com/freeswitch/FreeSWITCH-Explained/Modules/mod_json_cdr_3964929/ and
https://developer.signalwire.com/freeswitch/Channel-Variables-Catalog/ (api_on_ring and the like).
Both were recorded on FreeSWITCH 1.10.12. A record comes after the hangup, for each leg, so it makes
a hangup only: with the exact cause and duration, where a hook's has none.
"""

from callevents.ingest.field_values import normalize_name
from callevents.vendors.message import (
    Earlier,
    Fields,
    Message,
    Reading,
    cause_of,
    make_key,
    mapping_of,
    moment_of,
    number_of,
    passed_over,
    reported,
    require,
    seconds_of,
)

#: The words of the hooks in docs/integrations/freeswitch.md.
EVENTS = {
    "dialout": "dial-out",
    "dialin": "dial-in",
    "answerin": "answer-in",
    "answerout": "answer-out",
    "hangup": "hangup",
}
MICROSECONDS = 1_000_000


def read(message: Message, _earlier: Earlier) -> Reading:
    """Return the report of a hook, or the hangup of a call record."""
    if mapping_of(message.values.get("variables")):
        return _read_record(message)
    event = require(message, "event")
    if normalize_name(event) not in EVENTS:
        return passed_over("FreeSWITCH's event", event)
    return reported([_of_hook(message, EVENTS[normalize_name(event)])], "")


def _of_hook(message: Message, event: str) -> Fields:
    leg = message.text("leg")
    extension = number_of(require(message, "ext"))
    report: Fields = {
        "event": event,
        "extension": extension,
        "peer": number_of(message.text("peer")),
        "call_id": message.text("call") or leg,
        "leg_id": leg,
        "caller_name": message.text("name"),
        "at": moment_of(message.text("at"), units_per_second=MICROSECONDS),
        "cause": cause_of(message.text("cause")),
    }
    if leg:
        report["id"] = _key(leg, event)
    return report


def _read_record(message: Message) -> Reading:
    variables = message.part("variables")
    extension = number_of(variables.text("presence_id"))
    if not extension:
        return Reading(
            passed_over="This call record is of a leg without presence_id: no extension."
        )
    is_out = variables.text("direction") == "inbound"
    if is_out and not variables.text("originated_legs", "last_bridge_to", "bridge_uuid"):
        return Reading(passed_over="This call record is of a call that reached nobody else.")
    return reported([_of_record(message, variables, extension, is_out=is_out)], "")


def _of_record(message: Message, variables: Message, extension: str, *, is_out: bool) -> Fields:
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
        "at": moment_of(variables.text("end_uepoch"), units_per_second=MICROSECONDS),
        "id": _key(leg, "hangup"),
    }


def _profile(message: Message) -> Message:
    """Return the caller's profile of where the call went first: the last part of the flow."""
    flow = message.values.get("callflow")
    parts = flow if isinstance(flow, list) else [flow]
    last = Message.of(mapping_of(parts[-1])) if parts else Message({})
    return last.part("caller_profile")


def _key(leg: str, event: str) -> str:
    """Return the same key for a hook's report and the record of the same leg."""
    return make_key("freeswitch", leg, event)
