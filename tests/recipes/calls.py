"""Call events for recipes: of all types, outcomes and directions, and with hostile values."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from callevents.db.models import CallEvent
from callevents.db.models.event import REPORTED
from callevents.enums import CallFlow, CallStatus, EventType
from callevents.ingest.enrich import CallHistory, enrich
from callevents.ingest.report import Report

AT = datetime(2026, 3, 1, 22, 30, 15, 250_000, UTC)
EXTENSION = "101"
#: It has no user in the receiver.
UNMAPPED = "999"
NUMBER = "0721000001"
NAME = "Ana Pop"
#: Quotes, braces, placeholders, markup of chats and HTML, separators of URLs and forms, and
#: characters of four bytes.
HOSTILE = "\"}],{\\ {CallID} {receiver.token} <!channel> @all [a](http://b) &x=1;%0d|'🤙\u2028</b>"

_CAUSES = {
    CallStatus.ANSWER: 16,
    CallStatus.BUSY: 17,
    CallStatus.NOANSWER: 19,
    CallStatus.CANCEL: 16,
    CallStatus.CONGESTION: 34,
    CallStatus.CHANUNAVAIL: 1,
}
_ENDS = (*_CAUSES, None)


@dataclass(frozen=True)
class Case:
    """A call event, and what is special about it."""

    name: str
    event: CallEvent
    #: The number of the other party is not known, or none.
    is_anonymous: bool = False
    has_user: bool = True


def make_cases() -> Iterator[Case]:
    """Yield all cases."""
    for event_type in EventType:
        for flow in CallFlow:
            if event_type.call_flow in {"", flow}:
                yield from _cases_of(event_type, flow)


def _cases_of(event_type: EventType, flow: CallFlow) -> Iterator[Case]:
    name = f"{event_type.slug} {flow}"
    statuses = _ENDS if event_type is EventType.HANGUP else (None,)
    for status in statuses:
        yield Case(f"{name} {status}", make_event(event_type, flow, status))
    answered = CallStatus.ANSWER if event_type is EventType.HANGUP else None
    for peer in ("", "anonymous", HOSTILE):
        yield Case(
            f"{name} from {peer[:9]!r}",
            make_event(event_type, flow, answered, peer=peer, caller_name=HOSTILE),
            is_anonymous=True,
        )
    yield Case(f"{name} named", make_event(event_type, flow, answered, caller_name=HOSTILE))
    yield Case(f"{name} internal", make_event(event_type, flow, answered, peer="102"))
    yield Case(
        f"{name} unmapped",
        make_event(event_type, flow, answered, extension=UNMAPPED),
        has_user=False,
    )
    yield Case(f"{name} alone", make_event(event_type, flow, answered, has_history=False))


def make_event(
    event_type: EventType,
    flow: CallFlow,
    status: CallStatus | None = None,
    *,
    extension: str = EXTENSION,
    peer: str = NUMBER,
    caller_name: str = NAME,
    has_history: bool = True,
) -> CallEvent:
    """Return an event as it is stored; without history, only this event of the call is known."""
    is_answered = status is CallStatus.ANSWER
    is_hangup = event_type is EventType.HANGUP
    report = Report(
        event_type=event_type,
        extension=extension,
        call_id="1772404215.42",
        leg_id="leg-1",
        peer=peer,
        caller_name=caller_name,
        called_did="+40 21 000 0100" if flow is CallFlow.IN else "",
        flow=flow,
        status=status,
        cause=_CAUSES.get(status) if status else None,
        duration_seconds=42 if is_hangup and is_answered else None,
        queue="sales" if flow is CallFlow.IN else "",
        at=AT,
    )
    if is_hangup and has_history:
        report = report._replace(
            started_at=AT - timedelta(seconds=50),
            answered_at=AT - timedelta(seconds=42) if is_answered else None,
            answered_by=(extension if flow is CallFlow.IN else peer) if is_answered else "",
        )
    enriched = enrich(report, frozenset({EXTENSION, UNMAPPED, "102"}), CallHistory())
    values = {name: getattr(enriched, name) for name in REPORTED}
    return CallEvent(**values, happened_at=AT, pbx_id=1)
