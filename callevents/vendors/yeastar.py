"""Yeastar P-Series: event 30011, a snapshot of all members of a call.

https://help.yeastar.com/en/p-series-software-edition/developer-guide/event-call-status-changed.html
and, for X-Signature, the webhook page of the same guide. Each message has every member with its
present status, so what has not changed is told again: the key of an event is made of the call, the
member's channel and the event, and what is known already creates nothing.
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
    Earlier,
    Fields,
    Message,
    Reading,
    make_key,
    mapping_of,
    passed_over,
    reported,
    require,
    text_of,
)
from callevents.vendors.vendor import SetupGuide, Signature, Snippet, Vendor

CALL_CHANGED = "30011"
#: What a status means of an extension: who calls is ALERT and ANSWERED, who is called the others.
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
    """One party of the call: an extension, or who is called or calls from outside."""

    kind: str
    number: str
    channel: str
    status: str
    #: The public number that was called from outside.
    did: str = ""


def read(message: Message, _earlier: Earlier) -> Reading:
    """Return what the snapshot says of each extension."""
    event = require(message, "type")
    if event != CALL_CHANGED:
        return passed_over("Yeastar's event", event)
    call = _read_call(message)
    call_id = require(call, "call_id")
    members = _read_members(call)
    is_over = _is_over(members)
    reports = [
        _report(call_id, member, members, is_over=is_over)
        for member in members
        if member.kind == "extension" and (member.status in EVENTS or is_over)
    ]
    return reported(reports, "No extension has a status that is one of the five call events.")


def _is_over(members: list[Member]) -> bool:
    """Return whether one party is left at most, for whom the call is over then too.

    Unless it is a caller who waits: the PBX may try somebody else.
    """
    left = [member for member in members if member.status != "BYE"]
    return len(left) < 2 <= len(members) and all(member.status != "ALERT" for member in left)


def is_signed(raw: bytes, signature: str, secret: str) -> bool:
    """Return whether the body was signed with the secret."""
    wanted = b64encode(hmac.new(secret.encode(), raw, sha256).digest())
    return hmac.compare_digest(wanted, signature.strip().encode("utf-8", "replace"))


def _read_call(message: Message) -> Message:
    """Return the object in `msg`, which is a text of JSON."""
    value = message.values.get("msg")
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise InvalidError.of("msg", "This must be a text of JSON.") from None
    if not isinstance(value, dict):
        raise InvalidError.of("msg", "This must be a JSON object, written as a text.")
    return Message.of(value)


def _read_members(call: Message) -> list[Member]:
    found = call.values.get("members")
    if not isinstance(found, list):
        raise InvalidError.of("members", "This must be a list of the call's members.")
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
    """Return the other party: outside if somebody is, else the one at the call's other end."""
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
