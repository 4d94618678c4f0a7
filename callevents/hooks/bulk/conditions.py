"""Sets some conditions of many hooks. Each hook keeps its others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from callevents.audit.actions import Action
from callevents.conditions import Conditions, describe
from callevents.db.models import Hook
from callevents.enums import EventType
from callevents.errors import InvalidError
from callevents.hooks.bulk.changes import Update
from callevents.hooks.bulk.steps import Step
from callevents.hooks.condition_check import check_conditions

DOES_NOT_FIT = "no such event can meet these conditions"
NO_CONDITION = "any call"


@dataclass(frozen=True)
class SetConditions(Update):
    """Set conditions.

    `values`: the new ones, by their names in `Conditions`; an empty one removes the condition.
    """

    values: Mapping[str, Any]

    @property
    def action(self) -> Action:
        """What the history calls it."""
        return Action.HOOKS_CONDITIONS_CHANGED

    def plan(self, hooks: Sequence[Hook]) -> Sequence[Step]:
        """Return a step for each hook; raises InvalidError."""
        if not self.values:
            raise InvalidError.of("conditions", "Choose what to change.")
        wanted = self._wanted()
        return [_plan(hook, wanted) for hook in hooks]

    def describe(self, _steps: Sequence[Step]) -> Mapping[str, Any]:
        """Return what the history says of it."""
        wanted = self._wanted()
        return {name: _show(replace(_NONE, **{name: value})) for name, value in wanted.items()}

    def _wanted(self) -> Mapping[str, Any]:
        """Return the values as they are stored; raises InvalidError."""
        # A hangup can have any condition.
        checked = check_conditions(replace(_NONE, **self.values), EventType.HANGUP)
        return {name: getattr(checked, name) for name in self.values}


_NONE = Conditions()


def _plan(hook: Hook, wanted: Mapping[str, Any]) -> Step:
    current = Conditions.read(hook.conditions)
    conditions = replace(current, **wanted)
    if conditions == current:
        return Step(hook)
    before, after = _show(current), _show(conditions)
    try:
        check_conditions(conditions, hook.event_type)
    except InvalidError as error:
        return Step(hook, reason=DOES_NOT_FIT, detail=str(error), before=before, after=after)
    return Step(hook, {"conditions": conditions.write()}, before=before, after=after)


def _show(conditions: Conditions) -> str:
    return describe(conditions) or NO_CONDITION
