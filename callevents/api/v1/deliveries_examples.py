"""Examples of deliveries, for the description of the API."""

from typing import Any

DELIVERY: dict[str, Any] = {
    "id": "019caa1e-6a1c-7b52-8d0e-5b2f4a6c7d10",
    "pbx": "head-office",
    "call_event_id": "019caa1e-6a19-7c41-9f3d-2e8b7a5c4d01",
    "event": "dial-in",
    "extension": "101",
    "call_id": "1764442200.118",
    "hook": "q3ZxT0vKfB8sLw1NdYpR5uHcJm7aGe",
    "method": "POST",
    "url": "https://crm.example.com/calls?token=••••",
    "state": "retrying",
    "attempts": 1,
    "status_code": 503,
    "error": "The receiver returned 503 Service Unavailable.",
    "duration_ms": 84,
    "happened_at": "2026-03-01T09:30:00.000Z",
    "created_at": "2026-03-01T09:30:00.012Z",
    "resent_at": None,
    "attempted_at": "2026-03-01T09:30:00.020Z",
    "finished_at": None,
    "wait": {
        "is_behind": False,
        "behind": None,
        "held_because": None,
        "receiver_paused_until": None,
        "next_attempt_at": "2026-03-01T09:30:05.104Z",
        "gives_up_at": "2026-03-02T09:30:00.012Z",
    },
}
ATTEMPT_SUMMARY: dict[str, Any] = {
    "number": 1,
    "started_at": "2026-03-01T09:30:00.020Z",
    "duration_ms": 84,
    "method": "POST",
    "url": "https://crm.example.com/calls?token=••••",
    "status_code": 503,
    "error": "The receiver returned 503 Service Unavailable.",
}
ATTEMPT: dict[str, Any] = {
    **ATTEMPT_SUMMARY,
    "request": {
        "method": "POST",
        "url": "https://crm.example.com/calls?token=••••",
        "headers": [{"name": "Content-Type", "value": "application/x-www-form-urlencoded"}],
        "body": "EventName=dial-in&CallerIDNum=%2B40721000001",
    },
    "response": {
        "status_code": 503,
        "headers": [{"name": "Retry-After", "value": "5"}],
        "body": "Down for maintenance.",
        "is_truncated": False,
    },
}
SELECTION: dict[str, Any] = {
    "pbx": "head-office",
    "state": "failed",
    "since": "2026-03-01T09:00:00Z",
    "dry_run": True,
}
COUNTS: dict[str, Any] = {
    "dry_run": True,
    "matched": 120,
    "changed": 117,
    "skipped": [{"reason": "disabled", "detail": "the request is disabled", "count": 3}],
    "next_cursor": None,
}
