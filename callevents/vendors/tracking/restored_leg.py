"""Legs that an earlier listener followed, restored from their stored call events."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from callevents.enums import CallFlow, EventType
from callevents.ingest.report import Report
from callevents.vendors.tracking.legs import Role

ANSWERS = {EventType.ANSWER_IN, EventType.ANSWER_OUT}


@dataclass(kw_only=True)
class RestoredLeg:
    """A leg that has call events but no hangup."""

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

    def leg_fields(self) -> dict[str, Any]:
        """Return the fields of a tracker's leg, unconfirmed until the PBX mentions or lists it."""
        is_answered = not ANSWERS.isdisjoint(self.sent)
        states = {"is_answered": is_answered, "is_unconfirmed": True, "was_cut": True}
        return vars(self) | states


def restore_legs(reports: Iterable[Report]) -> list[RestoredLeg]:
    """Return the legs of these reports, given in order, that have no hangup."""
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
        if report.event_type.call_flow == CallFlow.OUT:
            leg.role = Role.CALLER
        if report.event_type in ANSWERS and not report.is_late:
            leg.answered_at = report.at
    return list(legs.values())
