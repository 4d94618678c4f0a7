"""Delivery filters and the index chosen for each.

Every index ends with the id, and ids contain the time of creation. So each list is the end of an
index read backwards, and a time range is a range of ids.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, and_, not_, select

from callevents.db.models import Delivery, Hook, Origin, Pbx, first_id, in_state, utc_now
from callevents.delivery.request.url import check_url, origin_of
from callevents.enums import DeliveryState, EventType, ListedState
from callevents.errors import InvalidError
from callevents.extensions import db
from callevents.security.hidden_numbers import hide_numbers

#: Returns a condition for the delivery table, or for an alias or subquery with the same columns.
Condition = Callable[[type[Delivery]], ColumnElement[bool]]

#: Leading columns of the indexes, most selective first; names such as 'open' are states of partial
#: indexes. The deliveries of a call are found through its events.
INDEXES = (
    ("hook_id", "open"),
    ("hook_id", "held"),
    ("pbx_id", "open"),
    ("pbx_id", "held"),
    ("pbx_id", "failed"),
    ("pbx_id", "cancelled"),
    ("pbx_id", "skipped"),
    ("hook_id",),
    ("pbx_id", "extension"),
    ("pbx_id",),
    (),
)
EPOCH = datetime.fromtimestamp(0, UTC)
FIRST_ID = "00000000-0000-0000-0000-000000000000"
LAST_ID = "ffffffff-ffff-ffff-ffff-ffffffffffff"
#: An id that no row has.
NO_ID = -1
_STATES = {
    "open": DeliveryState.PENDING,
    "held": DeliveryState.HELD,
    "failed": DeliveryState.FAILED,
    "cancelled": DeliveryState.CANCELLED,
    "skipped": DeliveryState.SKIPPED,
}


@dataclass(frozen=True)
class Filter:
    """The deliveries to list; without values, all of them."""

    pbx: Pbx | None = None
    state: ListedState | None = None
    extension: str = ""
    event_type: EventType | None = None
    #: The Event ID of a hook, which may have been removed.
    hook: str = ""
    #: Any URL of the origin.
    origin: str = ""
    call_id: str = ""
    since: datetime | None = None
    until: datetime | None = None
    #: What may be seen of the deliveries, and the PBXs that have any of it; None: all.
    limit: Condition | None = None
    pbx_ids: Collection[int] | None = None

    def of_pending(self) -> "Filter":
        """Return the filter limited to pending or to held deliveries; raises InvalidError."""
        if self.state is None:
            return replace(self, state=ListedState.PENDING)
        if self.state in (ListedState.PENDING, ListedState.HELD) or self.state in PHASES:
            return self
        raise InvalidError.of("state", "Only pending and held deliveries can be cancelled.")

    def describe(self) -> dict[str, Any]:
        """Return the values that are set, as the history has them: without phone numbers."""
        names = self.__dataclass_fields__.keys() - {"pbx", "limit", "pbx_ids"}
        values = {name: getattr(self, name) for name in sorted(names)}
        # The history outlives the calls, and erasing a number does not change it.
        free = {name: hide_numbers(getattr(self, name)) for name in ("extension", "call_id")}
        shown = {"pbx": self.pbx.slug if self.pbx else None, **values, **free}
        return {name: value for name, value in shown.items() if value not in (None, "")}

    def values(self) -> dict[str, Any]:
        """Return the required column values by column name; raises InvalidError."""
        values: dict[str, Any] = {}
        if self.pbx is not None:
            values["pbx_id"] = self.pbx.id
        if self.extension:
            values["extension"] = self.extension
        if self.event_type is not None:
            values["event_type"] = self.event_type
        if self.call_id:
            values["call_id"] = self.call_id
        if self.origin:
            values["origin_id"] = _find_origin(self.origin)
        if self.hook:
            values |= _find_hook(self.hook)
        return values

    def states(self) -> dict[str, Condition]:
        """Return the conditions on the state, by their names in INDEXES."""
        state = self.state
        conditions: dict[str, Condition] = {}
        if state is ListedState.DELIVERED:
            conditions["delivered"] = partial(in_state, DeliveryState.DELIVERED)
        for name, stored in _STATES.items():
            if state is not None and (state.value == stored.value or (name, state) in _OPEN):
                conditions[name] = partial(in_state, stored)
        if state is not None and state in PHASES:
            conditions["phase"] = PHASES[state]
        return conditions

    def ids(self, before: str | None) -> tuple[str, str]:
        """Return the id range of the time range: the first id, and the exclusive end."""
        first = first_id(max(self.since, EPOCH)) if self.since else FIRST_ID
        ends = [first_id(max(self.until, EPOCH))] if self.until else []
        return first, min([*ends, before or LAST_ID])


def _is_sending(one: type[Delivery]) -> ColumnElement[bool]:
    return and_(one.claimed_at.is_not(None), one.due_at > utc_now())


def _is_retry(one: type[Delivery]) -> ColumnElement[bool]:
    return one.attempts > one.attempts_before


#: SQL conditions of the phases of pending deliveries; must agree with phase_of().
PHASES: dict[ListedState, Condition] = {
    ListedState.SENDING: _is_sending,
    ListedState.RETRYING: lambda one: and_(not_(_is_sending(one)), _is_retry(one)),
    ListedState.WAITING: lambda one: and_(not_(_is_sending(one)), not_(_is_retry(one))),
}


_OPEN = {("open", phase) for phase in PHASES}


def phase_of(delivery: Delivery) -> ListedState:
    """Return the delivery's state as the log shows it."""
    if delivery.state is not DeliveryState.PENDING:
        return ListedState(delivery.state.value)
    if delivery.claimed_at is not None and delivery.due_at > utc_now():
        return ListedState.SENDING
    is_retry = delivery.attempts > delivery.attempts_before
    return ListedState.RETRYING if is_retry else ListedState.WAITING


def _find_hook(event_id: str) -> dict[str, Any]:
    hook_id = db.session.scalar(select(Hook.id).where(Hook.event_id == event_id))
    # Deliveries of a removed hook keep its Event ID, but that column has no index.
    return {"hook_event_id": event_id} if hook_id is None else {"hook_id": hook_id}


def check_origin(url: str) -> str:
    """Return the name of the URL's origin; raises InvalidError."""
    try:
        return origin_of(check_url(url).url)
    except InvalidError:
        raise InvalidError.of(
            "origin", f"{url!r} is not an origin. Write it like https://crm.example.com."
        ) from None


def _find_origin(url: str) -> int:
    """Return the id of the URL's origin, NO_ID if there is none; raises InvalidError."""
    name = check_origin(url)
    found = db.session.scalar(select(Origin.id).where(Origin.name == name))
    return NO_ID if found is None else found
