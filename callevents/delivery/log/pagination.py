"""Keyset pagination of the deliveries that match a filter: reads an index backwards, within limits.

If no single index covers the filter, one index yields candidates, and a limited number of them is
checked. The next page continues from there. A call has few deliveries: they are all read.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, cast

from sqlalchemy import (
    ColumnElement,
    Select,
    String,
    Subquery,
    Tuple,
    func,
    literal,
    select,
    tuple_,
    union_all,
)
from sqlalchemy import cast as sql_cast
from sqlalchemy.orm import aliased, selectinload

from callevents.db.models import (
    CallEvent,
    Delivery,
    Hook,
    OpenIndex,
    Pbx,
    id_created_at,
    is_held_by,
    is_open_by,
    to_id,
)
from callevents.delivery.log.filters import INDEXES, NO_ID, Condition, Filter
from callevents.errors import NotFoundError
from callevents.extensions import db

#: Index rows checked for a page if the index does not cover the filter.
WINDOW = 10_000
#: With more PBXs, indexes that begin with the PBX are not used across all of them.
MAX_PBXS = 50
#: With more events, a call ID is treated as any other filter: the PBX uses it for many calls.
MAX_CALL_EVENTS = 1000
#: Columns that a summary needs.
SUMMARY_COLUMNS = ("id", "hook_id", "state")

Columns = Sequence[str]

#: The conditions of the indexes of deliveries that wait, by their names in INDEXES.
_WAITING = {"open": is_open_by, "held": is_held_by}


@dataclass(frozen=True)
class Page:
    """A page of deliveries, newest first."""

    #: Deliveries, or rows of the requested columns.
    found: Sequence[Any]
    #: The next page begins before this id; None on the last page.
    before: str | None = None
    #: Set if the search stopped here although older deliveries may match.
    searched_to: datetime | None = None


def find_page(
    wanted: Filter,
    *,
    limit: int,
    before: str | None = None,
    columns: Columns = (),
    window: int = WINDOW,
    max_pbxs: int = MAX_PBXS,
    max_call_events: int = MAX_CALL_EVENTS,
) -> Page:
    """Return the newest matching deliveries older than `before`, or only columns of them.

    Raises InvalidError for an invalid filter, NotFoundError if `before` is not an id.
    """
    if before is not None and (before := to_id(before)) is None:
        raise NotFoundError("There is no such delivery.")
    reached: Page | None = None
    for plan in _index_plans(wanted, max_pbxs, max_call_events):
        page = _IndexScan(plan, wanted.ids(before), limit, columns, window).run()
        if page.searched_to is None:
            return page
        if reached is None or (page.before or "") < (reached.before or ""):
            reached = page
    return reached or Page([])


def find_all(wanted: Filter, *, size: int, before: str | None = None) -> Iterator[Page]:
    """Yield all pages with SUMMARY_COLUMNS; a page may be empty if its search reached the limit."""
    while True:
        page = find_page(wanted, limit=size, before=before, columns=SUMMARY_COLUMNS)
        yield page
        if (before := page.before) is None:
            return


@dataclass(frozen=True)
class _IndexPlan:
    """One index to read, and the conditions to check on its rows.

    An index that begins with the PBX is read once for each PBX if the filter names none; these are
    its branches.
    """

    columns: Sequence[str]
    branches: Sequence[Sequence[Any]]
    states: Sequence[Condition]
    rest: Sequence[Condition]


def _index_plans(wanted: Filter, max_pbxs: int, max_call_events: int) -> Iterator[_IndexPlan]:
    """Yield the usable index plans, most selective first."""
    values, states = wanted.values(), wanted.states()
    if values.get("origin_id") == NO_ID:
        return
    if wanted.call_id and (plan := _plan_of_call(wanted, states, max_call_events)):
        yield plan
        return
    tried: list[set[str]] = []
    for index in INDEXES:
        names = set(index)
        is_of_each = "pbx_id" in names and "pbx_id" not in values
        known = names - {"pbx_id"} if is_of_each and wanted.pbx_ids is None else names
        is_better = known and not any(names <= others for others in tried)
        given = {*values, *states} if wanted.pbx_ids is None else {*values, *states, "pbx_id"}
        if not known <= given or (index and not is_better) or (not index and tried):
            continue
        columns = [name for name in index if name not in states]
        branches = [[values.get(name) for name in columns]]
        if is_of_each:
            pbx_ids = _pbx_ids(max_pbxs + 1) if wanted.pbx_ids is None else wanted.pbx_ids
            branches = [[pbx_id, *branches[0][1:]] for pbx_id in pbx_ids]
            if len(branches) > max_pbxs:
                continue
        tried.append(names)
        rest = [_equals(name, value) for name, value in values.items() if name not in names]
        rest += [condition for name, condition in states.items() if name not in names]
        rest += [wanted.limit] if wanted.limit else []
        waiting = names & _WAITING.keys()
        limiting = [states[name] for name in states if name in names - waiting]
        limiting += [partial(_WAITING[name], OpenIndex(columns[0])) for name in waiting]
        yield _IndexPlan(columns, branches, limiting, rest)


def _plan_of_call(
    wanted: Filter, states: Mapping[str, Condition], max_events: int
) -> _IndexPlan | None:
    """Return the plan to read the deliveries of the call's events; None if there are too many."""
    values = wanted.values()
    pbxs = [values["pbx_id"]] if "pbx_id" in values else select(Pbx.id)
    events = db.session.scalars(
        select(CallEvent.id)
        .where(CallEvent.call_id == values["call_id"], CallEvent.pbx_id.in_(pbxs))
        .limit(max_events + 1)
    ).all()
    if len(events) > max_events:
        return None
    rest = [_equals(*one) for one in values.items() if one[0] not in {"call_id", "pbx_id"}]
    rest += [wanted.limit] if wanted.limit else []
    return _IndexPlan((), [()], [_is_of(events), *rest, *states.values()], ())


