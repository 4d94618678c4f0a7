"""Previews a change of many hooks, and makes it if the hooks are still as they were previewed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import select

from callevents import audit
from callevents.audit.actions import Action
from callevents.audit.many import EVENT_IDS, list_event_ids, of_hooks
from callevents.db.locks import allow_long_statements
from callevents.db.models import BulkChange, Hook, utc_now
from callevents.errors import ConflictError
from callevents.extensions import db
from callevents.hooks.bulk.changes import hide
from callevents.hooks.bulk.steps import Applied, Change, HookRow, Plan
from callevents.hooks.selection import Selection


@dataclass(frozen=True)
class Previewed:
    """What a preview showed: the digest of the selection, its size, and when that was."""

    digest: str
    count: int
    at: datetime

    @classmethod
    def of(cls, plan: Plan) -> "Previewed":
        """Return that of a plan made now."""
        return cls(plan.digest, len(plan.hooks), utc_now())

    @classmethod
    def read(cls, text: str) -> "Previewed | None":
        """Return what `write` has written; None if it is anything else."""
        parts = text.split(".")
        try:
            count, at = (
                int(parts[1]),
                datetime.fromtimestamp(int(parts[2]) / 1000, utc_now().tzinfo),
            )
        except (IndexError, ValueError, OverflowError, OSError):
            return None
        return cls(parts[0], count, at)

    def write(self) -> str:
        """Return it as the value of a form's field."""
        return f"{self.digest}.{self.count}.{round(self.at.timestamp() * 1000)}"


@dataclass(frozen=True)
class Done:
    """What was changed. `id`: to undo it; empty if there is nothing to undo."""

    changed: int
    unchanged: int
    left_out: Mapping[str, int] = field(default_factory=dict)
    held: int = 0
    released: int = 0
    cancelled: int = 0
    id: str = ""


class SelectionChangedError(ConflictError):
    """The selected hooks are not those of the preview any more."""


def preview(selection: Selection, change: Change) -> Plan:
    """Return what the change would do; writes nothing. Raises InvalidError."""
    return Plan.make(change, selection.load())


def apply(selection: Selection, change: Change, previewed: Previewed | None = None) -> Done:
    """Change the selected hooks, with one entry of the history for each PBX; the caller commits.

    The caller has begun a write transaction. Raises InvalidError, and SelectionChangedError if the
    hooks differ from those that were previewed.
    """
    allow_long_statements(db.session.connection())
    change.lock(_find_pbx_ids(selection))
    hooks = selection.load(lock=True)
    plan = Plan.make(change, hooks)
    if previewed is not None and previewed.digest != plan.digest:
        raise SelectionChangedError(_describe_difference(previewed, hooks))
    steps = plan.changing
    if not steps:
        return Done(0, plan.unchanged, plan.count_left_out())
    what = dict(change.describe(steps))
    where = _describe_filter(selection, plan)
    applied = change.apply(steps)
    record(change.action, applied.hooks, {**what, "filter": where})
    change_id = _keep(change.action, applied)
    return Done(
        len(steps),
        plan.unchanged,
        plan.count_left_out(),
        applied.held,
        applied.released,
        applied.cancelled,
        change_id,
    )


def record(action: Action, rows: Sequence[HookRow], values: Mapping[str, Any]) -> None:
    """Add an entry of the history for each PBX; it names all hooks."""
    ordered = sorted(rows, key=lambda row: row.pbx_id)
    for pbx_id, group in groupby(ordered, key=lambda row: row.pbx_id):
        some = list(group)
        of = {row.extension_id for row in some}
        target = of_hooks(len(some), pbx_id, of.pop() if len(of) == 1 else None)
        ids = list_event_ids([row.event_id for row in some])
        audit.record(action, target, after={**values, EVENT_IDS: ids})


def record_added(hooks: Sequence[Hook], values: Mapping[str, Any]) -> str:
    """Record that hooks were added, and keep what undoing it needs; return the ID of that."""
    rows = [HookRow.of(hook) for hook in hooks]
    record(Action.HOOKS_ADDED, rows, values)
    made = [{"id": hook.id, "modified_at": hook.modified_at.isoformat()} for hook in hooks]
    return _keep(Action.HOOKS_ADDED, Applied(rows, {"made": made}))


def _keep(action: Action, applied: Applied) -> str:
    """Keep what undoing the change needs; return its ID."""
    places = dict.fromkeys((row.pbx_id, row.extension_id) for row in applied.hooks)
    change = BulkChange(
        action=action.value,
        hooks=len(applied.hooks),
        places=[list(place) for place in places],
        content=dict(applied.undo),
    )
    db.session.add(change)
    db.session.flush()
    return change.id


def _find_pbx_ids(selection: Selection) -> Sequence[int]:
    """Return the PBXs that a change may have to lock before the hooks."""
    query = select(Hook.pbx_id).join(Hook.pbx).distinct()
    if selection.event_ids is not None:
        query = query.where(Hook.event_id.in_(list(selection.event_ids)[:10_000]))
    return db.session.scalars(query.where(*selection.where.conditions(selection.scope))).all()


def _describe_filter(selection: Selection, plan: Plan) -> str:
    text, part = selection.describe(), selection.where.url
    shown = hide(part, [step.hook.url for step in plan.steps]) if part else part
    return text.replace(part, shown) if shown != part else text


def _describe_difference(previewed: Previewed, hooks: Sequence[Hook]) -> str:
    """Return what has changed since the preview, in words."""
    changed = [hook for hook in hooks if hook.modified_at >= previewed.at]
    parts = []
    if len(hooks) != previewed.count:
        parts.append(f"{previewed.count:,} requests were selected, now there are {len(hooks):,}")
    if changed:
        names = [
            f"{hook.event_type.short_label} of "
            f"{hook.extension.number if hook.extension else 'all extensions'}"
            for hook in changed[:3]
        ]
        more = f" and {len(changed) - 3:,} more" if len(changed) > 3 else ""
        parts.append(f"changed since: {', '.join(names)}{more}")
    found = "; ".join(parts) or "others are selected now, or something else is to be changed"
    return f"This is not what the preview showed: {found}. Nothing was changed. Check again."
