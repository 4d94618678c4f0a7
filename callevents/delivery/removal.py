"""Removes hooks and extensions so that it can be undone for a while.

The rows of a removal are moved to the table `removal`, so they are out of sight everywhere at once,
and the deliveries that wait are held. Undoing it inserts the same rows again, with the same IDs. A
worker ends it for good: it cancels the deliveries. Each step locks the PBX, so others see all of it
or nothing. The caller commits, and wakes the workers.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Engine as SqlEngine
from sqlalchemy import Select, delete, func, insert, select
from sqlalchemy.exc import SQLAlchemyError

from callevents import audit
from callevents.audit.targets import of_extension, of_hook
from callevents.db.json_rows import from_json, to_json
from callevents.db.locks import lock_pbx
from callevents.db.models import (
    Extension,
    Grant,
    GroupMember,
    Hook,
    Pbx,
    Removal,
    SeenExtension,
    new_id,
    to_id,
    utc_now,
)
from callevents.db.session import read_connection, write_transaction
from callevents.delivery.hold import cancel_waiting, count_waiting, hold, release
from callevents.delivery.hook_values import hook_values
from callevents.delivery.removal_restore import other_grants, restore_grants, restore_members
from callevents.delivery.request.receiver import has_its_receiver
from callevents.errors import ConflictError
from callevents.extensions import db

#: Pages and commands promise that a removal can be undone for this time.
UNDO_TIME = timedelta(seconds=30)
#: A removal ends later than that: a click on Undo at the last moment takes a while to arrive.
END_TIME = UNDO_TIME + timedelta(seconds=5)
REMOVED_ERROR = "Cancelled: the request was removed."
NOTHING_TO_UNDO = (
    "There is nothing to undo: it has been undone already, or the removal is final by now. "
    "The cancelled deliveries are still in the log."
)

log = structlog.get_logger("callevents.delivery")


@dataclass(frozen=True)
class Removed:
    """What was removed, or is back: the number of hooks, and of deliveries that wait for them.

    `id`: of the removal, to undo it; empty if there was nothing to remove.
    """

    hooks: int = 0
    waiting: int = 0
    id: str = ""
    #: The number of the extension if that was removed, too.
    extension: str = ""


def remove_hooks(pbx_id: int, hook_ids: Sequence[int], *, is_recorded: bool = True) -> Removed:
    """Remove hooks of a PBX. `is_recorded`: with an entry of the history for each."""
    lock_pbx(db.session.connection(), pbx_id)
    hooks = _lock_rows(select(Hook).where(Hook.pbx_id == pbx_id, Hook.id.in_(hook_ids)))
    return _remove(pbx_id, hooks, is_recorded=is_recorded) if hooks else Removed()


def remove_extension(extension: Extension) -> Removed:
    """Remove an extension with its hooks."""
    pbx_id = extension.pbx_id
    lock_pbx(db.session.connection(), pbx_id)
    # Locked first: nobody can add a hook to it from here on.
    extensions = _lock_rows(select(Extension).where(Extension.id == extension.id))
    hooks = _lock_rows(select(Hook).where(Hook.extension_id == extension.id))
    grants = _lock_rows(select(Grant).where(Grant.extension_id == extension.id))
    if not extensions:
        return Removed()
    members = select(GroupMember).where(GroupMember.extension_id == extension.id)
    groups = [to_json(one) for one in db.session.scalars(members)]
    return _remove(pbx_id, hooks, extensions, grants, groups=groups)


def undo(pbx: Pbx, removal_id: str, *, is_recorded: bool = True) -> Removed:
    """Undo a removal: its rows are back, and what waited goes on; raises ConflictError.

    `is_recorded`: with an entry of the history for each.
    """
    lock_pbx(db.session.connection(), pbx.id)
    found = to_id(removal_id)
    # An invalid ID is None, which is that of no removal.
    [removal] = _lock_rows(
        select(Removal).where(Removal.id == found, Removal.pbx_id == pbx.id)
    ) or [None]
    if removal is None:
        raise ConflictError(NOTHING_TO_UNDO)
    _check_undo(pbx, removal)
    _check_quotas(pbx, removal)
    for model in (Extension, Hook):
        if rows := removal.rows[model.__tablename__]:
            db.session.execute(insert(model), [from_json(model, row) for row in rows])
    restore_grants(removal)
    restore_members(removal)
    waiting = count_waiting(removal.hook_ids)
    release([row["id"] for row in removal.rows["hook"] if row["active"]])
    undone = _describe(removal, waiting)
    if is_recorded:
        _record_undo(removal)
    db.session.delete(removal)
    db.session.flush()
    return undone


def find_pbx(removal_id: str) -> Pbx | None:
    """Return the PBX of a removal; None if it has ended or been undone, or is none."""
    # An invalid ID is None, which is that of no removal.
    query = select(Pbx).join(Removal, Removal.pbx_id == Pbx.id)
    return db.session.scalar(query.where(Removal.id == to_id(removal_id)))


def is_only_of(pbx: Pbx, removal_id: str, extension_ids: Collection[str]) -> bool:
    """Return True if only hooks of these extensions were removed, or nothing is known of it."""
    removal = db.session.get(Removal, to_id(removal_id) or new_id())
    if removal is None or removal.pbx_id != pbx.id:
        return True
    is_whole = bool(removal.rows["extension"])
    return not is_whole and {row["extension_id"] for row in removal.rows["hook"]} <= set(
        extension_ids
    )


def find_hook_ids(pbx_id: int, removal_id: str) -> Sequence[int]:
    """Return the ids of the hooks of a removal; none if it has ended, or been undone."""
    removal = db.session.get(Removal, removal_id)
    return removal.hook_ids if removal is not None and removal.pbx_id == pbx_id else ()


def find_receiver_ids(pbx_id: int, removal_id: str) -> set[int | None]:
    """Return the ids of the receivers of a removal's hooks; None for hooks without one."""
    removal = db.session.get(Removal, removal_id)
    if removal is None or removal.pbx_id != pbx_id:
        return set()
    return {row["receiver_id"] for row in removal.rows["hook"]}


