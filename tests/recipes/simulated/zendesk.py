"""A simulated Zendesk with the Talk Partner Edition: call records, and tickets of calls.

From developer.zendesk.com: api-reference/voice/talk-partner-edition-api/calls (fields, types and
which are mandatory), .../basics (Create Ticket or Voicemail Ticket: via_id, display_to_agent, 422)
and documentation/voice/talk-partner-edition/creating-a-call-record-in-zendesk. The bodies of errors
are those of the Support API. An empty text is taken for a missing one.
"""

from datetime import datetime
from typing import Any, ClassVar

from tests.recipes.simulated.base import (
    Refused,
    Simulated,
    as_json,
    check_types,
    read_basic,
    read_object,
)
from tests.support.receiver import Arrival, Reply

EMAIL = "admin@example.com"
TOKEN = "6wiIBWbGkBMo1mRDMuVwkw1EPsNkeUj95PIz2akv"
APP_ID = 735264019863524
AGENTS = {"101": 1269, "102": 1270, "103": 1271}
MANDATORY = ("app_id", "from_line", "to_line", "call_started_at", "direction")
TYPES: dict[str, type] = {
    **dict.fromkeys(("from_line", "to_line", "direction", "call_disposition"), str),
    **dict.fromkeys(("call_started_at", "call_ended_at"), str),
    **dict.fromkeys(("app_id", "agent_id", "brand_id", "ticket_id"), int),
}
#: Voicemail, and phone calls in and out.
VIA_IDS = {44, 45, 46}


class Zendesk(Simulated):
    """Keeps call records and tickets, and who was shown each ticket."""

    answers: ClassVar = {"address": "URL", "email": EMAIL, "token": TOKEN, "app_id": str(APP_ID)}
    users: ClassVar = {number: str(agent) for number, agent in AGENTS.items()}

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[dict[str, Any]] = []
        self.tickets: list[tuple[int | None, dict[str, Any]]] = []

    def answer(self, arrival: Arrival) -> Reply:
        """Return the new call record or ticket."""
        if read_basic(arrival) != (f"{EMAIL}/token", TOKEN):
            raise Refused(401, {"error": "Couldn't authenticate you"})
        actions = {"/api/v2/calls": self._call, "/api/v2/channels/voice/tickets": self._ticket}
        action = actions.get(arrival.path.removesuffix(".json"))
        if not action or arrival.method != "POST":
            raise Refused(404, {"error": "InvalidEndpoint", "description": "Not found"})
        return as_json(action(read_object(arrival, _refuse_body)), 201)

    def _call(self, call: dict[str, Any]) -> dict[str, Any]:
        check_types(call, TYPES, _refuse)
        for name in MANDATORY:
            if not call.get(name):
                raise _refuse(f"{name} is mandatory.")
        if call["app_id"] != APP_ID:
            raise _refuse("app_id is unknown.")
        if call["direction"] not in {"inbound", "outbound"}:
            raise _refuse("direction is neither inbound nor outbound.")
        if call.get("agent_id") not in {None, *AGENTS.values()}:
            raise _refuse("agent_id is no agent.")
        started = _read_time(call["call_started_at"])
        if "call_ended_at" in call and _read_time(call["call_ended_at"]) < started:
            raise _refuse("call_ended_at is before call_started_at.")
        self.calls.append(call)
        return {"call": {"id": len(self.calls), **call}}

    def _ticket(self, body: dict[str, Any]) -> dict[str, Any]:
        agent, ticket = body.get("display_to_agent"), body.get("ticket")
        if agent not in {None, *AGENTS.values()}:
            raise _refuse("display_to_agent is no agent.")
        if not isinstance(ticket, dict):
            raise _refuse("ticket is mandatory.")
        if ticket.get("via_id") not in VIA_IDS:
            raise _refuse("via_id is not one of those of calls.")
        if not (ticket.get("description") or ticket.get("comment")):
            raise _refuse("Description: cannot be blank")
        self.tickets.append((agent, ticket))
        return {"ticket": {"id": len(self.tickets), **ticket}}


def _read_time(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise _refuse(f"{text!r} is not in ISO 8601.") from None
    if found.tzinfo is None:
        raise _refuse(f"{text!r} has no time zone.")
    return found


def _refuse_body(problem: str) -> Refused:
    return Refused(400, {"error": "InvalidJSON", "description": problem})


def _refuse(problem: str) -> Refused:
    return Refused(422, {"error": "RecordInvalid", "description": problem, "details": {}})
