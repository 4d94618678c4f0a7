"""Pages of the deliveries that match a filter: from an index's end backwards, and never far.

Of what no single index finds, one index leads to the candidates, and of those so many are looked
through. What a page has not reached by then is the next page's.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
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

from callevents.db.models import Delivery, Pbx, made_at, to_id
from callevents.delivery.log.filters import INDEXES, Condition, Filter
from callevents.errors import NotFoundError
from callevents.extensions import db

#: So many rows of an index are looked through for what the index does not know.
WINDOW = 10_000
#: With more PBXs than that, what needs an index of each is looked for without.
MAX_PBXS = 50
#: What a summary needs to know of each delivery.
FACTS = ("id", "hook_id", "state")

Columns = Sequence[str]


@dataclass(frozen=True)
class Page:
    """Some deliveries, newest first."""

    #: Deliveries, or rows of the columns that were asked for.
    found: Sequence[Any]
    #: The next page has those before this id; None: there are no more.
    before: str | None = None
    #: Set if there may be more, older ones, but it was not looked further back than this.
    searched_to: datetime | None = None


def find_page(
    wanted: Filter, *, limit: int, before: str | None = None, columns: Columns = ()
) -> Page:
    """Return the newest matching deliveries, or only columns of them, older than `before`.

    Raises InvalidError for what cannot be looked for, NotFoundError for a `before` that is no id.
    """
    if before is not None and (before := to_id(before)) is None:
        raise NotFoundError("There is no such delivery.")
    reached: Page | None = None
    for way in _ways(wanted):
        page = _Scan(way, wanted.ids(before), limit, columns).run()
        if page.searched_to is None:
            return page
        if reached is None or (page.before or "") < (reached.before or ""):
            reached = page
    return reached or Page([])


def find_all(wanted: Filter, *, size: int, before: str | None = None) -> Iterator[Page]:
    """Yield all pages, with the FACTS only; some may be empty, where much was looked through."""
    while True:
        page = find_page(wanted, limit=size, before=before, columns=FACTS)
        yield page
        if (before := page.before) is None:
            return


@dataclass(frozen=True)
class _Way:
    """A way to find what matches: one index, and what is to be looked at in each row it finds.

    Where an index needs a PBX and any will do, it is read once for each: these are its branches.
    """

    columns: Sequence[str]
    branches: Sequence[Sequence[Any]]
    states: Sequence[Condition]
    rest: Sequence[Condition]


def _ways(wanted: Filter) -> Iterator[_Way]:
    """Yield the ways to find what matches, those first that leave least to look through."""
    values, states = wanted.values(), wanted.states()
    tried: list[set[str]] = []
    for index in INDEXES:
        names = set(index)
        is_of_each = "pbx_id" in names and "pbx_id" not in values
        known = names - {"pbx_id"} if is_of_each else names
        is_better = known and not any(names <= others for others in tried)
        if not known <= {*values, *states} or (index and not is_better) or (not index and tried):
            continue
        columns = [name for name in index if name not in states]
        branches = [[values.get(name) for name in columns]]
        if is_of_each:
            branches = [[pbx_id, *branches[0][1:]] for pbx_id in _pbx_ids()]
            if len(branches) > MAX_PBXS:
                continue
        tried.append(names)
        rest = [_equals(name, value) for name, value in values.items() if name not in names]
        rest += [condition for name, condition in states.items() if name not in names]
        limiting = [condition for name, condition in states.items() if name in names]
        yield _Way(columns, branches, limiting, rest)
        if "call_id" in names:
            # A call has few deliveries; no other index could leave less.
            return


def _equals(name: str, value: object) -> Condition:
    return lambda one: cast(ColumnElement[bool], getattr(one, name) == value)


def _pbx_ids() -> Sequence[int]:
    return db.session.scalars(select(Pbx.id).order_by(Pbx.id).limit(MAX_PBXS + 1)).all()


@dataclass(frozen=True)
class _Scan:
    """Looks through one index, in one or several branches."""

    way: _Way
    ids: tuple[str, str]
    limit: int
    columns: Columns

    def run(self) -> Page:
        if not self.way.branches:
            return Page([])
        found = self._find()
        cut = self._find_cut() if self.way.rest and self._may_be_cut(found) else None
        if cut is not None:
            # Below the cut, another branch may have what has not been looked at.
            found = [one for one in found if one.id >= cut]
        if len(found) > self.limit:
            shown = found[: self.limit]
            return Page(shown, before=shown[-1].id)
        if cut is not None:
            return Page(found, before=cut, searched_to=made_at(cut))
        return Page(found)

    def _may_be_cut(self, found: Sequence[Any]) -> bool:
        return len(found) <= self.limit or len(self.way.branches) > 1

    @property
    def _size(self) -> int:
        """How many rows of each branch are looked through."""
        return WINDOW // len(self.way.branches) if self.way.rest else self.limit + 1

    def _find(self) -> Sequence[Any]:
        """Return one more than the limit, which tells that there are more."""
        source = _newest([self._window(branch).subquery() for branch in self.way.branches])
        one = aliased(Delivery, source, adapt_on_names=True)
        conditions = [condition(one) for condition in self.way.rest]
        ordered = one.id.desc()
        if self.columns:
            rows = select(*(getattr(one, name) for name in self.columns))
            return db.session.execute(
                rows.where(*conditions).order_by(ordered).limit(self.limit + 1)
            ).all()
        return db.session.scalars(
            select(one)
            .options(selectinload(one.pbx), selectinload(one.origin))
            .where(*conditions)
            .order_by(ordered)
            .limit(self.limit + 1)
        ).all()

    def _find_cut(self) -> str | None:
        """Return the newest id of those that branches ended with because they were too long."""
        ends = []
        for branch in self.way.branches:
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
        """Return the query of the end of a branch.

        Values are compared as rows, and what is known is sorted by too: so no other index can give
        this order, and no database takes one that leads through millions of others' rows.
        """
        place = [*(getattr(Delivery, name) for name in self.way.columns), Delivery.id]
        first, end = (_row(place, [*values, public_id]) for public_id in self.ids)
        return (
            select(*(columns or (Delivery.__table__,)))
            .where(tuple_(*place) >= first, tuple_(*place) < end)
            .where(*(condition(Delivery) for condition in self.way.states))
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
