"""Lists of calls: what each PBX reported under one call ID, newest first, page by page.

A call's place in the list is that of its first event. So it has one place, although more events
follow. PBXs reuse call IDs: an event that comes a day after the one before it begins another call.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, Select, literal, not_, or_, select, true
from sqlalchemy.orm import aliased

from callevents.db.models import CallEvent
from callevents.db.moments import later
from callevents.enums import CallStatus, EventType
from callevents.extensions import db
from callevents.ingest.history import CALL_ID_REUSE_AFTER
from callevents.operations.event_log import Condition, EventFilter, Position, find_events
from callevents.operations.number_search import Number, contains

#: Events shown, and searched, of one call.
MAX_EVENTS = 100
#: Events checked for a page. Each needs its call's events.
WINDOW = 5_000
_PARTIES = ("caller_number", "caller_extension", "called_number", "called_extension")
NUMBERS = (*_PARTIES, "called_did", "peer")
_ANSWERS = {EventType.ANSWER_IN, EventType.ANSWER_OUT}


def see_all(_one: type[CallEvent]) -> ColumnElement[bool]:
    """Return the condition for all events."""
    return true()


@dataclass(frozen=True)
class CallFilter:
    """The calls to list."""

    #: The PBXs to read; `since` and `until` are about a call's first event.
    events: EventFilter
    #: The number of an extension that took part in the call.
    extension: str = ""
    #: A phone number of the call, however it is written.
    number: Number | None = None
    #: The events that may be seen. All others are as if they did not exist.
    is_visible: Condition = see_all

    def has(self, call: "Call") -> bool:
        """Return True if the call has the extension and the number."""
        if self.extension and self.extension not in call.extensions:
            return False
        return self.number is None or self.number.is_in(*call.all_numbers)


@dataclass(frozen=True)
class Call:
    """A call's events, in the order in which they happened."""

    first: CallEvent
    events: Sequence[CallEvent]
    #: True if there are more events than these.
    is_cut: bool

    @property
    def extensions(self) -> list[str]:
        """The numbers of the extensions whose events these are, each once."""
        return list(dict.fromkeys(event.extension for event in self.events))

    @property
    def all_numbers(self) -> list[str]:
        """The numbers in the call's events, each once."""
        found = (getattr(event, name) for event in self.events for name in NUMBERS)
        return [number for number in dict.fromkeys(found) if number]

    @property
    def numbers(self) -> list[str]:
        """The numbers without those of the extensions."""
        own = set(self.extensions)
        return [number for number in self.all_numbers if number not in own]

    @property
    def status(self) -> CallStatus | None:
        """How the call ended, or how far it is; None if the PBX did not report that."""
        hangups = [event for event in self.events if event.event_type is EventType.HANGUP]
        statuses = [event.status for event in hangups if event.status is not None]
        is_answered = any(event.event_type in _ANSWERS for event in self.events)
        if is_answered or CallStatus.ANSWER in statuses:
            return CallStatus.ANSWER
        if hangups:
            return statuses[-1] if statuses else None
        return CallStatus.CALLING


@dataclass(frozen=True)
class CallPage:
    """A page of calls, newest first."""

    found: Sequence[Call]
    #: The next page begins after this place; None on the last page.
    after: Position | None = None


def find_calls(
    wanted: CallFilter, *, limit: int, after: Position | None = None, window: int = WINDOW
) -> CallPage:
    """Return the newest matching calls that come after that place in the list."""
    firsts = replace(wanted.events, rest=(*wanted.events.rest, *_conditions(wanted)))
    page = find_events(firsts, limit=limit, after=after, window=window)
    calls = _load_all(page.found, wanted.is_visible)
    # The database finds digits also within longer numbers.
    return CallPage([call for call in calls if wanted.has(call)], page.after)


def find_call(event: CallEvent, is_visible: Condition = see_all) -> Call | None:
    """Return the call that the event belongs to; None if it has no call ID."""
    if not event.call_id:
        return None
    first = event
    for one in _read(_earlier(event, CallEvent), is_visible):
        if first.received_at - one.received_at > CALL_ID_REUSE_AFTER:
            break
        first = one
    return _load(first, is_visible)


def _conditions(wanted: CallFilter) -> Iterator[Condition]:
    """Yield the conditions that an event is the first one of a call that is wanted."""
    visible, extension = wanted.is_visible, wanted.extension
    yield lambda one: one.call_id != ""
    yield visible
    yield lambda one: not_(_follows_another(one, visible))
    if extension:
        yield lambda one: _has_event(one, visible, lambda other: other.extension == extension)
    if (number := wanted.number) is not None:
        yield lambda one: _has_event(one, visible, lambda other: _has_number(other, number))


