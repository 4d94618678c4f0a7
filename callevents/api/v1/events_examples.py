"""Examples of call events and calls, for the description of the API."""

from typing import Any

EVENT: dict[str, Any] = {
    "id": "019caa1e-6a19-7c41-9f3d-2e8b7a5c4d01",
    "pbx": "head-office",
    "event": "dial-in",
    "extension": "101",
    "call_id": "1764442200.118",
    "leg_id": "1764442200.119",
    "peer": "+40721000001",
    "caller_number": "+40721000001",
    "caller_name": "Ana Pop",
    "caller_extension": "",
    "called_number": "+40210000100",
    "called_extension": "101",
    "called_did": "+40210000100",
    "flow": "IN",
    "status": "CALLING",
    "cause": None,
    "duration_seconds": None,
    "is_late": False,
    "queue": "",
    "started_at": None,
    "answered_at": None,
    "answered_by": "",
    "happened_at": "2026-03-01T09:30:00.000Z",
    "received_at": "2026-03-01T09:30:00.012Z",
}
EVENT_DETAILS: dict[str, Any] = {
    **EVENT,
    "deliveries": ["019caa1e-6a1c-7b52-8d0e-5b2f4a6c7d10"],
    "no_delivery_reason": "",
}
NEW_EVENT: dict[str, Any] = {"pbx": "head-office", "extension": "101", "event": "dial-in"}
CALL: dict[str, Any] = {
    "id": EVENT["id"],
    "pbx": "head-office",
    "call_id": "1764442200.118",
    "status": "CALLING",
    "first_event_at": "2026-03-01T09:30:00.000Z",
    "last_event_at": "2026-03-01T09:30:00.000Z",
    "extensions": ["101"],
    "numbers": ["+40721000001", "+40210000100"],
    "events": [EVENT],
    "is_truncated": False,
}
