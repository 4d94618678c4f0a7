"""What receivers of call events in general share: n8n, Node-RED and Home Assistant.

Each runs what its user made of the event. From docs/requests.md: all parameters as one JSON object,
whose values are texts; requests for Hangup have more. A workflow fails on anything else, after the
receiver has answered as always.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from tests.recipes.simulated.base import (
    TEXT,
    Check,
    Refused,
    Simulated,
    find_problem,
    is_moment,
    is_text,
    matches,
    one_of,
)
from tests.recipes.simulated.voipnow import HANGUP_STATUSES
from tests.recipes.simulated.voipnow import PARAMETERS as VOIPNOW
from tests.support.receiver import Reply

#: Values of CallStatus by EventType.
STATUSES = {
    "dial-in": ("CALLING",),
    "dial-out": ("CALLING",),
    "answer-in": ("ANSWER",),
    "answer-out": ("ANSWER",),
    "hangup": (*HANGUP_STATUSES, ""),
}
DIRECTIONS = ("in", "out", "internal", "")
OUTCOMES = ("answered", "missed", "unanswered", "busy", "failed", "abandoned", "")
NUMBER = matches("[0-9]*")
PARAMETERS: Mapping[str, Check] = {
    **VOIPNOW,
    "EventType": one_of(*STATUSES),
    "EventID": matches(".+"),
    "Extension": matches(".+"),
    "EventTime": is_moment,
    "Duration": NUMBER,
    "HangupCause": NUMBER,
    "DeliveryID": matches(".+"),
    "PBX": matches(".+"),
    "Late": one_of("1", ""),
}
HANGUP_PARAMETERS: Mapping[str, Check] = {
    "StartTime": is_moment,
    "AnswerTime": lambda value: value == "" or is_moment(value),
    "EndTime": is_moment,
    "RingSeconds": NUMBER,
    "TalkSeconds": NUMBER,
    "RemoteNumber": is_text,
    "Direction": one_of(*DIRECTIONS),
    "AnsweredBy": is_text,
    "Queue": is_text,
    "Outcome": one_of(*OUTCOMES),
}


class Webhook(Simulated):
    """Keeps the call events that its workflow understands."""

    accepted: ClassVar[Reply] = Reply()

    def __init__(self) -> None:
        super().__init__()
        self.events: list[dict[str, str]] = []

    def accept(self, body: Any) -> Reply:
        """Keep an event; raises Refused, with the answer to all, if the workflow fails on it."""
        kind = body.get("EventType") if isinstance(body, dict) else ""
        checks = {
            **PARAMETERS,
            **(HANGUP_PARAMETERS if kind == "hangup" else {}),
            "CallStatus": one_of(*STATUSES.get(str(kind), ())),
        }
        if problem := find_problem(body, checks):
            raise Refused(self.accepted.status, self.accepted.body.decode(), TEXT, problem)
        self.events.append(body)
        return self.accepted
