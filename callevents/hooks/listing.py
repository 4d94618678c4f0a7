"""Lists hooks page by page, newest first."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import joinedload

from callevents.db.models import Extension, Hook, Origin, Pbx, Receiver
from callevents.enums import EventType
from callevents.extensions import db
from callevents.users.rights import EVERYTHING, Scope


@dataclass(frozen=True)
class HookFilter:
    """The hooks to list; without values, all of them."""

    pbx: Pbx | None = None
    #: Takes precedence over `for_all_extensions`.
    extension: Extension | None = None
    for_all_extensions: bool = False
    event_type: EventType | None = None
    is_active: bool | None = None
    is_suspended: bool | None = None
    #: The name of an origin.
    origin: str | None = None
    receiver: Receiver | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return the conditions in SQL."""
        found = [*self._of_place(), *self._of_target()]
        if self.event_type is not None:
            found.append(Hook.event_type == self.event_type)
        if self.is_active is not None:
            found.append(Hook.active.is_(self.is_active))
        if self.is_suspended is not None:
            has_time = Hook.suspended_at.is_not(None)
            found.append(has_time if self.is_suspended else ~has_time)
        return found

    def _of_place(self) -> Iterator[ColumnElement[bool]]:
        if self.pbx is not None:
            yield Hook.pbx_id == self.pbx.id
        if self.extension is not None:
            yield Hook.extension_id == self.extension.id
        elif self.for_all_extensions:
            yield Hook.extension_id.is_(None)

    def _of_target(self) -> Iterator[ColumnElement[bool]]:
        if self.origin is not None:
            origin = select(Origin.id).where(Origin.name == self.origin).scalar_subquery()
            yield Hook.origin_id == origin
        if self.receiver is not None:
            yield Hook.receiver_id == self.receiver.id


def find_page(
    wanted: HookFilter, *, scope: Scope = EVERYTHING, before: int | None = None, limit: int
) -> Sequence[Hook]:
    """Return hooks with ids below `before`, with their PBXs and extensions loaded.

    Those of a PBX that is being removed are left out.
    """
    conditions = [Pbx.removing_at.is_(None), scope.of_hooks(), *wanted.conditions()]
    if before is not None:
        conditions.append(Hook.id < before)
    ids = select(Hook.id).join(Hook.pbx).where(*conditions).order_by(Hook.id.desc()).limit(limit)
    # Only ids are sorted where no index has the order.
    query = (
        select(Hook)
        .options(joinedload(Hook.pbx), joinedload(Hook.extension))
        .where(Hook.id.in_(ids))
        .order_by(Hook.id.desc())
    )
    return db.session.scalars(query).all()
