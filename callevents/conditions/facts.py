"""What conditions know of a call."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from callevents.enums import CallStatus

#: The outcome of a call that somebody answered; see the parameter Outcome.
ANSWERED = "answered"
INTERNAL = "internal"


@dataclass(frozen=True)
class CallFacts:
    """What conditions compare. None and empty texts: it is not known."""

    #: When the call event happened, in UTC.
    at: datetime
    #: 'in' or 'out'; of a whole call also 'internal'.
    direction: str = ""
    #: True if the other party is an extension of the PBX.
    is_internal: bool | None = None
    #: Of hangups, and of the end of a whole call.
    is_answered: bool | None = None
    talk_seconds: int | None = None
    #: The other party's.
    number: str = ""
    #: The number that was called from outside.
    did: str = ""
    queue: str = ""

    @classmethod
    def of_event(cls, row: Mapping[str, Any]) -> "CallFacts":
        """Return what the columns of a call event say."""
        flow, status = row["flow"], row["status"]
        is_internal = bool(row["caller_extension"] and row["called_extension"])
        is_answered = None if status is None else status is CallStatus.ANSWER
        return cls(
            at=row["happened_at"],
            direction=flow.lower() if flow else "",
            is_internal=is_internal if is_internal or flow else None,
            is_answered=is_answered,
            talk_seconds=0 if is_answered is False else row["duration_seconds"],
            number=row["peer"],
            did=row["called_did"],
            queue=row["queue"],
        )

    def of_call(self, values: Mapping[str, str]) -> "CallFacts":
        """Return the facts of the whole call: these, with the values of its parameters."""
        direction = values.get("Direction", "")
        outcome = values.get("Outcome", "")
        seconds = values.get("TalkSeconds") or values.get("Duration") or ""
        is_answered = outcome == ANSWERED if outcome else self.is_answered
        talk_seconds = int(seconds) if seconds.isdecimal() else self.talk_seconds
        return replace(
            self,
            direction=direction or self.direction,
            is_internal=direction == INTERNAL if direction else self.is_internal,
            is_answered=is_answered,
            talk_seconds=0 if is_answered is False else talk_seconds,
            number=values.get("RemoteNumber") or self.number,
            queue=values.get("Queue") or self.queue,
        )
