"""Yeastar P-Series: event 30011, a snapshot of all members of a call.

https://help.yeastar.com/en/p-series-software-edition/developer-guide/event-call-status-changed.html
and, for X-Signature, the webhook page of the same guide. Each message has every member with its
current status, so it repeats what has not changed. The key of an event consists of the call, the
member's channel and the event, so repetitions are duplicates.
"""

import hmac
import json
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

from callevents.enums import Format
from callevents.errors import InvalidError
from callevents.vendors.message import (
    MAX_REPORTS,
    Fields,
    FindEarlier,
    Message,
    ReadResult,
    ignore,
    make_key,
    make_result,
    mapping_of,
    require,
    text_of,
)
from callevents.vendors.vendor import SetupGuide, Signature, Snippet, Vendor

CALL_CHANGED = "30011"
#: The call event of an extension's status. A caller has ALERT and ANSWERED.
EVENTS = {
    "ALERT": "dial-out",
    "ANSWERED": "answer-out",
    "RING": "dial-in",
    "ANSWER": "answer-in",
    "BYE": "hangup",
}
CALLERS = {"ALERT", "ANSWERED"}
SIGNATURE_HEADER = "X-Signature"


@dataclass(frozen=True)
class Member:
    """One party of the call: an extension or an outside party."""

    kind: str
    number: str
    channel: str
    status: str
    #: The public number that an outside party called.
    did: str = ""


def read(message: Message, _find_earlier: FindEarlier) -> ReadResult:
    """Return the report of each extension in the snapshot."""
    event = require(message, "type")
    if event != CALL_CHANGED:
        return ignore("Yeastar's event", event)
    call = _read_call(message)
    call_id = require(call, "call_id")
    members = _read_members(call)
    is_over = _is_over(members)
    reports = [
        _report(call_id, member, members, is_over=is_over)
        for member in members
        if member.kind == "extension" and (member.status in EVENTS or is_over)
    ]
    return make_result(reports, "No extension has a status that is one of the five call events.")


def _is_over(members: list[Member]) -> bool:
    """Return True if at most one party is left, for whom the call is over too.

    A caller who is still waiting (ALERT) does not count: the PBX may ring another phone.
    """
    left = [member for member in members if member.status != "BYE"]
    return len(left) < 2 <= len(members) and all(member.status != "ALERT" for member in left)


def is_signed(raw: bytes, signature: str, secret: str) -> bool:
    """Return True if the signature is the base64 of the HMAC-SHA256 of the body."""
    expected = b64encode(hmac.new(secret.encode(), raw, sha256).digest())
    return hmac.compare_digest(expected, signature.strip().encode("utf-8", "replace"))


def _read_call(message: Message) -> Message:
    """Return the object in `msg`, which is JSON in a string."""
    value = message.values.get("msg")
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise InvalidError.of("msg", "Must be a string of JSON.") from None
    if not isinstance(value, dict):
        raise InvalidError.of("msg", "Must be a JSON object in a string.")
    return Message.of(value)


def _read_members(call: Message) -> list[Member]:
    found = call.values.get("members")
    if not isinstance(found, list):
        raise InvalidError.of("members", "Must be a list of the call's members.")
    return [member for one in found[:MAX_REPORTS] for member in _members_of(mapping_of(one))]


def _members_of(parts: object) -> Iterator[Member]:
    for kind in ("extension", "inbound", "outbound"):
        if part := mapping_of(mapping_of(parts).get(kind)):
            number = {"extension": "number", "inbound": "from", "outbound": "to"}[kind]
            yield Member(
                kind,
                text_of(part.get(number)),
                text_of(part.get("channel_id")),
                text_of(part.get("member_status")).upper(),
                text_of(part.get("to")) if kind == "inbound" else "",
            )


def _report(call_id: str, member: Member, members: list[Member], *, is_over: bool) -> Fields:
    event = "hangup" if is_over else EVENTS[member.status]
    others = [other for other in members if other is not member]
    peer = _peer(member, others)
    return {
        "event": event,
        "extension": member.number,
        "peer": peer.number if peer else "",
        "call_id": call_id,
        "leg_id": member.channel,
        "called_did": peer.did if peer else "",
        "id": make_key("yeastar", call_id, member.channel or member.number, event),
    }


def _peer(member: Member, others: list[Member]) -> Member | None:
    """Return the other party: an outside party, or else the one at the other end of the call."""
    outside = [other for other in others if other.kind != "extension"]
    is_caller = member.status in CALLERS
    opposite = [other for other in others if (other.status in CALLERS) is not is_caller]
    return next(iter(outside or opposite or others), None)


VENDOR = Vendor(
    format=Format.YEASTAR,
    read=read,
    signature=Signature(SIGNATURE_HEADER, is_signed),
    guides=(
        SetupGuide(
            "yeastar",
            "Yeastar P-Series",
            (
                Snippet(
                    "Webhook URL",
                    "webhook.txt",
                    "Under Integrations, API or Webhook: choose the event (30011) Call State "
                    "Changed, POST and JSON.",
                ),
            ),
            note="Enter the webhook's secret above as well: then unsigned messages are rejected.",
        ),
    ),
)
