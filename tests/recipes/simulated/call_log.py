"""A simulated call log: an application that stores one line of JSON for each call.

JSON as in RFC 8259, times as in RFC 3339, the token as in RFC 6750; the meaning of the values from
docs/requests.md. A line whose `delivery_id` is known is dropped, as the recipe advises.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from tests.recipes.simulated.base import (
    Check,
    Refused,
    Simulated,
    find_problem,
    is_moment,
    is_text,
    matches,
    one_of,
    read_header,
    read_json,
)
from tests.recipes.simulated.voipnow import HANGUP_STATUSES
from tests.recipes.simulated.webhooks import DIRECTIONS, OUTCOMES
from tests.support.receiver import Arrival, Reply

TOKEN = "log-token-5a7c"
PATH = "/calls"


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _or_null(is_valid: Check) -> Check:
    return lambda value: value is None or is_valid(value)


FIELDS: Mapping[str, Check] = {
    "call_id": matches(".+"),
    "pbx": matches(".+"),
    "direction": one_of(*DIRECTIONS),
    "outcome": one_of(*OUTCOMES),
    "start": is_moment,
    "answer": _or_null(is_moment),
    "end": is_moment,
    "ring_seconds": _or_null(_is_count),
    "talk_seconds": _is_count,
    "caller": is_text,
    "caller_name": is_text,
    "called": is_text,
    "did": is_text,
    "extension": matches(".+"),
    "answered_by": is_text,
    "queue": is_text,
    "status": one_of(*HANGUP_STATUSES, ""),
    "cause": _or_null(_is_count),
    "delivery_id": matches(".+"),
}


class CallLog(Simulated):
    """Keeps the lines by their delivery."""

    answers: ClassVar = {"url": f"URL{PATH}", "token": TOKEN}

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[str, dict[str, Any]] = {}

    def answer(self, arrival: Arrival) -> Reply:
        """Store a line."""
        if (arrival.method, arrival.path) != ("POST", PATH):
            raise Refused(404, {"error": "not_found"})
        if read_header(arrival, "Authorization") != f"Bearer {TOKEN}":
            raise Refused(401, {"error": "invalid_token"})
        line = read_json(arrival, _refuse)
        if set(arrival.body.strip()) & set("\r\n"):
            raise _refuse("The body is not one line.")
        if problem := find_problem(line, FIELDS):
            raise _refuse(problem)
        self.lines.setdefault(line["delivery_id"], line)
        return Reply()


def _refuse(problem: str) -> Refused:
    return Refused(400, {"error": problem})