def end_removals(database: SqlEngine, before: datetime) -> int:
    """End the removals from before `before` for good; return how many."""
    with read_connection(database) as connection:
        found = connection.execute(
            select(Removal.id, Removal.pbx_id)
            .where(Removal.removed_at < before)
            .order_by(Removal.id)
        ).all()
    ended = 0
    for row in found:
        try:
            ended += _end(database, row.pbx_id, row.id)
        except SQLAlchemyError as error:
            # It is tried again; the others must not wait for it.
            log.error("could not end a removal", removal=row.id, error=str(error))
    return ended


def _end(database: SqlEngine, pbx_id: int, removal_id: str) -> bool:
    with write_transaction(database) as connection:
        # While the PBX is being removed, too.
        connection.execute(select(Pbx.id).where(Pbx.id == pbx_id).with_for_update(key_share=True))
        # It may have been undone meanwhile.
        rows = connection.scalar(
            select(Removal.rows).where(Removal.id == removal_id).with_for_update()
        )
        if rows is None:
            return False
        hook_ids = [row["id"] for row in rows["hook"]]
        cancel_waiting(connection, hook_ids, utc_now(), REMOVED_ERROR)
        connection.execute(delete(Removal).where(Removal.id == removal_id))
        return True


def _remove(
    pbx_id: int,
    hooks: Sequence[Hook],
    extensions: Sequence[Extension] = (),
    grants: Sequence[Grant] = (),
    *,
    groups: Sequence[dict[str, Any]] = (),
    is_recorded: bool = True,
) -> Removed:
    removed = ((Extension, extensions), (Hook, hooks), (Grant, grants))
    rows = {model.__tablename__: [to_json(one) for one in found] for model, found in removed}
    for row in rows[Grant.__tablename__]:
        row["others"] = other_grants(row)
    rows[GroupMember.__tablename__] = list(groups)
    removal = Removal(pbx_id=pbx_id, rows=rows)
    db.session.add(removal)
    waiting = hold(removal.hook_ids)
    if is_recorded:
        _record(hooks, extensions)
    # Rows before those that they refer to.
    for model, found in ((Hook, hooks), (Grant, grants), (Extension, extensions)):
        db.session.execute(delete(model).where(model.id.in_([one.id for one in found])))
    return _describe(removal, waiting)


