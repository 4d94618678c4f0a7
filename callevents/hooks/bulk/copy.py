"""Copies hooks to other extensions of their PBX, with their secrets."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, insert, select

from callevents.audit.actions import Action
from callevents.db.locks import lock_pbx
from callevents.db.models import Extension, Hook, Pbx, new_event_id, utc_now
from callevents.delivery.request.masking import mask_url
from callevents.enums import HookScope
from callevents.errors import InvalidError
from callevents.extensions import db
from callevents.hooks.bulk.changes import OF_RECEIVER
from callevents.hooks.bulk.steps import Applied, HookRow, Step
from callevents.hooks.hooks import MAX_HOOKS_PER_TYPE
from callevents.hooks.receiver import may_choose
from callevents.users.rights import EVERYTHING, Scope

ALREADY_THERE = "the extension has one with the same event, method and URL"
OF_ANOTHER_PBX = "the extension belongs to another PBX"
TOO_MANY = f"the extension has {MAX_HOOKS_PER_TYPE} for this event, and cannot have more"
OVER_QUOTA = "the quota of the PBX has no room"
MAX_COPIES = 5_000

#: What a copy does not take from its original.
_OWN = frozenset({"id", "event_id", "extension_id", "failing_since", "created_at", "modified_at"})


@dataclass(frozen=True)
class CopyTo:
    """Copy the hooks to these extensions, which are of one PBX."""

    extensions: Sequence[Extension]
    action: Action = Action.HOOKS_COPIED
    #: What the user may edit.
    scope: Scope = EVERYTHING

    def lock(self, pbx_ids: Sequence[int]) -> None:
        """Lock the PBXs: no other transaction adds hooks to them until this one ends."""
        for pbx_id in sorted({*pbx_ids, *(one.pbx_id for one in self.extensions)}):
            lock_pbx(db.session.connection(), pbx_id)

    def plan(self, hooks: Sequence[Hook]) -> Sequence[Step]:
        """Return a step for each hook and extension; raises InvalidError."""
        if not self.extensions:
            raise InvalidError.of("to", "Choose the extensions to copy to.")
        if len(hooks) * len(self.extensions) > MAX_COPIES:
            raise InvalidError.of(
                "to", f"At most {MAX_COPIES:,} requests can be made at once. Copy in parts."
            )
        room = _Room(self.extensions)
        return [
            self._plan(hook, extension, room) for extension in self.extensions for hook in hooks
        ]

    def describe(self, _steps: Sequence[Step]) -> Mapping[str, Any]:
        """Return what the history says of it."""
        return {"to": [extension.number for extension in self.extensions]}

    def apply(self, steps: Sequence[Step]) -> Applied:
        """Store the copies."""
        now = utc_now()
        rows = [_copy_of(step) | {"created_at": now, "modified_at": now} for step in steps]
        made = db.session.execute(insert(Hook).returning(Hook.id, Hook.event_id), rows)
        ids = {row.event_id: row.id for row in made}
        made_rows = [HookRow(row["event_id"], row["pbx_id"], row["extension_id"]) for row in rows]
        content = [{"id": ids[row["event_id"]], "modified_at": now.isoformat()} for row in rows]
        return Applied(made_rows, {"made": content})

    def _plan(self, hook: Hook, extension: Extension, room: "_Room") -> Step:
        if hook.extension_id == extension.id:
            return Step(hook, extension=extension)
        is_allowed = may_choose(self.scope, extension.pbx_id, hook.receiver_id)
        if reason := room.take(hook, extension) if is_allowed else OF_RECEIVER:
            return Step(hook, reason=reason, before=mask_url(hook.url), extension=extension)
        return Step(
            hook,
            {"extension_id": extension.id},
            before=mask_url(hook.url),
            after=extension.number,
            extension=extension,
        )


def _copy_of(step: Step) -> dict[str, Any]:
    names = (column.key for column in Hook.__table__.columns)
    values = {name: getattr(step.hook, name) for name in names if name not in _OWN}
    if step.hook.scope is HookScope.CALL:
        # The original and its copies together are sent once for a call.
        values["once_id"] = step.hook.once_id or step.hook.id
    return values | {"event_id": new_event_id(), **step.values}


class _Room:
    """What the extensions have already, and how much more they may have."""

    def __init__(self, extensions: Sequence[Extension]) -> None:
        self._pbx_ids = {extension.pbx_id for extension in extensions}
        self._counts: Counter[tuple[str, int]] = Counter()
        self._there: dict[tuple[str, int], set[tuple[str, str]]] = defaultdict(set)
        columns = (Hook.extension_id, Hook.event_type, Hook.method, Hook.url)
        wanted = [extension.id for extension in extensions]
        for row in db.session.execute(select(*columns).where(Hook.extension_id.in_(wanted))):
            self._note((row.extension_id, row.event_type), (row.method, row.url))
        self._left = {pbx_id: _find_room(pbx_id) for pbx_id in self._pbx_ids}

    def take(self, hook: Hook, extension: Extension) -> str:
        """Take the place of one more hook; return why there is none, or an empty text."""
        place, target = (extension.id, hook.event_type), (hook.method, hook.url)
        if hook.pbx_id != extension.pbx_id:
            return OF_ANOTHER_PBX
        if target in self._there[place]:
            return ALREADY_THERE
        if self._counts[place] >= MAX_HOOKS_PER_TYPE:
            return TOO_MANY
        left = self._left[hook.pbx_id]
        if left is not None and left <= 0:
            return OVER_QUOTA
        self._left[hook.pbx_id] = None if left is None else left - 1
        self._note(place, target)
        return ""

    def _note(self, place: tuple[str, int], target: tuple[str, str]) -> None:
        self._counts[place] += 1
        self._there[place].add(target)


def _find_room(pbx_id: int) -> int | None:
    """Return how many more hooks the quota of the PBX allows; None: any number."""
    limit = db.session.scalar(select(Pbx.max_hooks).where(Pbx.id == pbx_id))
    if limit is None:
        return None
    used = db.session.scalar(select(func.count()).select_from(Hook).where(Hook.pbx_id == pbx_id))
    return limit - (used or 0)