def _is_of(events: Sequence[str]) -> Condition:
    return lambda one: one.call_event_id.in_(events)


def _equals(name: str, value: object) -> Condition:
    return lambda one: cast(ColumnElement[bool], getattr(one, name) == value)


def _pbx_ids(limit: int) -> Sequence[int]:
    return db.session.scalars(select(Pbx.id).order_by(Pbx.id).limit(limit)).all()


@dataclass(frozen=True)
class _IndexScan:
    """Reads one index, in one or several branches."""

    plan: _IndexPlan
    ids: tuple[str, str]
    limit: int
    columns: Columns
    window: int

    def run(self) -> Page:
        if not self.plan.branches:
            return Page([])
        found = self._find()
        cut = self._find_cut() if self.plan.rest and self._may_be_cut(found) else None
        if cut is not None:
            # Below the cut, another branch may have rows that were not checked.
            found = [one for one in found if one.id >= cut]
        if len(found) > self.limit:
            shown = found[: self.limit]
            return Page(shown, before=shown[-1].id)
        if cut is not None:
            return Page(found, before=cut, searched_to=id_created_at(cut))
        return Page(found)

    def _may_be_cut(self, found: Sequence[Any]) -> bool:
        return len(found) <= self.limit or len(self.plan.branches) > 1

    @property
    def _size(self) -> int:
        """The number of rows to read from each branch."""
        return self.window // len(self.plan.branches) if self.plan.rest else self.limit + 1

    def _find(self) -> Sequence[Any]:
        """Return up to one delivery more than the limit, which shows that there are more."""
        source = _newest([self._window(branch).subquery() for branch in self.plan.branches])
        one = aliased(Delivery, source, adapt_on_names=True)
        conditions = [condition(one) for condition in self.plan.rest]
        ordered = one.id.desc()
        if self.columns:
            rows = select(*(getattr(one, name) for name in self.columns))
            return db.session.execute(
                rows.where(*conditions).order_by(ordered).limit(self.limit + 1)
            ).all()
        return db.session.scalars(
            select(one)
            .options(
                selectinload(one.pbx),
                selectinload(one.origin),
                selectinload(one.hook).selectinload(Hook.receiver),
            )
            .where(*conditions)
            .order_by(ordered)
            .limit(self.limit + 1)
        ).all()

    def _find_cut(self) -> str | None:
        """Return the newest id at which a branch was cut off; None if none was."""
        ends = []
        for branch in self.plan.branches:
            window = self._window(branch, Delivery.id).subquery()
            oldest = func.min(sql_cast(window.c.id, String))
            ends.append(
                select(func.count().label("size"), oldest.label("oldest")).select_from(window)
            )
        rows = db.session.execute(ends[0] if len(ends) == 1 else union_all(*ends))
        return max(
            (to_id(row.oldest) or "" for row in rows if row.size == self._size), default=None
        )

    def _window(self, values: Sequence[Any], *columns: Any) -> Select[Any]:
        """Return the query for the newest rows of a branch.

        Compares row values and also sorts by the fixed columns. So only the intended index gives
        this order, and the planner cannot choose one with millions of other rows.
        """
        place = [*(getattr(Delivery, name) for name in self.plan.columns), Delivery.id]
        first, end = (_row(place, [*values, public_id]) for public_id in self.ids)
        return (
            select(*(columns or (Delivery.__table__,)))
            .where(tuple_(*place) >= first, tuple_(*place) < end)
            .where(*(condition(Delivery) for condition in self.plan.states))
            .order_by(*(column.desc() for column in place))
            .limit(self._size)
        )


def _row(place: Sequence[Any], values: Sequence[Any]) -> Tuple:
    pairs = zip(place, values, strict=True)
    return tuple_(*(literal(value, type_=column.type) for column, value in pairs))


def _newest(windows: list[Subquery]) -> Subquery:
    if len(windows) == 1:
        return windows[0]
    return union_all(*(select(window) for window in windows)).subquery()
