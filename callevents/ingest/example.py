"""Sample call events, for previews and test events."""

from datetime import timedelta

from callevents import audit
from callevents.audit.targets import of_pbx
from callevents.db.models import Pbx, new_id, utc_now
from callevents.enums import CallStatus, EventType
from callevents.ingest.accept import Accepted, accept
from callevents.ingest.enrich import CallHistory, enrich
from callevents.ingest.report import Report


def example_report(event_type: EventType, extension: str) -> Report:
    """Return an enriched report of an example call."""
    outgoing = event_type.call_flow == "OUT"
    hangup = event_type is EventType.HANGUP
    now = utc_now()
    report = Report(
        event_type=event_type,
        extension=extension,
        call_id="example-" + new_id(),
        leg_id="example-" + new_id(),
        peer="+40 721 000 001",
        caller_name="" if outgoing else "Ana Pop",
        called_did="" if outgoing else "+40 21 000 0100",
        status=CallStatus.ANSWER if hangup else None,
        cause=16 if hangup else None,
        duration_seconds=42 if hangup else None,
        at=now,
        called_extension=extension if hangup else "",
        started_at=now - timedelta(seconds=47) if hangup else None,
        answered_at=now - timedelta(seconds=42) if hangup else None,
        answered_by=extension if hangup else "",
    )
    return enrich(report, frozenset({extension}), CallHistory())


def send_example(pbx: Pbx, event_type: EventType, extension: str) -> Accepted:
    """Accept an example event as if the PBX had reported it.

    The caller has begun a write transaction, commits it, and then wakes the workers.
    """
    [accepted] = accept(pbx, [example_report(event_type, extension)])
    values = {"event": event_type, "extension": extension}
    audit.record(audit.Action.TEST_EVENT_SENT, of_pbx(pbx), after=values)
    return accepted
