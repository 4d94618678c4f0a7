"""Reads the history: pages that match a filter, all of it, and who did something to an object."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, and_, func, or_, select

from callevents.audit.actions import Action, ObjectKind
from callevents.audit.actor import current_actor
from callevents.audit.many import BULK_ACTIONS, names_hook
from callevents.db.models import AuditEntry, Delivery, Hook, first_id
from callevents.extensions import db

#: Entries read at once for an export.
BATCH = 500
MAX_ID_DELAY = timedelta(minutes=1)


@dataclass(frozen=True)
class Filter:
    """The entries to list; without values, all of them."""

    #: Name of the user, of the operating system's user, or of the process.
    who: str = ""
    pbx_id: int | None = None
    #: Only entries about these PBXs, for users who may see no others. None: all.
    pbx_ids: Collection[int] | None = None
    action: str = ""
    #: With `object_id`, the kind of object; an extension's entries include those of its requests.
    object_kind: str = ""
    #: The ID of the object, or its name if no kind is given.
    object_id: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def select(self) -> Select[AuditEntry]:
        """Return the query for the matching entries, newest first."""
        query = select(AuditEntry).order_by(AuditEntry.id.desc())
        for column, value in (
            (AuditEntry.actor_name, self.who),
            (AuditEntry.action, self.action),
        ):
            if value:
                query = query.where(column == value)
        if self.pbx_id is not None:
            query = query.where(AuditEntry.pbx_id == self.pbx_id)
        if self.pbx_ids is not None:
            query = query.where(AuditEntry.pbx_id.in_(self.pbx_ids))
        if self.since is not None:
            query = query.where(AuditEntry.id >= first_id(self.since))
        if self.until is not None:
            query = query.where(AuditEntry.id < first_id(self.until))
        return self._of_object(query)

    def _of_object(self, query: Select[AuditEntry]) -> Select[AuditEntry]:
        if self.object_kind == ObjectKind.EXTENSION:
            return query.where(AuditEntry.extension_id == self.object_id)
        if self.object_kind == ObjectKind.HOOK and self.object_id:
            return query.where(is_about_hook(self.object_id))
        if self.object_kind:
            query = query.where(AuditEntry.object_kind == self.object_kind)
            # Some kinds have one object only.
            return query.where(AuditEntry.object_id == self.object_id) if self.object_id else query
        if not self.object_id:
            return query
        names = AuditEntry.object_name, AuditEntry.object_id
        return query.where(or_(*(name == self.object_id for name in names)))


@dataclass(frozen=True)
class Page:
    """A page of entries, newest first. `before`: the next page begins there; None: the last."""

    found: Sequence[AuditEntry]
    before: str | None = None


def read_object(text: str) -> tuple[str, str]:
    """Return the kind and the ID of a text such as hook:ID; without a kind, it is ID or name."""
    kind, colon, object_id = text.partition(":")
    return (kind, object_id) if colon and kind in list(ObjectKind) else ("", text)


def find_page(wanted: Filter, *, limit: int, before: str | None = None) -> Page:
    """Return the newest matching entries older than `before`."""
    query = wanted.select().limit(limit + 1)
    if before is not None:
        query = query.where(AuditEntry.id < before)
    found = db.session.scalars(query).all()
    if len(found) <= limit:
        return Page(found)
    return Page(found[:limit], found[limit - 1].id)


def iterate(wanted: Filter) -> Iterator[AuditEntry]:
    """Yield all matching entries, oldest first, a batch at a time."""
    query = wanted.select().order_by(None).order_by(AuditEntry.id).limit(BATCH)
    last = ""
    while True:
        found = db.session.scalars(query.where(AuditEntry.id > last) if last else query).all()
        # Only one batch is in memory, and a slow reader keeps no transaction open.
        db.session.expunge_all()
        db.session.rollback()
        yield from found
        if len(found) < BATCH:
            return
        last = found[-1].id


def find_last(action: Action, hook: Hook) -> AuditEntry | None:
    """Return the last time that this was done to the hook, alone or with others."""
    actions = [action, *filter(None, [BULK_ACTIONS.get(action)])]
    found = select(AuditEntry).where(is_about_hook(hook.event_id), AuditEntry.action.in_(actions))
    return db.session.scalar(found.order_by(AuditEntry.id.desc()).limit(1))


def is_about_hook(event_id: str) -> ColumnElement[bool]:
    """Return the condition for entries about the hook, alone or with others."""
    alone = and_(AuditEntry.object_kind == ObjectKind.HOOK, AuditEntry.object_id == event_id)
    return or_(alone, names_hook(event_id))


def find_last_times(
    action: Action, kind: ObjectKind, object_ids: Collection[str], *, since: datetime
) -> dict[str, datetime]:
    """Return when the current actor last did this since then, by the ID of the object."""
    actor = current_actor()
    found = db.session.execute(
        select(AuditEntry.object_id, AuditEntry.at)
        .where(
            AuditEntry.object_id.in_(object_ids),
            AuditEntry.id >= first_id(since),
            AuditEntry.object_kind == kind,
            AuditEntry.action == action,
            AuditEntry.actor_kind == actor.kind.value,
            AuditEntry.actor_id == actor.id,
        )
        .order_by(AuditEntry.id)
    )
    return {row.object_id: row.at for row in found}


def find_times(
    action: Action, kind: ObjectKind, object_ids: Collection[str]
) -> dict[str, datetime]:
    """Return when this was last done to each of these objects alone, by the ID of the object."""
    if not object_ids:
        return {}
    found = db.session.execute(
        select(AuditEntry.object_id, func.max(AuditEntry.at).label("at"))
        .where(
            AuditEntry.object_id.in_(object_ids),
            AuditEntry.object_kind == kind,
            AuditEntry.action == action,
        )
        .group_by(AuditEntry.object_id)
    )
    return {row.object_id: row.at for row in found}


#: Actions on hooks that end their waiting deliveries.
_ENDING = (Action.HELD_CANCELLED, Action.HOOK_CLEARED, Action.HOOKS_CLEARED)


def find_cancellation(delivery: Delivery) -> AuditEntry | None:
    """Return the entry of the action that cancelled the delivery, None if there is none.

    That is the cancellation of this delivery, or of all that matched a filter, at that moment; or
    else the last time before that its held deliveries were cancelled or its request removed.
    """
    if delivery.finished_at is None:
        return None
    cancelled = AuditEntry.action == Action.DELIVERY_CANCELLED
    at_that_moment = AuditEntry.at == delivery.finished_at
    of_delivery = _of(ObjectKind.DELIVERY, delivery.id).where(cancelled, at_that_moment)
    if entry := db.session.scalar(of_delivery.limit(1)):
        return entry
    of_pbx = or_(AuditEntry.pbx_id == delivery.pbx_id, AuditEntry.pbx_id.is_(None))
    of_filter = _of(ObjectKind.DELIVERIES, "").where(cancelled, at_that_moment, of_pbx)
    # An entry's ID is made soon after its time, in the same transaction.
    first, end = (first_id(delivery.finished_at + later) for later in (timedelta(), MAX_ID_DELAY))
    nearby = (AuditEntry.id >= first, AuditEntry.id < end)
    if entry := db.session.scalar(of_filter.where(*nearby).limit(1)):
        return entry
    of_hook = select(AuditEntry).where(
        is_about_hook(delivery.hook_event_id),
        AuditEntry.action.in_(_ENDING),
        AuditEntry.at <= delivery.finished_at,
    )
    return db.session.scalar(of_hook.order_by(AuditEntry.id.desc()).limit(1))


def _of(kind: ObjectKind, object_id: str) -> Select[AuditEntry]:
    return (
        select(AuditEntry)
        .where(AuditEntry.object_kind == kind, AuditEntry.object_id == object_id)
        .order_by(AuditEntry.id.desc())
    )
