"""A simulated application for VoipNow's Call Events.

From wiki.4psa.com/display/VNUAPI30/VoipNow+Call+Events: each of the ten parameters occurs once, in
the query of a GET or in the body of a POST, and the values of CallStatus and CallFlow. None is
required, says 'How to integrate VoipNow with remote applications using Call Events' in its
knowledge base: so they may be empty.
"""

from collections.abc import Mapping
from typing import ClassVar
from urllib.parse import parse_qsl, urlsplit

from tests.recipes.simulated.base import (
    FORM,
    TEXT,
    Check,
    Refused,
    Simulated,
    find_problem,
    is_text,
    matches,
    one_of,
    read_kind,
)
from tests.support.receiver import Arrival, Reply

PATH = "/voipnow/events"
HANGUP_STATUSES = ("ANSWER", "BUSY", "NOANSWER", "CANCEL", "CONGESTION", "CHANUNAVAIL")
#: Of requests that test a receiver, see docs/requests.md. VoipNow has none.
TEST = "Test"
#: The ten parameters, and which values they may have.
PARAMETERS: Mapping[str, Check] = {
    "CallID": matches("(?s).+"),
    "CallAPIID": is_text,
    "CallerIDNum": is_text,
    "CallerIDName": is_text,
    "CallerExtension": is_text,
    "CalledExtension": is_text,
    "CalledNumber": is_text,
    "CalledDID": is_text,
    "CallFlow": one_of("IN", "OUT", ""),
    "CallStatus": one_of("CALLING", *HANGUP_STATUSES, ""),
}


class VoipNowApplication(Simulated):
    """Keeps the parameters of events, whose type it does not learn."""

    answers: ClassVar = {"url": f"URL{PATH}"}

    def __init__(self) -> None:
        super().__init__()
        self.events: list[dict[str, str]] = []

    def answer(self, arrival: Arrival) -> Reply:
        """Keep an event."""
        if arrival.path != PATH:
            raise _refuse("Not Found", 404)
        if arrival.method not in {"GET", "POST"}:
            raise _refuse("Method Not Allowed", 405)
        event = _read(arrival)
        if problem := find_problem(event, PARAMETERS):
            raise _refuse(problem)
        if unknown := event.keys() - PARAMETERS.keys() - {TEST}:
            raise _refuse(f"VoipNow has no {', '.join(sorted(unknown))}.")
        self.events.append(event)
        return Reply()


def _read(arrival: Arrival) -> dict[str, str]:
    if arrival.method == "POST" and read_kind(arrival) != FORM:
        raise _refuse("The body is no form.")
    text = arrival.body if arrival.method == "POST" else urlsplit(arrival.target).query
    pairs = parse_qsl(text, keep_blank_values=True, errors="strict")
    if len(dict(pairs)) != len(pairs):
        raise _refuse("A parameter occurs twice.")
    return dict(pairs)


def _refuse(problem: str, status: int = 400) -> Refused:
    return Refused(status, problem, TEXT)
