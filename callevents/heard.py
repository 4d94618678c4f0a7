"""What a PBX has reported within the last hour, what became of it, and why nothing did.

Accepted events are in the log of events. Only what was refused, passed over or told before is kept
beside it: a bounded number for each PBX, and for an hour.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from sqlalchemy import delete, func, or_, select

from callevents.extensions import db
from callevents.models import CallEvent, Delivery, Extension, OddReport, Pbx, utc_now
from callevents.reports import Report

#: So many odd reports of a PBX are kept, and so much of each.
MAX_KEPT = 100
#: How the reason of a repeated report begins. They have a number of their own, so that a PBX which
#: tells all twice does not make its refused ones be forgotten.
REPEATED = "repeated"
MAX_SENT_LENGTH = 2000
MAX_REASON_LENGTH = 500
SPAN = timedelta(hours=1)
#: So many events are shown.
SHOWN = 100


@dataclass(frozen=True)
class Heard:
    """Something that a PBX has reported."""

    at: datetime
    #: The event that was accepted, or the request that was not.
    event: CallEvent | None
    sent: str
    status: int
    requests: int = 0
    #: Why no request follows from it; empty if one does.
    reason: str = ""


def note_odd(pbx_id: int, status: int, reason: str, sent: str) -> None:
    """Keep a report of which nothing came, and remove what is too old or too many."""
    now = utc_now()
    db.session.add(
        OddReport(
            pbx_id=pbx_id,
            received_at=now,
            status=status,
            reason=reason[:MAX_REASON_LENGTH],
            sent=_clean(sent)[:MAX_SENT_LENGTH],
        )
    )
    db.session.flush()
    is_repeated = OddReport.reason.startswith(REPEATED)
    alike = (
        OddReport.pbx_id == pbx_id,
        is_repeated if reason.startswith(REPEATED) else ~is_repeated,
    )
    newest = select(OddReport.id).where(*alike).order_by(OddReport.id.desc()).limit(MAX_KEPT)
    oldest_id = db.session.scalars(newest).all()[-1]
    is_past = or_(OddReport.id < oldest_id, OddReport.received_at < now - SPAN)
    db.session.execute(delete(OddReport).where(*alike, is_past))


def explain_repeated(first_ids: Sequence[str]) -> str:
    """Return the reason why nothing comes of events that were told before, by the first's ids."""
    others = " and others" if len(first_ids) > 1 else ""
    return f"{REPEATED}; known already as event {first_ids[0]}{others}."


def write_reports(reports: Iterable[Report]) -> str:
    """Return what was reported, a line for each value, as far as it is kept."""
    texts = ("\n".join(_lines(report)) for report in islice(reports, MAX_SENT_LENGTH // 20))
    return "\n\n".join(texts)[:MAX_SENT_LENGTH]


def _lines(report: Report) -> Iterator[str]:
    yield f"event: {report.event_type.slug}"
    for name, value in vars(report).items():
        if value not in {None, ""} and name not in {"event_type", "key"}:
            yield f"{name}: {value}"


def list_heard(pbx: Pbx) -> list[Heard]:
    """Return what came within the last hour, the newest first."""
    since = utc_now() - SPAN
    odd = db.session.scalars(
        select(OddReport)
        .where(OddReport.pbx_id == pbx.id, OddReport.received_at >= since)
        .order_by(OddReport.id.desc())
        .limit(2 * MAX_KEPT)
    )
    found = [Heard(one.received_at, None, one.sent, one.status, reason=one.reason) for one in odd]
    found += _list_events(pbx, since)
    return sorted(found, key=lambda one: one.at, reverse=True)


def _list_events(pbx: Pbx, since: datetime) -> list[Heard]:
    events = db.session.scalars(
        select(CallEvent)
        .where(CallEvent.pbx_id == pbx.id, CallEvent.received_at >= since)
        .order_by(CallEvent.received_at.desc(), CallEvent.id.desc())
        .limit(SHOWN)
    ).all()
    counts = _count_requests(events)
    numbers = {event.extension for event in events}
    known = set(
        db.session.scalars(
            select(Extension.number).where(
                Extension.pbx_id == pbx.id, Extension.number.in_(numbers)
            )
        )
    )
    return [
        Heard(
            event.received_at,
            event,
            "",
            202,
            counts.get(event.id, 0),
            _reason(event, counts.get(event.id, 0), is_known=event.extension in known),
        )
        for event in events
    ]


def _count_requests(events: Sequence[CallEvent]) -> dict[str, int]:
    """Return how many requests each event makes, by the event's id."""
    statement = (
        select(Delivery.call_event_id, func.count())
        .where(Delivery.call_event_id.in_([event.id for event in events]))
        .group_by(Delivery.call_event_id)
    )
    return {row[0]: row[1] for row in db.session.execute(statement)}


def _reason(event: CallEvent, requests: int, *, is_known: bool) -> str:
    if requests:
        return ""
    if not is_known:
        return f"{event.extension} is not among the extensions, and no request is set for all."
    return f"No request was active for {event.event_type.label} of {event.extension}."


def _clean(text: str) -> str:
    """Return the text without what a database may not take, its lines kept."""
    return "".join(c for c in text if c == "\n" or unicodedata.category(c) not in {"Cc", "Cs"})
