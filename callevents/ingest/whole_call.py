"""The whole call of several events: whether it is over, and with what outcome.

docs/calls.md has the rules, in words for users.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from callevents.enums import CallFlow, CallStatus, EventType
from callevents.ingest.report import CallOver

_DIALS = {EventType.DIAL_IN, EventType.DIAL_OUT}
_ANSWERS = {EventType.ANSWER_IN, EventType.ANSWER_OUT}
_OUTGOING_OUTCOMES = {
    CallStatus.BUSY: "busy",
    CallStatus.CONGESTION: "failed",
    CallStatus.CHANUNAVAIL: "failed",
}


@dataclass(frozen=True)
class Answer:
    """Who answered a call, and when: None if the time is unknown."""

    by: str
    at: datetime | None
    event: Any


class WholeCall:
    """A call of which at least one event was reported."""

    def __init__(
        self, events: Iterable[Any], over: CallOver | None = None, *, is_followed: bool = False
    ) -> None:
        """`events` have the columns of call events, with the time as `at`.

        `is_followed`: a listener reports each answer of a party.
        """
        self.events: Sequence[Any] = sorted(events, key=lambda event: (event.at, event.id))
        self._over = over
        self._is_followed = is_followed or over is not None
        self._hangups = [one for one in self.events if one.event_type is EventType.HANGUP]
        self.first = next((one for one in self.events if one.event_type in _DIALS), self.events[0])
        self.direction = self._find_direction()
        self.answer = self._find_answer()

    @property
    def is_over(self) -> bool:
        """True if all its legs have hung up, or if a listener says so."""
        if self._over is not None:
            return True
        return bool(self._hangups) and not _find_open_legs(self.events)

    @property
    def extensions(self) -> set[str]:
        """The extensions that took part."""
        return {event.extension for event in self.events}

    @property
    def ended_at(self) -> datetime:
        """When its last event was, or its last channel was gone."""
        last: datetime = self.events[-1].at
        return max(last, self._over.at) if self._over else last

    @property
    def extension(self) -> str:
        """The extension that answered, else the first one that was rung, else the caller."""
        if self.answer and self.direction != "out":
            answering = self.answer.event
            if answering.flow is not CallFlow.OUT:
                return str(answering.extension)
        rung = (one.extension for one in self.events if one.event_type is EventType.DIAL_IN)
        own = self.first.extension
        return str(own if self.direction == "out" else next(rung, own))

    def find_event(self, extension: str) -> Any:
        """Return the event that stands for the call at this extension: its last, a hangup if any.

        Without an event of the extension it is the last one of the call.
        """
        own = [one for one in self.events if one.extension == extension] or self.events
        hangups = [one for one in own if one.event_type is EventType.HANGUP]
        return (hangups or own)[-1]

    @property
    def outcome(self) -> str:
        """What became of it: answered, missed, abandoned, unanswered, busy or failed.

        The last three are of outgoing calls.
        """
        if self.answer:
            return "answered"
        if self.direction == "out":
            return _OUTGOING_OUTCOMES.get(self._status, "unanswered")
        return "abandoned" if self._is_abandoned else "missed"

    def values(self) -> dict[str, str]:
        """Return the parameters of its end, by name."""
        answered_at = self.answer.at if self.answer else None
        ended_at = self.ended_at
        ring_until = answered_at if self.answer else self.events[-1].at
        talk_seconds = self._talk_seconds()
        cause = self._decisive.cause if self._decisive else None
        return {
            "Extension": self.extension,
            "EventTime": _format_time(ended_at),
            "CallStatus": CallStatus.ANSWER if self.answer else self._status,
            "Duration": _format_number(talk_seconds),
            "HangupCause": _format_number(cause),
            "StartTime": _format_time(self.events[0].at),
            "AnswerTime": _format_time(answered_at),
            "EndTime": _format_time(ended_at),
            "RingSeconds": _format_number(_seconds_between(self.events[0].at, ring_until)),
            "TalkSeconds": _format_number(talk_seconds),
            "Direction": self.direction,
            "AnsweredBy": self.answer.by if self.answer else "",
            "Queue": self.queue,
            "Outcome": self.outcome,
        }

    @property
    def queue(self) -> str:
        """The queue in which the caller waited last."""
        if self._over and self._over.queue:
            return self._over.queue
        return next((one.queue for one in reversed(self.events) if one.queue), "")

    def _find_direction(self) -> str:
        """Return in, out, or internal: between extensions of the PBX."""
        first = self.first
        is_inner = bool(first.caller_extension and first.called_extension)
        if is_inner or (first.flow is CallFlow.OUT and self._rings_inside()):
            return "internal"
        return "out" if first.flow is CallFlow.OUT else "in"

    def _rings_inside(self) -> bool:
        """Return True if an extension rang before the answer: the caller dialed a group."""
        for event in self.events:
            if event.event_type in _ANSWERS:
                return event.event_type is EventType.ANSWER_IN
            if event.event_type is EventType.DIAL_IN:
                return True
        return False

    def _find_answer(self) -> Answer | None:
        answers = [one for one in self.events if one.event_type in _ANSWERS]
        if self.direction != "out":
            # The one who was called: its phone, rather than the caller's.
            answers.sort(key=lambda one: one.event_type is not EventType.ANSWER_IN)
        if answers:
            event = answers[0]
            return Answer(_name_of(event), None if event.is_late else event.at, event)
        # A listener reports each answer: without one, an announcement or a voicemail has answered.
        hangups = [one for one in self._hangups if one.status is CallStatus.ANSWER]
        if hangups and not (self._is_followed and len(self.events) > len(self._hangups)):
            return Answer(_name_of(hangups[0]), None, hangups[0])
        return None

    @property
    def _decisive(self) -> Any:
        """The hangup that tells why the call ended: of who answered, of the caller, or the last."""
        if not self._hangups:
            return None
        if self.answer:
            wanted = [one for one in self._hangups if one.extension == self.answer.event.extension]
        else:
            wanted = [one for one in self._hangups if one.flow is CallFlow.OUT]
        return (wanted or self._hangups)[-1]

    @property
    def _status(self) -> CallStatus:
        """The status of a call that nobody answered."""
        status = self._decisive.status if self._decisive else None
        return CallStatus.NOANSWER if status in {None, CallStatus.ANSWER} else status

    @property
    def _is_abandoned(self) -> bool:
        if self._is_followed:
            return self._over is not None and self._over.is_abandoned
        return bool(self.queue) and self._status is CallStatus.CANCEL

    def _talk_seconds(self) -> int | None:
        if self.answer is None:
            return 0
        if self.answer.at is not None:
            return _seconds_between(self.answer.at, self.events[-1].at)
        seconds: int | None = self._decisive.duration_seconds if self._decisive else None
        return seconds


def _find_open_legs(events: Iterable[Any]) -> set[tuple[str, str]]:
    """Return extension and leg ID of what has not hung up.

    Reports may come in any order, so a leg with an ID that has hung up stays so. Reports without
    one belong to all legs of their extension.
    """
    ended: set[tuple[str, str]] = set()
    running: set[tuple[str, str]] = set()
    for event in events:
        leg = (event.extension, event.leg_id)
        if event.event_type is not EventType.HANGUP:
            running.add(leg)
        elif event.leg_id:
            ended.add(leg)
            running.discard((event.extension, ""))
        else:
            running = {one for one in running if one[0] != event.extension}
    return running - ended


def _name_of(event: Any) -> str:
    """Return who answered: the extension, or the other party if the extension called."""
    return str(event.peer if event.flow is CallFlow.OUT else event.extension)


def _seconds_between(start: datetime | None, end: datetime | None) -> int | None:
    return None if start is None or end is None else max(0, int((end - start).total_seconds()))


def _format_time(moment: datetime | None) -> str:
    if moment is None:
        return ""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _format_number(value: int | None) -> str:
    return "" if value is None else str(value)