def _follows_another(one: type[CallEvent], is_visible: Condition) -> ColumnElement[bool]:
    """Return the condition that a visible event of the same call is before this one."""
    other = aliased(CallEvent)
    since = later(one.received_at, -round(CALL_ID_REUSE_AFTER.total_seconds()))
    query = _earlier(one, other).where(other.received_at >= since)
    return _any(query.correlate(one), is_visible)


def _has_event(
    one: type[CallEvent], is_visible: Condition, is_wanted: Condition
) -> ColumnElement[bool]:
    """Return the condition that one of the first events from this one on is wanted."""
    query = _from(one, aliased(CallEvent)).limit(MAX_EVENTS)
    return _any(query.correlate(one), is_visible, is_wanted)


def _any(query: Select[Any], *conditions: Condition) -> ColumnElement[bool]:
    """Return the condition that the conditions apply to a row of the query."""
    other = aliased(CallEvent, query.subquery(), adapt_on_names=True)
    return select(other.id).where(*(condition(other) for condition in conditions)).exists()


def _has_number(one: type[CallEvent], number: Number) -> ColumnElement[bool]:
    return or_(*(contains(getattr(one, name), number) for name in NUMBERS))


def _earlier(one: Any, other: type[CallEvent]) -> Select[Any]:
    """Return the query for the events of a call before this one, newest first."""
    is_before = or_(other.received_at < one.received_at, other.id < one.id)
    return (
        _of_call(one, other)
        .where(other.received_at <= one.received_at, is_before)
        .order_by(other.received_at.desc(), other.id.desc())
        .limit(MAX_EVENTS)
    )


def _from(one: Any, other: type[CallEvent]) -> Select[Any]:
    """Return the query for the events of a call from this one on, oldest first."""
    is_after = or_(other.received_at > one.received_at, other.id >= one.id)
    return (
        _of_call(one, other)
        .where(other.received_at >= one.received_at, is_after)
        .order_by(other.received_at, other.id)
    )


def _of_call(one: Any, other: type[CallEvent]) -> Select[Any]:
    return select(other).where(other.pbx_id == one.pbx_id, other.call_id == one.call_id)


def _load_all(firsts: Sequence[CallEvent], is_visible: Condition) -> list[Call]:
    """Return the calls that begin with these events."""
    if not firsts:
        return []
    first = aliased(CallEvent)
    more = _from(first, aliased(CallEvent)).offset(MAX_EVENTS).limit(1).correlate(first)
    of_firsts = first.id.in_([one.id for one in firsts])
    is_long = more.with_only_columns(literal(1)).exists()
    long = set(db.session.scalars(select(first.id).where(of_firsts, is_long)))
    of_short = first.id.in_([one.id for one in firsts if one.id not in long])
    query = _from(first, CallEvent).add_columns(first.id.label("first_id")).where(of_short)
    found: dict[str, list[CallEvent]] = {}
    for row in _rows(query, is_visible):
        found.setdefault(row.first_id, []).append(row.CallEvent)
    return [
        _load(one, is_visible) if one.id in long else _make(one, found[one.id]) for one in firsts
    ]


def _load(first: CallEvent, is_visible: Condition) -> Call:
    """Return the call that begins with the event."""
    return _make(first, _read(_from(first, CallEvent).limit(MAX_EVENTS + 1), is_visible))


def _make(first: CallEvent, following: Iterable[CallEvent]) -> Call:
    events = list(_until_reuse(following))
    shown = sorted(events[:MAX_EVENTS], key=lambda event: (event.happened_at, event.id))
    return Call(first, shown, is_cut=len(events) > MAX_EVENTS)


def _read(query: Select[Any], is_visible: Condition) -> Iterator[CallEvent]:
    """Yield the visible ones of the events that the query returns."""
    return (row.CallEvent for row in _rows(query, is_visible))


def _rows(query: Select[Any], is_visible: Condition) -> Iterator[Any]:
    # Not as a condition of the query: to fill its limit, it would read on and on.
    source = query.add_columns(is_visible(CallEvent).label("is_visible"))
    return (row for row in db.session.execute(source) if row.is_visible)


def _until_reuse(events: Iterable[CallEvent]) -> Iterator[CallEvent]:
    """Yield the events before the PBX uses the call ID for another call."""
    last = None
    for event in events:
        if last is not None and event.received_at - last > CALL_ID_REUSE_AFTER:
            return
        last = event.received_at
        yield event
