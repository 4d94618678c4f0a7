"""Queries on hooks and their origins."""

from collections.abc import Collection, Sequence

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import contains_eager, joinedload

from callevents.db.models import Extension, Hook, Origin, Pbx
from callevents.enums import TABLE_ORDER, EventType
from callevents.errors import ConflictError, NotFoundError
from callevents.extensions import db
from callevents.users.rights import EVERYTHING, Scope

MAX_ORIGINS = 100


def list_hooks(pbx: Pbx, extension: Extension | None) -> Sequence[Hook]:
    """Return the hooks of an extension by event type, then age; None: those for all extensions."""
    return db.session.scalars(
        select(Hook).where(_in_scope(pbx, extension)).order_by(Hook.event_type, Hook.id)
    ).all()


def list_all_hooks(pbx: Pbx | None = None, *conditions: ColumnElement[bool]) -> Sequence[Hook]:
    """Return all hooks, or those of one PBX, with their PBXs and extensions loaded."""
    query = (
        select(Hook)
        .join(Hook.pbx)
        .options(contains_eager(Hook.pbx), joinedload(Hook.extension))
        .where(*conditions)
        .order_by(Hook.pbx_id, Hook.extension_id, Hook.event_type, Hook.id)
    )
    if pbx is not None:
        query = query.where(Hook.pbx_id == pbx.id)
    return db.session.scalars(query).all()


def find_first_hook(pbx: Pbx) -> Hook | None:
    """Return the PBX's first hook, with its extension; None if it has no hooks."""
    return db.session.scalar(
        select(Hook)
        .options(joinedload(Hook.extension))
        .where(Hook.pbx_id == pbx.id)
        .order_by(Hook.id)
        .limit(1)
    )


def count_active_for_all_extensions(pbx: Pbx) -> dict[EventType, int]:
    """Return the number of active hooks for all extensions by event type, without zeros."""
    hooks = [hook for hook in list_hooks(pbx, None) if hook.active]
    counts = {
        event_type: sum(hook.event_type is event_type for hook in hooks)
        for event_type in TABLE_ORDER
    }
    return {event_type: count for event_type, count in counts.items() if count}


def find_hook_ids(extension_ids: Collection[str]) -> frozenset[int]:
    """Return the ids of the hooks of these extensions."""
    found = select(Hook.id).where(Hook.extension_id.in_(extension_ids))
    return frozenset(db.session.scalars(found))


def get_hook(event_id: str, pbx: Pbx | None = None) -> Hook:
    """Return the hook with this Event ID, only of `pbx` if given; raises NotFoundError."""
    found = select(Hook).where(Hook.event_id == event_id)
    hook = db.session.scalar(found) if event_id.isprintable() else None
    if hook is None or (pbx is not None and hook.pbx_id != pbx.id):
        raise no_such_hook(event_id)
    return hook


def no_such_hook(event_id: str) -> NotFoundError:
    """Return the error about a hook that does not exist, or may not be seen."""
    return NotFoundError(f"There is no request with the Event ID {event_id!r}.")


def find_only_hook(pbx: Pbx, extension: Extension | None, event_type: EventType) -> Hook | None:
    """Return the only hook of the event type, or None; raises ConflictError if it has several."""
    same = [hook for hook in list_hooks(pbx, extension) if hook.event_type is event_type]
    if len(same) > 1:
        raise ConflictError(f"This event has {len(same)} requests. Edit one of them in its dialog.")
    return same[0] if same else None


def list_origins(pbx: Pbx | None, scope: Scope = EVERYTHING) -> Sequence[str]:
    """Return the names of origins that hooks use, of one PBX or all, at most MAX_ORIGINS."""
    query = (
        select(Origin.name)
        .join(Hook, Hook.origin_id == Origin.id)
        .where(scope.of_hooks())
        .distinct()
    )
    if pbx is not None:
        query = query.where(Hook.pbx_id == pbx.id)
    return db.session.scalars(query.order_by(Origin.name).limit(MAX_ORIGINS)).all()


def _in_scope(pbx: Pbx, extension: Extension | None) -> ColumnElement[bool]:
    if extension is None:
        return (Hook.pbx_id == pbx.id) & Hook.extension_id.is_(None)
    return Hook.extension_id == extension.id
