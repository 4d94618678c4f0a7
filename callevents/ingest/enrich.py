"""Enrichment: derives a report's missing flow, status, numbers and times from its other values.

The rules follow VoipNow's parameters and the Q.850 causes that PBXs report.
"""

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from callevents.enums import CallFlow, CallStatus, EventType
from callevents.ingest.report import Report

#: Q.850 causes (ITU-T Q.850, and Asterisk's 0 and 127) of calls that were never answered.
#: Any other cause is NOANSWER.
STATUS_BY_CAUSE = {
    **dict.fromkeys((17,), CallStatus.BUSY),
    **dict.fromkeys((0, 18, 19, 21, 23), CallStatus.NOANSWER),
    **dict.fromkeys((16, 26, 127), CallStatus.CANCEL),
    **dict.fromkeys((34, 42), CallStatus.CONGESTION),
    **dict.fromkeys((1, 3, 20, 27), CallStatus.CHANUNAVAIL),
}
NORMAL_CLEARING = 16
_ANSWERS = {EventType.ANSWER_IN, EventType.ANSWER_OUT}

#: Fields of the other party that a hangup without them inherits from earlier events of its call.
INHERITED_FIELDS = ("peer", "caller_number", "caller_name", "called_number", "called_did")


@dataclass
class CallHistory:
    """Earlier reports, by call and extension."""

    #: The time of reports that have none.
    now: datetime | None = None
    _reports: dict[tuple[str, str], list[Any]] = field(default_factory=dict)
    _answers_in: dict[str, list[Any]] = field(default_factory=dict)

    def add(self, report: Any) -> None:
        """Add a report, or an event's row with the same columns."""
        if report.call_id:
            self._reports.setdefault((report.call_id, report.extension), []).append(report)
            if report.event_type is EventType.ANSWER_IN:
                self._answers_in.setdefault(report.call_id, []).append(report)

    def find_earlier(self, report: Report) -> list[Any]:
        """Return the earlier reports of the same call and extension, since its last hangup.

        An extension may be called again in the same call.
        """
        reports = self._reports.get((report.call_id, report.extension), [])
        hangups = [i for i, one in enumerate(reports) if one.event_type is EventType.HANGUP]
        return reports[hangups[-1] + 1 :] if hangups else reports

    def find_answering(self, report: Report, since: datetime | None) -> str:
        """Return the extension that answered the call of the report, none before `since`."""
        for answer in self._answers_in.get(report.call_id, ()):
            at = self.moment_of(answer)
            if since is None or at is None or at >= since:
                return str(answer.extension)
        return ""

    def moment_of(self, report: Any) -> datetime | None:
        """Return when the reported event happened."""
        at: datetime | None = report.at
        return at or self.now


def enrich(report: Report, extensions: Set[str], history: CallHistory) -> Report:
    """Return the report with its missing values filled in; reported values stay.

    `extensions` are the extensions of the PBX that the report mentions.
    """
    earlier_reports = history.find_earlier(report)
    seen = {earlier.event_type for earlier in earlier_reports}
    if report.event_type is EventType.HANGUP:
        report = _inherit_party(report, earlier_reports)
        report = _fill_times(report, earlier_reports, history)
    flow = report.flow or derive_flow(report, seen)
    report = report._replace(flow=flow, status=report.status or derive_status(report, seen))
    if flow is CallFlow.OUT:
        report = _fill_outgoing(report, extensions)
    elif flow is CallFlow.IN:
        report = _fill_incoming(report, extensions)
    if report.event_type is EventType.HANGUP:
        return report._replace(answered_by=_find_answered_by(report, seen, history))
    return report


def derive_flow(report: Report, seen: Set[EventType] = frozenset()) -> CallFlow | None:
    """Return IN if the extension received the call, OUT if it made it, None if unknown."""
    if report.event_type.call_flow:
        return CallFlow(report.event_type.call_flow)
    if report.extension == report.caller_extension:
        return CallFlow.OUT
    if report.extension == report.called_extension:
        return CallFlow.IN
    flows = {event.call_flow for event in seen if event.call_flow}
    return CallFlow(flows.pop()) if len(flows) == 1 else None


def derive_status(report: Report, seen: Set[EventType]) -> CallStatus | None:
    """Return the call status, from event type, cause, duration and earlier events."""
    if report.event_type in _ANSWERS:
        return CallStatus.ANSWER
    if report.event_type is not EventType.HANGUP:
        return CallStatus.CALLING
    if seen & _ANSWERS or report.duration_seconds:
        return CallStatus.ANSWER
    if report.cause is None:
        return None
    if report.cause == NORMAL_CLEARING and not seen:
        # Without earlier events of the call, normal clearing means that it was answered.
        return CallStatus.ANSWER
    return STATUS_BY_CAUSE.get(report.cause, CallStatus.NOANSWER)


def _inherit_party(report: Report, earlier_reports: Iterable[Any]) -> Report:
    """Return the hangup's report with the other party from the call's earlier events."""
    if report.peer:
        return report
    known = {
        name: value
        for earlier in earlier_reports
        for name in INHERITED_FIELDS
        if (value := getattr(earlier, name))
    }
    missing = {name: value for name, value in known.items() if not getattr(report, name)}
    return report._replace(**missing)


def _fill_outgoing(report: Report, extensions: Set[str]) -> Report:
    peer = report.peer or report.called_number
    return report._replace(
        peer=peer,
        caller_extension=report.caller_extension or report.extension,
        caller_number=report.caller_number or report.extension,
        called_number=report.called_number or peer,
        called_extension=report.called_extension or (peer if peer in extensions else ""),
    )


def _fill_incoming(report: Report, extensions: Set[str]) -> Report:
    peer = report.peer or report.caller_number
    return report._replace(
        peer=peer,
        caller_number=report.caller_number or peer,
        caller_extension=report.caller_extension or (peer if peer in extensions else ""),
        called_extension=report.called_extension or report.extension,
        called_number=report.called_number or report.called_did or report.extension,
    )


def _fill_times(report: Report, earlier: Sequence[Any], history: CallHistory) -> Report:
    """Return the hangup's report with queue, begin and answer of the extension's part."""
    if not earlier:
        return report
    # When a listener learned of an answer after a disconnect is not when it happened.
    answers = [one for one in earlier if one.event_type in _ANSWERS]
    is_known = bool(answers) and not answers[0].is_late
    return report._replace(
        queue=report.queue or next((one.queue for one in reversed(earlier) if one.queue), ""),
        started_at=history.moment_of(earlier[0]),
        answered_at=history.moment_of(answers[0]) if is_known else None,
    )


def _find_answered_by(report: Report, seen: Set[EventType], history: CallHistory) -> str:
    """Return who answered the call: an extension, or the other party of an outgoing call.

    Another extension may have answered what rang at this one. A listener reports each answer of a
    party; without one, an announcement or a voicemail has answered.
    """
    is_machine = report.is_followed and bool(seen) and not seen & _ANSWERS
    is_answered = report.status is CallStatus.ANSWER and not is_machine
    if is_answered and report.flow is CallFlow.IN:
        return report.extension
    if is_answered:
        return history.find_answering(report, report.started_at) or report.peer
    if report.flow is CallFlow.IN and report.started_at:
        return history.find_answering(report, report.started_at)
    return ""
