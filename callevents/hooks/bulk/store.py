"""Stores new values of many hooks with few statements, and what follows for their deliveries."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm.attributes import set_committed_value

from callevents.db.bulk import bulk_update
from callevents.db.json_rows import value_to_json
from callevents.db.models import Hook, utc_now
from callevents.delivery import reroute
from callevents.delivery.hold import find_hooks_with_waiting, hold, release
from callevents.delivery.request.url import origin_of
from callevents.extensions import db
from callevents.hooks.bulk.steps import Applied, HookRow, Step
from callevents.hooks.hooks import get_or_create_origin

#: The columns that a change of many hooks can set.
COLUMNS = (
    "url",
    "origin_id",
    "active",
    "give_up_seconds",
    "in_order",
    "conditions",
    "receiver_id",
    "recipe_request",
    "once_id",
    "auth",
    "auth_secret",
    "custom_headers",
    "suspended_at",
    "suspended_reason",
    "failing_since",
)
_UPDATE = bulk_update(Hook.__table__, "id")


def store(steps: Sequence[Step]) -> Applied:
    """Store the steps' values, and change, hold or release what waits for the hooks."""
    db.session.flush()
    now = utc_now()
    hooks = [step.hook for step in steps]
    before = {hook.id: {name: getattr(hook, name) for name in COLUMNS} for hook in hooks}
    _set_columns(steps, now)
    waiting = find_hooks_with_waiting([hook.id for hook in hooks])
    for hook in hooks:
        if hook.id in waiting:
            _update_waiting(hook, before[hook.id])
    changed = [hook for hook in hooks if hook.active is not before[hook.id]["active"]]
    disabled = [hook.id for hook in changed if not hook.active]
    enabled = [hook.id for hook in changed if hook.active]
    return Applied(
        [HookRow.of(hook) for hook in hooks],
        {"hooks": [_describe(hook, before[hook.id]) for hook in hooks]},
        held=hold(disabled) if disabled else 0,
        released=release(enabled) if enabled else 0,
    )


def _set_columns(steps: Sequence[Step], now: datetime) -> None:
    origins: dict[str, int] = {}
    rows = []
    for step in steps:
        values = {**{name: getattr(step.hook, name) for name in COLUMNS}, **step.values}
        if "url" in step.values and "origin_id" not in step.values:
            name = origin_of(values["url"])
            if name not in origins:
                origins[name] = get_or_create_origin(values["url"])
            values["origin_id"] = origins[name]
        rows.append({"id": step.hook.id, **values, "modified_at": now})
    if rows:
        _UPDATE.run(db.session.connection(), rows)
    for step, row in zip(steps, rows, strict=True):
        for name in {*step.values, "origin_id", "modified_at"}:
            # The row has it already.
            set_committed_value(step.hook, name, row[name])


def _update_waiting(hook: Hook, before: dict[str, Any]) -> None:
    """Change the hook's waiting deliveries, as changing the hook alone does."""
    if hook.url != before["url"]:
        reroute.update_target(hook)
    if hook.give_up_seconds != before["give_up_seconds"]:
        reroute.shift_expiry(hook, hook.give_up_seconds - before["give_up_seconds"])
    if (hook.in_order, hook.origin_id) != (before["in_order"], before["origin_id"]):
        reroute.update_ordering_keys(hook)


def _describe(hook: Hook, before: dict[str, Any]) -> dict[str, Any]:
    """Return what undoing needs to know of the hook: its old values, and its present version."""
    differing = {
        name: value_to_json(value) for name, value in before.items() if value != getattr(hook, name)
    }
    return {"id": hook.id, "modified_at": hook.modified_at.isoformat(), "before": differing}
