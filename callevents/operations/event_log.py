"""Lists of call events, newest first, page by page.

The events of one PBX are read from the index of its PBX and time, those of all PBXs by their IDs.
Conditions without an index are checked on a limited number of them, and the next page continues
from there. So a page may have fewer events than asked for although more follow.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, Subquery, or_, select, union_all
from sqlalchemy.orm import aliased, selectinload

from callevents.db.models import CallEvent, first_id, to_id
from callevents.enums import EventType
from callevents.extensions import db

#: Events checked for a page if the index does not cover the filter.
WINDOW = 10_000
EPOCH = datetime.fromtimestamp(0, UTC)
_MILLISECOND = timedelta(milliseconds=1)

#: Returns a condition for the events, or for an alias or subquery with the same columns.
Condition = Callable[[type[CallEvent]], ColumnElement[bool]]


@dataclass(frozen=True)
class Position:
    """The place of an event in a list."""

    received_at: datetime
    event_id: str

    @classmethod
    def of(cls, event: Any) -> "Position":
        """Return the place of the event."""
        return cls(event.received_at, event.id)

    @classmethod
    def parse(cls, text: str) -> "Position | None":
        """Return the position that `str` wrote as this text; None for any other."""
        number, _, event_id = text.partition(".")
        is_number = number.isascii() and number.isdigit() and len(number) <= 14
        if not is_number or (found := to_id(event_id)) is None:
            return None
        return cls(EPOCH + int(number) * _MILLISECOND, found)

    def __str__(self) -> str:
        """Return the position as text."""
        return f"{(self.received_at - EPOCH) // _MILLISECOND}.{self.event_id}"


@dataclass(frozen=True)
class EventFilter:
    """The events to list; without values, all of them."""

    #: The PBXs to read; None: all. SQLite takes at most 500.
    pbx_ids: Sequence[int] | None = None
    extension: str = ""
    event_type: EventType | None = None
    #: Only together with one PBX, whose call it is.
    call_id: str = ""
    #: When the PBX reported them.
    since: datetime | None = None
    until: datetime | None = None
    #: More conditions, which have no index.
    rest: Sequence[Condition] = ()

    def conditions(self) -> list[Condition]:
        """Return the conditions to check on the events that the index yields."""
        found = list(self.rest)
        if self.extension:
            found.append(lambda one: one.extension == self.extension)
        if self.event_type is not None:
            found.append(lambda one: one.event_type == self.event_type)
        return found


@dataclass(frozen=True)
class EventPage:
    """A page of events, newest first."""

    found: Sequence[CallEvent]
    #: The next page begins after this place; None on the last page.
    after: Position | None = None


def find_events(
    wanted: EventFilter, *, limit: int, after: Position | None = None, window: int = WINDOW
) -> EventPage:
    """Return the newest matching events that come after that place in the list."""
    return _Scan(wanted, limit, after, window).run()


@dataclass(frozen=True)
class _Scan:
    """Reads the newest events of some PBXs, each from its index, or of all by their IDs."""

    wanted: EventFilter
    limit: int
    after: Position | None
    window: int

    def run(self) -> EventPage:
        """Return the page."""
        if not self._branches:
            return EventPage([])
        found = self._find()
        end = self._find_end() if self._rest and self._may_be_cut(found) else None
        if end is not None:
            # Beyond it, another branch may have events that were not checked.
            found = [one for one in found if self._place(Position.of(one)) >= self._place(end)]
        if len(found) > self.limit:
            found = found[: self.limit]
            return EventPage(found, Position.of(found[-1]))
        return EventPage(found, end)

    def _may_be_cut(self, found: Sequence[CallEvent]) -> bool:
        return len(found) <= self.limit or len(self._branches) > 1

    @property
    def _rest(self) -> Sequence[Condition]:
        return self.wanted.conditions()

    @property
    def _branches(self) -> Sequence[int | None]:
        """What is read one by one: PBXs, or None for all together."""
        return [None] if self.wanted.pbx_ids is None else self.wanted.pbx_ids

    @property
    def _size(self) -> int:
        """The number of events to read from each branch."""
        return max(self.window // len(self._branches), 1) if self._rest else self.limit + 1

    def _place(self, position: Position) -> tuple[Any, ...]:
        """Return what the list is sorted by."""
        if self.wanted.pbx_ids is None:
            return (position.event_id,)
        return (position.received_at, position.event_id)

    def _find(self) -> Sequence[CallEvent]:
        """Return up to one event more than the limit, which shows that there are more."""
        source = _join([self._read(branch, CallEvent.__table__) for branch in self._branches])
        one = aliased(CallEvent, source, adapt_on_names=True)
        return db.session.scalars(
            select(one)
            .options(selectinload(one.pbx))
            .where(*(condition(one) for condition in self._rest))
            .order_by(*self._order(one))
            .limit(self.limit + 1)
        ).all()

    def _find_end(self) -> Position | None:
        """Return the newest place where a branch was cut off; None if none was."""
        columns = CallEvent.id, CallEvent.received_at
        last = [
            self._read(branch, *columns).offset(self._size - 1).limit(1)
            for branch in self._branches
        ]
        ends = db.session.execute(select(_join(last)))
        return max(map(Position.of, ends), key=self._place, default=None)

    def _read(self, pbx_id: int | None, *columns: Any) -> Select[Any]:
        """Return the query for the newest events of a branch, in the order of an index."""
        query = select(*columns).order_by(*self._order(CallEvent)).limit(self._size)
        if pbx_id is None:
            return query.where(*self._ids())
        query = query.where(CallEvent.pbx_id == pbx_id, *self._times())
        return (
            query.where(CallEvent.call_id == self.wanted.call_id) if self.wanted.call_id else query
        )

    def _order(self, one: type[CallEvent]) -> Sequence[ColumnElement[Any]]:
        if self.wanted.pbx_ids is None:
            return (one.id.desc(),)
        return one.received_at.desc(), one.id.desc()

    def _times(self) -> list[ColumnElement[bool]]:
        since, until, after = self.wanted.since, self.wanted.until, self.after
        found = [CallEvent.received_at >= since] if since else []
        if until:
            found.append(CallEvent.received_at < until)
        if after:
            is_older = CallEvent.received_at < after.received_at
            is_next = or_(is_older, CallEvent.id < after.event_id)
            found += [CallEvent.received_at <= after.received_at, is_next]
        return found

    def _ids(self) -> list[ColumnElement[bool]]:
        """Return the conditions on the IDs, which contain the time."""
        since, until, after = self.wanted.since, self.wanted.until, self.after
        found = [CallEvent.id >= first_id(max(since, EPOCH))] if since else []
        if until:
            found.append(CallEvent.id < first_id(max(until, EPOCH)))
        if after:
            found.append(CallEvent.id < after.event_id)
        return found


def _join(queries: Sequence[Select[Any]]) -> Subquery:
    if len(queries) == 1:
        return queries[0].subquery()
    return union_all(*(select(query.subquery()) for query in queries)).subquery()
