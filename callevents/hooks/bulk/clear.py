"""Clears many hooks at once, which can be undone for a short while."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from callevents.audit.actions import Action
from callevents.audit.actor import current_actor
from callevents.db.locks import lock_pbx
from callevents.db.models import Hook
from callevents.delivery.removal import remove_hooks
from callevents.delivery.request.masking import mask_url
from callevents.extensions import db
from callevents.hooks.bulk.steps import Applied, HookRow, Step


class Clear:
    """Clear the hooks. What waits for them is held, and cancelled once the removal is final."""

    @property
    def action(self) -> Action:
        """What the history calls it."""
        return Action.HOOKS_CLEARED

    def lock(self, pbx_ids: Sequence[int]) -> None:
        """Lock the PBXs, in an order that all keep."""
        for pbx_id in sorted(pbx_ids):
            lock_pbx(db.session.connection(), pbx_id)

    def plan(self, hooks: Sequence[Hook]) -> Sequence[Step]:
        """Return a step for each hook."""
        return [Step(hook, {"id": None}, before=mask_url(hook.url)) for hook in hooks]

    def describe(self, steps: Sequence[Step]) -> Mapping[str, Any]:
        """Return what the history says of it: how many requests there were for each event."""
        counts: dict[str, int] = {}
        for step in steps:
            label = step.hook.event_type.slug
            counts[label] = counts.get(label, 0) + 1
        return {"events": counts}

    def apply(self, steps: Sequence[Step]) -> Applied:
        """Clear the hooks."""
        hooks = sorted((step.hook for step in steps), key=lambda hook: (hook.pbx_id, hook.id))
        rows = [HookRow.of(hook) for hook in hooks]
        removals, waiting = [], 0
        for pbx_id, some in groupby(hooks, key=lambda hook: hook.pbx_id):
            removed = remove_hooks(pbx_id, [hook.id for hook in some], is_recorded=False)
            removals.append([pbx_id, removed.id])
            waiting += removed.waiting
        undo = {"removals": removals, "by": identify_actor()}
        return Applied(rows, undo, cancelled=waiting)


def identify_actor() -> Sequence[str | None]:
    """Return what tells the one who acts now from others, as JSON."""
    actor = current_actor()
    return [actor.kind.value, actor.id]
