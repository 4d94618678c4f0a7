"""The values of a call event: parameters of requests, and what is derived for placeholders."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from callevents.delivery.request.placeholders import HANGUP_NAMES, PARAMETER_NAMES
from callevents.enums import CallFlow, CallStatus, EventType

Parameters = Sequence[tuple[str, str]]

_ANSWERS = (EventType.ANSWER_IN, EventType.ANSWER_OUT)
#: How calls end. Whether a caller left a queue is known of the whole call only.
OUTCOMES = ("answered", "missed", "abandoned", "unanswered", "busy", "failed")
#: Outcomes of outgoing calls that were not answered.
_OUTCOMES = {
    CallStatus.BUSY: "busy",
    CallStatus.NOANSWER: "unanswered",
    CallStatus.CANCEL: "unanswered",
    CallStatus.CONGESTION: "failed",
    CallStatus.CHANUNAVAIL: "failed",
}


def parameters(
    event: Any, *, pbx_slug: str, hook_event_id: str, delivery_id: str, call_values: str = ""
) -> list[tuple[str, str]]:
    """Return the parameters in order: VoipNow's ten, then ours, then those of hangups.

    `event` is a CallEvent, or anything that has its columns as attributes. `call_values`: a JSON
    object of values that replace those of the event. Which names there are depends on nothing but
    the type of the event.
    """
    values = (
        event.call_id,
        event.leg_id,
        event.caller_number,
        event.caller_name,
        event.caller_extension,
        event.called_extension,
        event.called_number,
        event.called_did,
        event.flow or "",
        event.status or "",
        event.event_type.slug,
        hook_event_id,
        event.extension,
        _rfc3339(event.happened_at),
        _number(event.duration_seconds),
        _number(event.cause),
        delivery_id,
        pbx_slug,
        "1" if event.is_late else "",
    )
    found = list(zip(PARAMETER_NAMES, values, strict=True))
    if event.event_type is EventType.HANGUP:
        found += derived_values(event).items()
    if call_values:
        known = read_call_values(call_values)
        found = [(name, known.get(name, value)) for name, value in found]
    return found


def derived_values(event: Any, call_values: str = "") -> dict[str, str]:
    """Return the values that are derived from an event, which placeholders may use."""
    started, answered = _find_start(event), _find_answer(event)
    ended = event.happened_at if event.event_type is EventType.HANGUP else None
    values = (
        _rfc3339(_find_earliest(event)),
        _rfc3339(answered),
        _rfc3339(ended),
        _ring_seconds(event, started, answered),
        _talk_seconds(event, answered),
        remote_number(event),
        direction_of(event),
        _answered_by(event),
        event.queue or "",
        outcome_of(event),
    )
    found = dict(zip(HANGUP_NAMES, values, strict=True))
    return {**found, **read_call_values(call_values)} if call_values else found


def read_call_values(stored: str) -> dict[str, str]:
    """Return the values that a delivery has instead of those of its event."""
    return {name: str(value) for name, value in json.loads(stored).items()}


def direction_of(event: Any) -> str:
    """Return in, out, or internal if both parties are extensions; empty if it is unknown."""
    if event.caller_extension and event.called_extension:
        return "internal"
    return event.flow.value.lower() if event.flow else ""


def remote_number(event: Any) -> str:
    """Return the number of the other party."""
    if event.flow is CallFlow.IN:
        return event.caller_number or ""
    if event.flow is CallFlow.OUT:
        return event.called_number or ""
    return event.peer or ""


def outcome_of(event: Any) -> str:
    """Return how the call of a hangup ended; empty for other events, and if it is unknown.

    answered, by this extension or another; missed: incoming and not answered; unanswered, busy,
    failed: outgoing.
    """
    if event.event_type is not EventType.HANGUP or event.status is None:
        return ""
    if event.status is CallStatus.ANSWER or event.answered_by:
        return "answered"
    if event.flow is CallFlow.IN:
        return "missed"
    return _OUTCOMES.get(event.status, "") if event.flow is CallFlow.OUT else ""


def _find_start(event: Any) -> datetime | None:
    if event.event_type in (EventType.DIAL_IN, EventType.DIAL_OUT):
        begun: datetime = event.started_at or event.happened_at
        return begun
    started: datetime | None = event.started_at
    return started


def _find_earliest(event: Any) -> datetime:
    """Return when the call began, or the earliest moment of it that is known.

    Receivers demand one: a PBX may report the end only, with the seconds since the answer.
    """
    found: datetime | None = _find_start(event) or event.answered_at
    duration = 0 if event.is_late else event.duration_seconds or 0
    return found or event.happened_at - timedelta(seconds=duration)


def _find_answer(event: Any) -> datetime | None:
    if event.event_type in _ANSWERS:
        now: datetime = event.answered_at or event.happened_at
        return now
    answered: datetime | None = event.answered_at
    return answered


def _ring_seconds(event: Any, started: datetime | None, answered: datetime | None) -> str:
    """Return how long it rang. When a late event happened is not known."""
    is_over = event.event_type in _ANSWERS or event.event_type is EventType.HANGUP
    if started is None or not is_over or event.is_late:
        return ""
    if answered is None and event.status is CallStatus.ANSWER:
        return ""
    return _seconds(started, answered or event.happened_at)


def _talk_seconds(event: Any, answered: datetime | None) -> str:
    if event.event_type is not EventType.HANGUP:
        return ""
    if event.duration_seconds is not None:
        return str(event.duration_seconds)
    if event.is_late or event.status is None:
        return ""
    if event.status is not CallStatus.ANSWER:
        return "0"
    return _seconds(answered, event.happened_at) if answered else ""


def _answered_by(event: Any) -> str:
    if event.answered_by or event.flow is not CallFlow.IN:
        return event.answered_by or ""
    is_answered = event.event_type is EventType.ANSWER_IN or (
        event.event_type is EventType.HANGUP and event.status is CallStatus.ANSWER
    )
    return event.extension if is_answered else ""


def _seconds(start: datetime, end: datetime) -> str:
    return str(max(0, int((end - start).total_seconds())))


def _rfc3339(moment: datetime | None) -> str:
    if moment is None:
        return ""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="milliseconds")[:-6] + "Z"


def _number(value: int | None) -> str:
    return "" if value is None else str(value)
