"""Call events derived from the messages of a PBX."""

from dataclasses import dataclass
from datetime import datetime

from callevents.enums import CallFlow, CallStatus, EventType
from callevents.ingest.field_values import MAX_DURATION_SECONDS
from callevents.ingest.report import Report
from callevents.vendors.tracking.legs import Leg, Role

#: Prefix of the events' keys, before the event's type and the leg's ID.
KEY_PREFIX = "leg:"
DIALS = {EventType.DIAL_IN, EventType.DIAL_OUT}


@dataclass(frozen=True, kw_only=True)
class TrackedEvent:
    """A call event derived from the messages of a PBX."""

    report: Report
    #: For a hangup: True if the leg was answered. None for other events.
    answered: bool | None = None
    #: The PBX's name of the cause, if it has one.
    cause_name: str = ""


@dataclass(frozen=True, kw_only=True)
class Hangup:
    """How a leg ended, as far as the PBX reports it."""

    #: A Q.850 cause.
    cause: int | None = None
    cause_name: str = ""
    status: CallStatus | None = None
    #: From answer to hangup, if the PBX reports it.
    duration_seconds: int | None = None
    #: It happened while the listener was disconnected, at an unknown time.
    is_late: bool = False


def make_event(
    leg: Leg,
    event_type: EventType,
    at: datetime | None,
    hangup: Hangup | None = None,
    *,
    is_late: bool = False,
) -> TrackedEvent:
    """Return the event with the leg's data.

    `is_late`: it happened while the listener was disconnected, and is known only at `at`.
    """
    end = hangup or Hangup(is_late=is_late)
    report = Report(
        event_type=event_type,
        extension=leg.extension,
        call_id=leg.call_id,
        leg_id=leg.id,
        peer=leg.peer,
        caller_number=leg.caller_number,
        caller_name=leg.caller_name,
        called_number=leg.called_number,
        called_did=leg.called_did,
        flow=CallFlow.OUT if leg.role is Role.CALLER else CallFlow.IN,
        status=end.status if hangup else _plain_status(event_type),
        cause=end.cause,
        duration_seconds=_duration(leg, at, end) if hangup else None,
        at=at,
        is_late=end.is_late,
        queue=leg.queue,
        is_followed=True,
        # Each event is sent once for a leg, so this key also identifies duplicates from a second
        # connection to the same PBX.
        key=f"{KEY_PREFIX}{event_type.slug}:{leg.id}",
    )
    return TrackedEvent(
        report=report,
        answered=leg.is_answered if hangup else None,
        cause_name=end.cause_name,
    )


def _plain_status(event_type: EventType) -> CallStatus:
    return CallStatus.CALLING if event_type in DIALS else CallStatus.ANSWER


def _duration(leg: Leg, at: datetime | None, end: Hangup) -> int | None:
    """Return the whole seconds from answer to hangup; None if unknown."""
    if end.is_late:
        return None
    if not leg.is_answered:
        return 0
    if end.duration_seconds is not None or leg.answered_at is None or at is None:
        return end.duration_seconds
    return min(max(0, int((at - leg.answered_at).total_seconds())), MAX_DURATION_SECONDS)
