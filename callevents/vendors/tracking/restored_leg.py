"""Legs of which an earlier listener has told, as far as its call events say."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from callevents.enums import EventType
from callevents.ingest.report import Report
from callevents.vendors.tracking.legs import Role

ANSWERS = {EventType.ANSWER_IN, EventType.ANSWER_OUT}


@dataclass(kw_only=True)
class RestoredLeg:
    """A leg that was followed and has not hung up."""

    id: str
    call_id: str
    extension: str
    role: Role = Role.CALLED
    peer: str = ""
    caller_number: str = ""
    caller_name: str = ""
    called_number: str = ""
    called_did: str = ""
    sent: set[EventType] = field(default_factory=set)
    answered_at: datetime | None = None

    def values(self) -> dict[str, Any]:
        """Return the values of a tracker's leg, doubtful until it is heard or listed."""
        is_answered = not ANSWERS.isdisjoint(self.sent)
        return vars(self) | {"is_answered": is_answered, "is_doubtful": True}


def know(reports: Iterable[Report]) -> list[RestoredLeg]:
    """Return the legs that these reports, in order, have told of and not hung up."""
    legs: dict[str, RestoredLeg] = {}
    for report in reports:
        if report.event_type is EventType.HANGUP:
            legs.pop(report.leg_id, None)
            continue
        leg = legs.setdefault(
            report.leg_id,
            RestoredLeg(id=report.leg_id, call_id=report.call_id, extension=report.extension),
        )
        leg.sent.add(report.event_type)
        leg.peer, leg.caller_number = report.peer, report.caller_number
        leg.caller_name, leg.called_number = report.caller_name, report.called_number
        leg.called_did = report.called_did
        if report.event_type is EventType.DIAL_OUT:
            leg.role = Role.CALLER
        if report.event_type in ANSWERS:
            leg.answered_at = report.at
    return list(legs.values())
