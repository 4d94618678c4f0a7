"""What may be seen of call events: which PBXs to read, and which of their events."""

from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, select

from callevents.api.v1.call import Call
from callevents.api.v1.chosen_pbxs import find_removed
from callevents.api.v1.problems import not_found
from callevents.db.models import CallEvent, Pbx
from callevents.enums import Right
from callevents.extensions import db
from callevents.ingest.events import find_event
from callevents.operations.event_log import Condition, EventFilter
from callevents.users.rights import Scope


@dataclass(frozen=True)
class VisibleEvents:
    """The events that the caller may see, of one PBX or of all."""

    scope: Scope
    pbx: Pbx | None
    #: PBXs whose events must not be read.
    without: frozenset[int]

    @classmethod
    def of(cls, call: Call[Any, Any], pbx: Pbx | None) -> "VisibleEvents":
        """Return those that the caller may see."""
        return cls(call.principal.scope_of(Right.SEE), pbx, frozenset(find_removed()))

    @property
    def condition(self) -> Condition | None:
        """The condition for single events; None if all of the PBXs are visible."""
        is_whole = self.scope.has_pbx(self.pbx.id) if self.pbx else not self.scope.extension_ids
        return None if self.scope.is_all or is_whole else self.scope.of_events

    def leaving_out(self, pbx_ids: frozenset[int]) -> "VisibleEvents":
        """Return these without the events of some PBXs."""
        return replace(self, without=self.without | pbx_ids)

    def filter(self, **values: Any) -> EventFilter:
        """Return the filter of these events with more values."""
        rest = [condition for condition in (self.condition, self._not_left_out) if condition]
        return EventFilter(pbx_ids=self._pbx_ids, rest=rest, **values)

    @property
    def _pbx_ids(self) -> list[int] | None:
        if self.pbx is not None:
            return [self.pbx.id]
        if self.scope.is_all:
            return None
        return sorted((self.scope.pbx_ids | self.scope.partial_pbx_ids) - self.without)

    @property
    def _not_left_out(self) -> Condition | None:
        if self._pbx_ids is not None or not self.without:
            return None

        def condition(one: type[CallEvent]) -> ColumnElement[bool]:
            return one.pbx_id.not_in(self.without)

        return condition


def find_hiding(call: Call[Any, Any]) -> frozenset[int]:
    """Return the IDs of the PBXs that hide phone numbers from the caller."""
    hiding = db.session.scalars(select(Pbx).where(Pbx.hides_numbers))
    return frozenset(pbx.id for pbx in hiding if not call.shown_numbers(pbx).are_whole)


def see_event(call: Call[Any, Any], event_id: str, what: str) -> CallEvent:
    """Return the event that the caller may see; raises ApiError with 404 about `what`."""
    event = find_event(event_id, scope=call.principal.scope_of(Right.SEE))
    if event is None or event.pbx.removing_at is not None:
        raise not_found(what)
    return event
