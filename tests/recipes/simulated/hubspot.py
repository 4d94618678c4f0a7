"""A simulated HubSpot: calls of its CRM.

From developers.hubspot.com/docs/guides/api/crm/engagements/calls.
"""

import re
from datetime import datetime
from typing import Any, ClassVar

from tests.recipes.simulated.base import Refused, Simulated, as_json, read_header, read_json
from tests.support.receiver import Arrival, Reply

TOKEN = "pat-eu1-5f1c2d3e"
OWNERS = {"701", "702"}
DIRECTIONS = {"INBOUND", "OUTBOUND"}
STATUSES = {
    *("BUSY", "CALLING_CRM_USER", "CANCELED", "COMPLETED", "CONNECTING", "FAILED"),
    *("IN_PROGRESS", "NO_ANSWER", "QUEUED", "RINGING"),
}
PROPERTIES = {
    *("hs_timestamp", "hs_call_body", "hs_call_callee_object_id", "hs_call_direction"),
    *("hs_call_callee_object_type_id", "hs_call_disposition", "hs_call_duration"),
    *("hs_call_from_number", "hs_call_recording_url", "hs_call_status", "hs_call_title"),
    *("hs_call_source", "hs_call_to_number", "hubspot_owner_id", "hs_activity_type"),
}
_NUMBER = re.compile(r"[0-9]+")


class HubSpot(Simulated):
    """Keeps the properties of calls."""

    answers: ClassVar = {"address": "URL", "token": TOKEN}
    users: ClassVar = {"101": "701"}

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[dict[str, str]] = []

    def answer(self, arrival: Arrival) -> Reply:
        """Return the new call."""
        if (arrival.method, arrival.path) != ("POST", "/crm/v3/objects/calls"):
            raise _refuse("RESOURCE_NOT_FOUND", 404)
        if read_header(arrival, "Authorization") != f"Bearer {TOKEN}":
            raise _refuse("INVALID_AUTHENTICATION", 401)
        body = read_json(arrival, _refuse)
        if not isinstance(body, dict) or set(body) - {"properties", "associations"}:
            raise _refuse("Invalid input JSON")
        properties = body.get("properties", {})
        _check(properties)
        self.calls.append(properties)
        return as_json({"id": str(len(self.calls)), "properties": properties}, 201)


def _check(properties: dict[str, Any]) -> None:
    for name, value in properties.items():
        if name not in PROPERTIES:
            raise _refuse(f"Property {name!r} does not exist")
        if not isinstance(value, str):
            raise _refuse(f"Property {name!r} is no text")
    if not _is_moment(properties.get("hs_timestamp", "")):
        raise _refuse("hs_timestamp is required: milliseconds, or a date and time in UTC")
    _check_one_of(properties, "hs_call_direction", DIRECTIONS)
    _check_one_of(properties, "hs_call_status", STATUSES)
    _check_one_of(properties, "hubspot_owner_id", OWNERS)
    if not _NUMBER.fullmatch(properties.get("hs_call_duration", "0")):
        raise _refuse("hs_call_duration is no number of milliseconds")


def _check_one_of(properties: dict[str, str], name: str, allowed: set[str]) -> None:
    # An empty text clears a property.
    if properties.get(name) and properties[name] not in allowed:
        raise _refuse(f"{properties[name]!r} is not one of the allowed options of {name}")


def _is_moment(text: str) -> bool:
    if _NUMBER.fullmatch(text):
        return True
    try:
        return text.endswith("Z") and bool(datetime.fromisoformat(text))
    except ValueError:
        return False


def _refuse(message: str, status: int = 400) -> Refused:
    return Refused(status, {"status": "error", "message": message, "category": "VALIDATION_ERROR"})
