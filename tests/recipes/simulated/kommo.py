"""A simulated Kommo (amoCRM): adding calls, and notifications of calls.

From kommo.com/developers/content/api_v4/adding-calls, and for notifications from the repository
EventsRepository of a public client.
"""

from typing import Any, ClassVar

from tests.recipes.simulated.base import Refused, Simulated, as_json, read_header, read_json
from tests.support.receiver import Arrival, Reply

TOKEN = "kommo-long-lived-token"
USERS = {8375357, 8375358}
REQUIRED: dict[str, type] = {"direction": str, "duration": int, "source": str, "phone": str}
OPTIONAL: dict[str, type] = {
    "uniq": str,
    "link": str,
    "call_result": str,
    "call_status": int,
    "request_id": str,
    "responsible_user_id": int,
    "created_by": int,
    "updated_by": int,
    "created_at": int,
    "updated_at": int,
}


class Kommo(Simulated):
    """Keeps calls, and the users that were notified."""

    answers: ClassVar = {"address": "URL", "token": TOKEN}
    users: ClassVar = {"101": "8375357"}

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[dict[str, Any]] = []
        self.notifications: list[tuple[str, list[int]]] = []

    def answer(self, arrival: Arrival) -> Reply:
        """Add calls or a notification."""
        if read_header(arrival, "Authorization") != f"Bearer {TOKEN}":
            raise Refused(401, {"title": "Unauthorized"})
        body = read_json(arrival, _refuse)
        if (arrival.method, arrival.path) == ("POST", "/api/v4/calls"):
            return self._add_calls(body)
        if (arrival.method, arrival.path) == ("POST", "/api/v2/events"):
            return self._notify(body)
        raise Refused(404, {"title": "Not Found"})

    def _add_calls(self, body: Any) -> Reply:
        if not isinstance(body, list) or not body:
            raise _refuse("The body is no list.")
        for call in body:
            _check(call)
        self.calls += body
        return as_json({"_embedded": {"calls": [{"id": len(self.calls)}], "errors": []}})

    def _notify(self, body: Any) -> Reply:
        for event in body["add"]:
            if event["type"] != "phone_call" or not set(event["users"]) <= USERS:
                raise _refuse(f"{event!r} is no notification.")
            self.notifications.append((event["phone_number"], event["users"]))
        return as_json({"_embedded": {"items": [{"id": 1}]}})


def _check(call: Any) -> None:
    if not isinstance(call, dict):
        raise _refuse("A call is no object.")
    for name in REQUIRED:
        if name not in call:
            raise _refuse(f"{name} is missing.")
    for name, value in call.items():
        kind = REQUIRED.get(name) or OPTIONAL.get(name)
        if kind is None:
            raise _refuse(f"{name} is unexpected.")
        if not isinstance(value, kind) and (value is not None or name in REQUIRED):
            raise _refuse(f"{name} should be of type {kind.__name__}.")
    _check_values(call)


def _check_values(call: dict[str, Any]) -> None:
    if call["direction"] not in {"inbound", "outbound"}:
        raise _refuse(f"direction is {call['direction']!r}.")
    if call.get("call_status") not in {None, 1, 2, 3, 4, 5, 6, 7}:
        raise _refuse(f"call_status is {call['call_status']!r}.")
    if call.get("responsible_user_id") not in {None, *USERS}:
        raise _refuse("responsible_user_id is unknown.")
    if not call["phone"]:
        raise _refuse("phone is empty.")


def _refuse(detail: str) -> Refused:
    return Refused(400, {"title": "Bad Request", "detail": detail})
