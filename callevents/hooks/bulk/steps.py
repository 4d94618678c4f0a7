"""What a change of many hooks does to each: what a preview shows, and what is then stored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from callevents.audit.actions import Action
from callevents.db.models import Extension, Hook
from callevents.hooks.selection import digest

#: Examples in a preview.
MAX_EXAMPLES = 10


@dataclass(frozen=True)
class Step:
    """What becomes of a hook.

    `values`: the new ones by column. `reason`: why the hook is left out. Neither: it stays as it
    is. `before` and `after` show the difference, without secrets.
    """

    hook: Hook
    values: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    #: More about the reason, for this hook only.
    detail: str = ""
    before: str = ""
    after: str = ""
    #: To which extension the hook is copied.
    extension: Extension | None = None

    @property
    def is_change(self) -> bool:
        """True if something changes."""
        return bool(self.values) and not self.reason


@dataclass(frozen=True)
class Applied:
    """What was stored: the hooks that changed, or were made, and what undoing it needs."""

    hooks: Sequence["HookRow"]
    undo: Mapping[str, Any]
    #: Deliveries that are held now, go on, or are cancelled.
    held: int = 0
    released: int = 0
    cancelled: int = 0


@dataclass(frozen=True)
class HookRow:
    """A hook, also one that is gone by now."""

    event_id: str
    pbx_id: int
    extension_id: str | None

    @classmethod
    def of(cls, hook: Hook) -> "HookRow":
        """Return the hook's values."""
        return cls(hook.event_id, hook.pbx_id, hook.extension_id)


class Change(Protocol):
    """Something that can be done to many hooks."""

    @property
    def action(self) -> Action:
        """What the history calls it."""

    def lock(self, pbx_ids: Sequence[int]) -> None:
        """Lock what has to be locked before hooks, which are of these PBXs."""

    def plan(self, hooks: Sequence[Hook]) -> Sequence[Step]:
        """Return a step for each hook, or more; raises InvalidError if it cannot be done at all."""

    def describe(self, steps: Sequence[Step]) -> Mapping[str, Any]:
        """Return what the history says of it, without secrets."""

    def apply(self, steps: Sequence[Step]) -> Applied:
        """Store the steps. The caller records it and commits."""


@dataclass(frozen=True)
class Plan:
    """A preview: what would become of the selected hooks."""

    hooks: Sequence[Hook]
    steps: Sequence[Step]
    #: Stands for the selected hooks as they are now, and for what would become of them.
    digest: str

    @classmethod
    def make(cls, change: Change, hooks: Sequence[Hook]) -> "Plan":
        """Plan the change of these hooks; raises InvalidError."""
        steps = change.plan(hooks)
        results = ((step.before, step.after, step.reason) for step in steps)
        return cls(hooks, steps, digest(hooks, *results))

    @property
    def changing(self) -> Sequence[Step]:
        """The steps that change something."""
        return [step for step in self.steps if step.is_change]

    @property
    def unchanged(self) -> int:
        """How many stay as they are, because nothing would differ."""
        return sum(not step.values and not step.reason for step in self.steps)

    @property
    def left_out(self) -> dict[str, list[Step]]:
        """The steps that are left out, by reason."""
        found: dict[str, list[Step]] = {}
        for step in self.steps:
            if step.reason:
                found.setdefault(step.reason, []).append(step)
        return found

    def count_left_out(self) -> dict[str, int]:
        """Return how many are left out, by reason."""
        return {reason: len(steps) for reason, steps in self.left_out.items()}
