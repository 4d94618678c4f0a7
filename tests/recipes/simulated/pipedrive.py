"""A simulated Pipedrive: call logs.

From pipedrive/client-nodejs: src/versions/v1/models/add-call-log-request.ts.
"""

from datetime import datetime
from typing import Any, ClassVar

from tests.recipes.simulated.base import Refused, Simulated, as_json, read_header, read_json
from tests.support.receiver import Arrival, Reply

TOKEN = "8e1f2a3b4c5d"
OUTCOMES = {"connected", "no_answer", "left_message", "left_voicemail", "wrong_number", "busy"}
REQUIRED = ("outcome", "to_phone_number", "start_time", "end_time")
TEXTS = {*REQUIRED, "from_phone_number", "subject", "duration", "lead_id", "note"}
NUMBERS = {"user_id", "activity_id", "person_id", "org_id", "deal_id"}


class Pipedrive(Simulated):
    """Keeps call logs."""

    answers: ClassVar = {"address": "URL", "token": TOKEN}
    users: ClassVar = {"101": "12"}

    def __init__(self) -> None:
        super().__init__()
        self.call_logs: list[dict[str, Any]] = []

    def answer(self, arrival: Arrival) -> Reply:
        """Return the new call log."""
        if (arrival.method, arrival.path) != ("POST", "/v1/callLogs"):
            raise _refuse("unknown method", 404)
        if read_header(arrival, "x-api-token") != TOKEN:
            raise _refuse("unauthorized access", 401)
        body = read_json(arrival, _refuse)
        _check(body)
        self.call_logs.append(body)
        return as_json({"success": True, "data": {"id": str(len(self.call_logs)), **body}})


def _check(body: dict[str, Any]) -> None:
    for name in REQUIRED:
        if not body.get(name):
            raise _refuse(f"{name} is required")
    _check_types(body)
    if body["outcome"] not in OUTCOMES:
        raise _refuse(f"outcome must be one of {sorted(OUTCOMES)}")
    times = [_read_time(body[name]) for name in ("start_time", "end_time")]
    if times[1] < times[0]:
        raise _refuse("end_time is before start_time")


def _check_types(body: dict[str, Any]) -> None:
    for name, value in body.items():
        if name in TEXTS and not isinstance(value, str):
            raise _refuse(f"{name} must be a string")
        if name in NUMBERS and not isinstance(value, int):
            raise _refuse(f"{name} must be a number")
        if name not in TEXTS | NUMBERS:
            raise _refuse(f"{name} is not allowed")


def _read_time(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007  # in UTC, without zone
    except ValueError:
        raise _refuse(f"{text!r} is not in the format YYYY-MM-DD HH:MM:SS") from None


def _refuse(error: str, status: int = 400) -> Refused:
    return Refused(status, {"success": False, "error": error})
