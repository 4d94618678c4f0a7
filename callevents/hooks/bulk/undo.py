"""Undoes changes of many hooks. Hooks that were changed since are left as they are.

So are those whose former receiver has been removed, or has another address. Hooks of receivers that
the user may not change are left to others: the change is kept, with only these.

The content of a kept change has one of: `hooks` with their old values, `made` with hooks that were
added, or `removals`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine as SqlEngine
from sqlalchemy import delete, select
from sqlalchemy.orm import joinedload

from callevents.audit.actions import Action, label_of
from callevents.db.json_rows import from_json
from callevents.db.locks import allow_long_statements, lock_pbx
from callevents.db.models import BulkChange, Hook, Pbx, to_id
from callevents.db.session import read_connection, write_transaction
from callevents.delivery import removal
from callevents.delivery.removal import remove_hooks
from callevents.delivery.request.receiver import has_its_receiver
from callevents.errors import ConflictError, NotFoundError
from callevents.extensions import db
from callevents.hooks.bulk.apply import record
from callevents.hooks.bulk.clear import identify_actor
from callevents.hooks.bulk.steps import HookRow, Step
from callevents.hooks.bulk.store import store
from callevents.hooks.receiver import NEEDS_PBX, keeping_receivers, may_choose
from callevents.users.rights import Scope

#: Changes can be undone for this time. A removal ends earlier, with its deliveries.
CHANGE_UNDO_TIME = timedelta(minutes=30)
NOTHING_TO_UNDO = (
    "There is nothing to undo: it has been undone already, or it is too late. Clearing and "
    "deleting can be undone for 30 seconds, other changes for half an hour."
)
ALL_CHANGED = (
    "Nothing was undone: all of these requests have been changed or removed since, or their "
    "receivers have."
)
NOT_ALLOWED = f"Nothing was undone. {NEEDS_PBX}"
#: Why hooks are left out, for people.
CHANGED_SINCE = "the request or its receiver has been changed or removed since"
REFUSED = "you may not change what requests of a receiver send"
#: Columns that say when a hook is sent, and not what.
_WHEN = frozenset(
    {
        *("active", "give_up_seconds", "in_order", "conditions"),
        *("suspended_at", "suspended_reason", "failing_since"),
    }
)


@dataclass(frozen=True)
class Undone:
    """How many hooks are as before, and how many are not, or would be."""

    hooks: int
    #: Those that were changed since, or whose receivers were.
    left_out: int = 0
    #: Those that the user may not change.
    refused: int = 0
    held: int = 0
    released: int = 0
    #: The action of the history that was undone.
    action: str = ""


def undo(change_id: str, scope: Scope) -> Undone:
    """Undo a change; the caller commits. Raises NotFoundError and ConflictError.

    `scope`: the hooks that the user may change.
    """
    allow_long_statements(db.session.connection())
    change = _lock(change_id)
    if not covers(scope, change.places):
        raise NotFoundError("There is no such change.")
    undone = _undo(change, sorted({pbx_id for pbx_id, _extension in change.places}), scope)
    if not undone.hooks:
        raise ConflictError(NOT_ALLOWED if undone.refused else ALL_CHANGED)
    if not undone.refused:
        db.session.delete(change)
    db.session.flush()
    return undone


def foresee(change: BulkChange, scope: Scope) -> Undone:
    """Return what a user with this scope would set right by undoing the change now."""
    content = change.content
    if "removals" in content:
        count = sum(len(removal.find_hook_ids(*place)) for place in content["removals"])
        is_allowed = _may_bring_back(content, scope)
        return Undone(count, change.hooks - count) if is_allowed else Undone(0, refused=count)
    entries = content.get("hooks") or content.get("made") or ()
    versions = _read_versions(entries)
    columns = (Hook.id, Hook.pbx_id, Hook.modified_at, Hook.receiver_id, Hook.url)
    rows = db.session.execute(select(*columns).where(Hook.id.in_(list(versions)))).all()
    before = {entry["id"]: entry.get("before", {}) for entry in entries}
    with keeping_receivers(rows, also=_find_receiver_ids(before)):
        possible = [
            row
            for row in rows
            if row.modified_at == versions[row.id] and _can_restore(row, before[row.id])
        ]
    allowed = sum(_may_restore(row, before[row.id], scope) for row in possible)
    return Undone(allowed, len(entries) - len(possible), len(possible) - allowed)


def end_changes(database: SqlEngine, before: datetime) -> int:
    """Forget changes from before `before`, which can no longer be undone; return how many."""
    is_old = BulkChange.made_at < before
    with read_connection(database) as connection:
        if connection.scalar(select(BulkChange.id).where(is_old).limit(1)) is None:
            return 0
    with write_transaction(database) as connection:
        return connection.execute(delete(BulkChange).where(is_old)).rowcount


def _lock(change_id: str) -> BulkChange:
    found = to_id(change_id)
    query = select(BulkChange).where(BulkChange.id == found).with_for_update()
    change = db.session.scalar(query) if found else None
    if change is None:
        raise ConflictError(NOTHING_TO_UNDO)
    return change


def covers(scope: Scope, places: Iterable[Sequence[Any]]) -> bool:
    """Return True if all hooks of a change are in the scope."""
    return all(
        scope.has_pbx(pbx_id) or extension_id in scope.extension_ids
        for pbx_id, extension_id in places
    )


def _undo(change: BulkChange, pbx_ids: Sequence[int], scope: Scope) -> Undone:
    content = change.content
    if "hooks" in content:
        return _restore(change, scope)
    for pbx_id in pbx_ids:
        lock_pbx(db.session.connection(), pbx_id)
    if "made" in content:
        return _remove(change.action, content["made"])
    if not _may_bring_back(content, scope):
        return Undone(0, refused=change.hooks)
    return _bring_back(change.action, content["removals"])


def _restore(change: BulkChange, scope: Scope) -> Undone:
    entries = change.content["hooks"]
    before = {entry["id"]: from_json(Hook, entry["before"]) for entry in entries}
    unchanged = _lock_unchanged(entries)
    with keeping_receivers(unchanged, also=_find_receiver_ids(before)):
        possible = [hook for hook in unchanged if _can_restore(hook, before[hook.id])]
    hooks: list[Hook] = []
    refused: list[Hook] = []
    for hook in possible:
        (hooks if _may_restore(hook, before[hook.id], scope) else refused).append(hook)
    left_out = len(entries) - len(possible)
    applied = store([Step(hook, before[hook.id]) for hook in hooks])
    _record(change.action, applied.hooks, left_out, len(refused))
    if refused:
        _keep_only(change, refused)
    return Undone(len(hooks), left_out, len(refused), applied.held, applied.released, change.action)


def _keep_only(change: BulkChange, hooks: Sequence[Hook]) -> None:
    """Keep what others need to undo the change of these hooks."""
    ids = {hook.id for hook in hooks}
    change.content = {"hooks": [one for one in change.content["hooks"] if one["id"] in ids]}
    places = dict.fromkeys((hook.pbx_id, hook.extension_id) for hook in hooks)
    change.places = [list(place) for place in places]
    change.hooks = len(hooks)


def _find_receiver_ids(before: Mapping[int, Mapping[str, Any]]) -> Iterator[int | None]:
    return (values.get("receiver_id") for values in before.values())


def _may_restore(hook: Any, before: Mapping[str, Any], scope: Scope) -> bool:
    """Return True if the user may choose what the receivers get that the hook has, and had."""
    ids = hook.receiver_id, before.get("receiver_id")
    is_choice = bool(before.keys() - _WHEN)
    return not is_choice or all(may_choose(scope, hook.pbx_id, one) for one in ids)


def _may_bring_back(content: Mapping[str, Any], scope: Scope) -> bool:
    """Return True if the user has cleared the hooks, or may choose what their receivers get."""
    return content.get("by") == identify_actor() or all(
        may_choose(scope, pbx_id, receiver_id)
        for pbx_id, removal_id in content["removals"]
        for receiver_id in removal.find_receiver_ids(pbx_id, removal_id)
    )


def _can_restore(hook: Any, before: Mapping[str, Any]) -> bool:
    """Return False if the hook's former receiver is gone, or has another address."""
    row = {name: before.get(name, getattr(hook, name)) for name in ("receiver_id", "url")}
    return has_its_receiver(row)


