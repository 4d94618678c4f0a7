"""The reports of a PBX within the last hour, and why some led to no request.

Accepted events are in the event table. Rejected, ignored and duplicate reports are stored
separately, for one hour and with a limit for each PBX.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import case, func, literal_column, select

from callevents.db.models import (
    CallEvent,
    Delivery,
    DiscardedReport,
    Extension,
    Hook,
    Pbx,
    UnknownToken,
    in_state,
    utc_now,
)
from callevents.enums import DeliveryState, EventType, HookScope
from callevents.extensions import db
from callevents.ingest.discarded import MAX_STORED, RETENTION, first_id_of_duplicate

MAX_EVENTS = 100


@dataclass(frozen=True)
class RecentReport:
    """A report of a PBX: an accepted event, or a discarded report."""

    at: datetime
    event: CallEvent | None
    #: The discarded report, or empty.
    sent: str
    status: int
    requests: int = 0
    #: Requests that were skipped because of their conditions.
    skipped: int = 0
    #: Why the report led to no request; empty if it led to one.
    reason: str = ""

    @property
    def first_id(self) -> str:
        """The ID of the event that a duplicate repeats, else empty."""
        return first_id_of_duplicate(self.reason)


def list_recent_reports(pbx: Pbx) -> list[RecentReport]:
    """Return the reports of the last hour, newest first."""
    since = utc_now() - RETENTION
    discarded = db.session.scalars(
        select(DiscardedReport)
        .where(DiscardedReport.pbx_id == pbx.id, DiscardedReport.received_at >= since)
        .order_by(DiscardedReport.id.desc())
        .limit(2 * MAX_STORED)
    )
    found = [
        RecentReport(one.received_at, None, one.sent, one.status, reason=one.reason)
        for one in discarded
    ]
    found += _list_events(pbx, since)
    return sorted(found, key=lambda one: one.at, reverse=True)


def list_unknown_tokens(pbx: Pbx) -> Sequence[UnknownToken]:
    """Return the networks with reports without a valid token in the last hour, latest first."""
    return db.session.scalars(
        select(UnknownToken)
        .where(UnknownToken.pbx_id == pbx.id, UnknownToken.last_at >= utc_now() - RETENTION)
        .order_by(UnknownToken.last_at.desc(), UnknownToken.network)
    ).all()


def _list_events(pbx: Pbx, since: datetime) -> list[RecentReport]:
    events = db.session.scalars(
        select(CallEvent)
        .where(CallEvent.pbx_id == pbx.id, CallEvent.received_at >= since)
        .order_by(CallEvent.received_at.desc(), CallEvent.id.desc())
        .limit(MAX_EVENTS)
    ).all()
    requests = _find_requests(events)
    numbers = {event.extension for event in events}
    known = set(
        db.session.scalars(
            select(Extension.number).where(
                Extension.pbx_id == pbx.id, Extension.number.in_(numbers)
            )
        )
    )
    once_per_call = _find_once_per_call(pbx)
    return [
        RecentReport(
            event.received_at,
            event,
            "",
            202,
            requests[event.id].sent,
            requests[event.id].skipped,
            _explain_once(event, requests[event.id])
            if event.event_type in once_per_call
            else _explain(event, requests[event.id], is_known=event.extension in known),
        )
        for event in events
    ]


def _find_once_per_call(pbx: Pbx) -> Collection[EventType]:
    """Return the event types with an active request that is sent once per call."""
    is_once = (Hook.pbx_id == pbx.id, Hook.active, Hook.scope == HookScope.CALL)
    return db.session.scalars(select(Hook.event_type).where(*is_once).distinct()).all()


@dataclass
class _Requests:
    """The number of an event's requests, and why others were skipped."""

    sent: int = 0
    skipped: int = 0
    reasons: list[str] = field(default_factory=list)


def _find_requests(events: Sequence[CallEvent]) -> Mapping[str, _Requests]:
    """Return the requests of each event, by event ID."""
    # Literals and no parameters: PostgreSQL compares what is selected and grouped as texts.
    reason = case(
        (in_state(DeliveryState.SKIPPED), Delivery.error), else_=literal_column("''")
    ).label("reason")
    statement = (
        select(Delivery.call_event_id, reason, func.count().label("number"))
        .where(Delivery.call_event_id.in_([event.id for event in events]))
        .group_by(Delivery.call_event_id, reason)
        .order_by(reason)
    )
    found: defaultdict[str, _Requests] = defaultdict(_Requests)
    for row in db.session.execute(statement):
        requests = found[row.call_event_id]
        if row.reason:
            requests.skipped += row.number
            requests.reasons.append(row.reason)
        else:
            requests.sent += row.number
    return found


def _explain_once(event: CallEvent, requests: _Requests) -> str:
    if requests.sent or requests.reasons:
        return _explain(event, requests, is_known=True)
    if event.event_type is EventType.HANGUP:
        return "No active request, or it is sent once, when the whole call is over."
    return "No active request, or it was sent once for the call, for another extension."


def _explain(event: CallEvent, requests: _Requests, *, is_known: bool) -> str:
    if requests.sent:
        return ""
    if requests.reasons:
        return " ".join(requests.reasons)
    if not is_known:
        return f"{event.extension} is not an extension, and no request applies to all extensions."
    return f"No active request for {event.event_type.label} of {event.extension}."


def list_events_since(pbx: Pbx, moment: datetime, limit: int) -> Sequence[CallEvent]:
    """Return the PBX's latest events received at or after the moment, newest first."""
    statement = (
        select(CallEvent)
        .where(CallEvent.pbx_id == pbx.id, CallEvent.received_at >= moment)
        .order_by(CallEvent.received_at.desc(), CallEvent.id.desc())
        .limit(limit)
    )
    return db.session.scalars(statement).all()
