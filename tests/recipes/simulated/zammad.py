"""A simulated Zammad with the generic CTI integration.

From zammad/zammad: app/controllers/integration/cti_controller.rb, app/models/cti/driver/base.rb,
app/models/cti/log.rb and app/controllers/application_controller/handles_errors.rb.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from tests.recipes.simulated.base import (
    Refused,
    Simulated,
    as_json,
    is_json,
    parse_object,
    read_form,
)
from tests.support.receiver import Arrival, Reply

TOKEN = "cti-token-4Fk29sPqLx"
#: Columns of the table cti_logs that are not null and have no default.
REQUIRED = ("direction", "from", "to", "callId")
CAUSES = {
    "normalClearing",
    "busy",
    "cancel",
    "noAnswer",
    "congestion",
    "notFound",
    "forwarded",
}


@dataclass
class Entry:
    """A line of the caller log."""

    direction: str
    from_number: str
    to_number: str
    state: str = "newCall"
    user: str = ""
    queue: str = ""
    comment: str | None = None
    is_done: bool = False


class Zammad(Simulated):
    """Keeps a caller log, by call ID."""

    answers: ClassVar = {"address": "URL", "token": TOKEN}

    def __init__(self, blocked: frozenset[str] = frozenset()) -> None:
        super().__init__()
        self.log: dict[str, Entry] = {}
        #: False: the integration is switched off.
        self.is_enabled = True
        self._blocked = blocked

    def answer(self, arrival: Arrival) -> Reply:
        """Return what Integration::CtiController#event does."""
        token = arrival.path.removeprefix("/api/v1/cti/")
        if arrival.method != "POST" or "/" in token:
            raise Refused(404, {"error": "No route matches."})
        if not self.is_enabled:
            message = "Feature is disabled, please contact your administrator!"
            raise Refused(422, {"error": message})
        if token != TOKEN:
            raise Refused(401, {"error": "Invalid token, please contact your admin!"})
        parameters = _read(arrival)
        if parameters.get("direction") not in {"in", "out"}:
            raise Refused(422, {"error": "Invalid direction!"})
        if parameters.get("from") in self._blocked and parameters.get("event") == "newCall":
            self._process(parameters)
            return as_json({"action": "reject", "reason": "busy"})
        self._process(parameters)
        return as_json({})

    def _process(self, parameters: dict[str, Any]) -> None:
        actions = {"newCall": self._new_call, "answer": self._answer, "hangup": self._hang_up}
        if parameters.get("event") not in actions:
            raise Refused(422, {"error": f"Unknown event {parameters.get('event')!r}"})
        for name in REQUIRED:
            if not parameters.get(name):
                raise Refused(422, {"error": f"Attribute '{name}' required!"})
        actions[parameters["event"]](parameters)

    def _new_call(self, parameters: dict[str, Any]) -> None:
        call_id = parameters["callId"]
        if call_id in self.log:
            raise Refused(500, {"error": f"call_id {call_id} already exists!"})
        is_incoming = parameters["direction"] == "in"
        self.log[call_id] = Entry(
            parameters["direction"],
            parameters["from"],
            parameters["to"],
            user=_read_user(parameters),
            queue=parameters.get("queue") or parameters["to" if is_incoming else "from"],
            is_done=not is_incoming,
        )

    def _answer(self, parameters: dict[str, Any]) -> None:
        entry = self._find(parameters)
        if entry.state == "hangup":
            return
        entry.state, entry.is_done = "answer", True
        if parameters.get("user") is not None:
            entry.user = _read_user(parameters)

    def _hang_up(self, parameters: dict[str, Any]) -> None:
        entry = self._find(parameters)
        cause = parameters.get("cause")
        if cause not in CAUSES:
            raise Refused(422, {"error": f"The documentation has no cause {cause!r}."})
        is_missed = entry.state == "newCall" and cause != "forwarded"
        entry.is_done = not (parameters["direction"] == "in" and is_missed)
        entry.state, entry.comment = "hangup", cause

    def _find(self, parameters: dict[str, Any]) -> Entry:
        if parameters["callId"] not in self.log:
            raise Refused(500, {"error": f"No such call_id {parameters['callId']}"})
        return self.log[parameters["callId"]]


def _read(arrival: Arrival) -> dict[str, Any]:
    """Return what Rails has in `params`."""
    if not is_json(arrival):
        return dict(read_form(arrival))
    return parse_object(arrival, lambda problem: Refused(400, {"error": problem}))


def _read_user(parameters: dict[str, Any]) -> str:
    user = parameters.get("user")
    return ", ".join(user) if isinstance(user, list) else user or ""
