"""Completes reports from the earlier events of their calls."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from callevents.db.models import Pbx, utc_now
from callevents.enums import EventType
from callevents.ingest.enrich import CallHistory, enrich
from callevents.ingest.report import Report
from callevents.ingest.statements import HISTORY, run

#: PBXs reuse call IDs: an older event with the same call ID belongs to another call.
CALL_ID_REUSE_AFTER = timedelta(hours=24)


def find_call_events(pbx: Pbx, call_id: str) -> Sequence[Any]:
    """Return the events of the call within the last 24 hours, oldest first."""
    since = utc_now() - CALL_ID_REUSE_AFTER
    parameters = {"pbx_id": pbx.id, "call_ids": [call_id], "since": since}
    return list(reversed(run(HISTORY, parameters).all()))


def complete(
    pbx: Pbx, reports: Sequence[Report], extension_ids: Mapping[str, str], now: datetime
) -> list[Report]:
    """Return the reports with missing values filled in, also from earlier events of their calls.

    `extension_ids`: the extensions that the reports mention, by number.
    """
    numbers = frozenset(extension_ids)
    history = _load_history(pbx, reports, now)
    completed = []
    for report in reports:
        completed.append(enrich(report, numbers, history))
        history.add(completed[-1])
    return completed


def _load_history(pbx: Pbx, reports: Iterable[Report], now: datetime) -> CallHistory:
    """Return the earlier events of the calls that now hang up."""
    history = CallHistory(now)
    calls = {
        report.call_id
        for report in reports
        if report.event_type is EventType.HANGUP and report.call_id
    }
    if calls:
        since = utc_now() - CALL_ID_REUSE_AFTER
        rows = run(HISTORY, {"pbx_id": pbx.id, "call_ids": list(calls), "since": since}).all()
        for row in reversed(rows):
            history.add(row)
    return history