def _remove(action: str, entries: Sequence[Mapping[str, Any]]) -> Undone:
    hooks = _lock_unchanged(entries)
    rows = [HookRow.of(hook) for hook in hooks]
    for pbx_id in sorted({hook.pbx_id for hook in hooks}):
        ids = [hook.id for hook in hooks if hook.pbx_id == pbx_id]
        remove_hooks(pbx_id, ids, is_recorded=False)
    left_out = len(entries) - len(rows)
    _record(action, rows, left_out)
    return Undone(len(rows), left_out, action=action)


def _bring_back(action: str, removals: Sequence[Sequence[Any]]) -> Undone:
    count = waiting = 0
    for pbx_id, removal_id in removals:
        pbx = db.session.get(Pbx, pbx_id)
        if pbx is None:
            raise ConflictError("This cannot be undone: the PBX has been removed since.")
        hook_ids = removal.find_hook_ids(pbx_id, removal_id)
        undone = removal.undo(pbx, removal_id, is_recorded=False)
        count, waiting = count + undone.hooks, waiting + undone.waiting
        _record(action, [HookRow.of(hook) for hook in _load(hook_ids)], 0)
    return Undone(count, released=waiting, action=action)


def _lock_unchanged(entries: Sequence[Mapping[str, Any]]) -> Sequence[Hook]:
    """Lock the hooks that are still there, and as the change has left them."""
    versions = _read_versions(entries)
    query = _select(list(versions)).with_for_update(of=Hook)
    found = db.session.scalars(query.execution_options(populate_existing=True)).all()
    return [hook for hook in found if hook.modified_at == versions[hook.id]]


def _read_versions(entries: Iterable[Mapping[str, Any]]) -> dict[int, datetime]:
    return {entry["id"]: datetime.fromisoformat(entry["modified_at"]) for entry in entries}


def _load(hook_ids: Sequence[int]) -> Sequence[Hook]:
    return db.session.scalars(_select(hook_ids)).all()


def _select(hook_ids: Sequence[int]) -> Any:
    query = select(Hook).options(joinedload(Hook.extension), joinedload(Hook.pbx))
    return query.where(Hook.id.in_(hook_ids)).order_by(Hook.id)


def _record(action: str, rows: Sequence[HookRow], left_out: int, refused: int = 0) -> None:
    values: dict[str, Any] = {"undone": label_of(action)}
    if left_out:
        values["changed since, and left out"] = left_out
    if refused:
        values["of receivers, and left out"] = refused
    record(Action.HOOKS_UNDONE, rows, values)
