"""The reports of a PBX within the last hour, and why some led to no request.

Accepted events are in the event table. Rejected, ignored and duplicate reports are stored
separately, for one hour and with a limit for each PBX.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import and_, case, func, literal_column, or_, select

from callevents.db.models import (
    CallEvent,
    Delivery,
    DiscardedReport,
    Pbx,
    UnknownToken,
    in_state,
    utc_now,
)
from callevents.db.models.delivery import SUSPENDED_ERROR
from callevents.enums import DeliveryState
from callevents.extensions import db
from callevents.ingest.discarded import MAX_STORED, RETENTION, first_id_of_duplicate
from callevents.ingest.no_request import Reason, explain

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
    #: Deliveries that were made without being sent, because their request was suspended.
    suspended: int = 0
    #: Why the report was discarded; empty for an event.
    reason: str = ""
    #: Why the event led to no request; empty if it led to one.
    why: Sequence[Reason] = ()

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
    why = explain(pbx, [event for event in events if event.id not in requests])
    return [
        RecentReport(
            event.received_at,
            event,
            "",
            202,
            requests=requests[event.id].sent,
            skipped=requests[event.id].skipped,
            suspended=requests[event.id].suspended,
            why=why.get(event.id) or requests[event.id].explain(),
        )
        for event in events
    ]


@dataclass
class _Requests:
    """The number of an event's requests, and why others were not sent."""

    sent: int = 0
    skipped: int = 0
    suspended: int = 0
    reasons: list[str] = field(default_factory=list)

    def explain(self) -> Sequence[Reason]:
        """Return why none was sent."""
        if self.sent:
            return ()
        return [Reason(reason.removesuffix(".")) for reason in self.reasons]


def _find_requests(events: Sequence[CallEvent]) -> defaultdict[str, _Requests]:
    """Return the requests of each event that has any, by event ID."""
    # Literals and no parameters: PostgreSQL compares what is selected and grouped as texts.
    was_suspended = and_(
        in_state(DeliveryState.FAILED),
        Delivery.attempts == literal_column("0"),
        Delivery.error == literal_column(f"'{SUSPENDED_ERROR}'"),
    )
    is_unsent = or_(in_state(DeliveryState.SKIPPED), was_suspended)
    reason = case((is_unsent, Delivery.error), else_=literal_column("''")).label("reason")
    statement = (
        select(Delivery.call_event_id, reason, func.count().label("number"))
        .where(Delivery.call_event_id.in_([event.id for event in events]))
        .group_by(Delivery.call_event_id, reason)
        .order_by(reason)
    )
    found: defaultdict[str, _Requests] = defaultdict(_Requests)
    for row in db.session.execute(statement):
        requests = found[row.call_event_id]
        if not row.reason:
            requests.sent += row.number
            continue
        requests.reasons.append(row.reason)
        if row.reason == SUSPENDED_ERROR:
            requests.suspended += row.number
        else:
            requests.skipped += row.number
    return found


def list_events_since(pbx: Pbx, moment: datetime, limit: int) -> Sequence[CallEvent]:
    """Return the PBX's latest events received at or after the moment, newest first."""
    statement = (
        select(CallEvent)
        .where(CallEvent.pbx_id == pbx.id, CallEvent.received_at >= moment)
        .order_by(CallEvent.received_at.desc(), CallEvent.id.desc())
        .limit(limit)
    )
    return db.session.scalars(statement).all()