def _record(hooks: Sequence[Hook], extensions: Sequence[Extension]) -> None:
    for hook in hooks:
        target = of_hook(hook, hook.extension)
        audit.record(audit.Action.HOOK_CLEARED, target, before=hook_values(hook))
    for extension in extensions:
        values = {"number": extension.number, "name": extension.name}
        audit.record(audit.Action.EXTENSION_REMOVED, of_extension(extension), before=values)


def _record_undo(removal: Removal) -> None:
    """Record for each object that it is back: their own histories end with that."""
    for row in removal.rows[Extension.__tablename__]:
        audit.record(audit.Action.REMOVAL_UNDONE, of_extension(_get(Extension, row)))
    for row in removal.rows[Hook.__tablename__]:
        hook = _get(Hook, row)
        audit.record(audit.Action.REMOVAL_UNDONE, of_hook(hook, hook.extension))


def _get(model: type[Any], row: dict[str, Any]) -> Any:
    return db.session.get_one(model, row["id"])


def _describe(removal: Removal, waiting: int) -> Removed:
    number = next((row["number"] for row in removal.rows["extension"]), "")
    return Removed(len(removal.hook_ids), waiting, removal.id, number)


def _check_undo(pbx: Pbx, removal: Removal) -> None:
    """Raise ConflictError if the rows cannot be inserted again."""
    numbers = [row["number"] for row in removal.rows["extension"]]
    again = select(Extension.number).where(
        Extension.pbx_id == pbx.id, Extension.number.in_(numbers)
    )
    if number := db.session.scalar(again):
        raise ConflictError(
            f"This cannot be undone: extension {number} has been added again since. "
            "Delete the new one first."
        )
    seen = (SeenExtension.pbx_id == pbx.id, SeenExtension.number.in_(numbers))
    db.session.execute(delete(SeenExtension).where(*seen))
    restored = {row["id"] for row in removal.rows["extension"]}
    needed = {row["extension_id"] for row in removal.rows["hook"]} - restored - {None}
    there = set(db.session.scalars(select(Extension.id).where(Extension.id.in_(needed))))
    if needed - there:
        raise ConflictError(
            "This cannot be undone: the extension of these requests has been deleted since."
        )
    if not all(map(has_its_receiver, removal.rows["hook"])):
        raise ConflictError(
            "This cannot be undone: the receiver of these requests has been removed, or has "
            "another address since."
        )


def _check_quotas(pbx: Pbx, removal: Removal) -> None:
    """Raise ConflictError if the PBX would have more than its quotas allow."""
    quotas = ((Extension, "extensions", pbx.max_extensions), (Hook, "requests", pbx.max_hooks))
    for model, name, limit in quotas:
        more = len(removal.rows[model.__tablename__])
        if limit is None or not more:
            continue
        count = select(func.count()).select_from(model).where(model.pbx_id == pbx.id)
        if (db.session.scalar(count) or 0) + more > limit:
            raise ConflictError(
                f"This cannot be undone: the quota of {pbx.name} is {limit:,} {name}, and others "
                "have been added since."
            )


def _lock_rows(query: Select[Any]) -> Sequence[Any]:
    """Lock the rows and return them as they are now, by id."""
    db.session.flush()
    [entity] = query.column_descriptions
    return db.session.scalars(
        query.order_by(entity["entity"].id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
