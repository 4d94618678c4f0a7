"""Gives extensions that join a group the hooks of its template, with their secrets."""

from collections.abc import Sequence

from sqlalchemy import select

from callevents.audit.actions import Action
from callevents.db.models import Extension, ExtensionGroup, Hook
from callevents.extensions import db
from callevents.hooks.bulk.apply import record
from callevents.hooks.bulk.copy import CopyTo


def give_hooks(group: ExtensionGroup, joined: Sequence[Extension]) -> None:
    """Copy the hooks of the group's template to these extensions, as far as there is room."""
    query = select(Hook).where(Hook.extension_id == group.template_id, Hook.pbx_id == group.pbx_id)
    hooks = db.session.scalars(query.order_by(Hook.id)).all()
    if not hooks:
        return
    change = CopyTo([one for one in joined if one.id != group.template_id])
    steps = [step for step in change.plan(hooks) if step.is_change] if change.extensions else []
    if steps:
        values = {**change.describe(steps), "group": group.name}
        record(Action.HOOKS_COPIED, change.apply(steps).hooks, values)
