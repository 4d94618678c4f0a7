"""Suspended hooks: list, count and resume. A suspended hook sends nothing until it is resumed."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import joinedload

from callevents import audit
from callevents.audit.targets import of_hook
from callevents.db.models import Extension, Hook, Pbx
from callevents.errors import ConflictError
from callevents.extensions import db
from callevents.hooks.left_out import explain_left_out, lacks_own
from callevents.hooks.receiver import keeping_receivers
from callevents.users.rights import EVERYTHING, Scope

MAX_LISTED = 1000
#: Ends the reason of hooks that are suspended because their secrets are missing.
ENTER_SECRETS = "Enter them, then resume the request."
WAITS_FOR_RECEIVER = "Imported without the secrets of its receiver. Enter them there."


@dataclass(frozen=True)
class Resumable:
    """Suspended hooks: those that can be resumed, and those that lack a secret."""

    ready: Sequence[Hook]
    #: Each with the sentence that says what to enter, and where.
    left_out: Sequence[tuple[Hook, str]]

    @property
    def sentences(self) -> Sequence[str]:
        """What to enter, and where, each once."""
        return list(dict.fromkeys(reason for _hook, reason in self.left_out))


def list_suspended(
    pbx: Pbx | None = None,
    extension: Extension | None = None,
    *,
    scope: Scope = EVERYTHING,
    for_all_extensions: bool = False,
    limit: int | None = MAX_LISTED,
) -> Sequence[Hook]:
    """Return suspended hooks, the latest first: all, or of a PBX, or of one of its extensions.

    `for_all_extensions`: only those that apply to all extensions.
    """
    query = (
        _where_suspended(select(Hook), pbx, scope)
        .options(joinedload(Hook.pbx), joinedload(Hook.extension))
        .order_by(Hook.suspended_at.desc(), Hook.id)
        .limit(limit)
    )
    if extension is not None:
        query = query.where(Hook.extension_id == extension.id)
    elif for_all_extensions:
        query = query.where(Hook.extension_id.is_(None))
    return db.session.scalars(query).all()


def count_suspended(pbx: Pbx | None = None, scope: Scope = EVERYTHING) -> int:
    """Return the number of suspended hooks, of a PBX or of all."""
    query = _where_suspended(select(func.count()).select_from(Hook), pbx, scope)
    return db.session.scalar(query) or 0


def find_resumable(hooks: Collection[Hook]) -> Resumable:
    """Return which of these suspended hooks can be resumed, and which lack a secret."""
    with keeping_receivers(hooks):
        found = [(hook, explain_left_out(hook)) for hook in hooks]
    ready = [hook for hook, reason in found if not reason]
    return Resumable(ready, [(hook, reason) for hook, reason in found if reason])


def resume(hook: Hook) -> None:
    """Resume a hook. Its failed deliveries stay failed until they are resent.

    Raises ConflictError if it is suspended and lacks a secret that was left out of an import.
    """
    if hook.suspended_at is not None and (reason := explain_left_out(hook)):
        raise ConflictError(reason)
    _resume(hook)


def _resume(hook: Hook) -> None:
    if hook.suspended_at is not None:
        reason = {"reason": hook.suspended_reason}
        audit.record(audit.Action.HOOK_RESUMED, of_hook(hook, hook.extension), before=reason)
    hook.suspended_at = hook.failing_since = None
    hook.suspended_reason = ""


def resume_all(hooks: Collection[Hook]) -> Resumable:
    """Resume the hooks, except those that lack a secret; return both."""
    found = find_resumable(hooks)
    for hook in found.ready:
        _resume(hook)
    return found


def resume_if_complete(hook: Hook) -> bool:
    """Resume a suspended hook if it lacks no secret; return True if it was resumed."""
    if hook.suspended_at is None or explain_left_out(hook):
        return False
    _resume(hook)
    return True


def resume_entered(hook: Hook) -> None:
    """Resume a hook whose own secrets, which had been left out, have been entered.

    It goes on waiting for those of its receiver, and for a click if it is signed: nobody knows
    whether the receiver has its new signing secret.
    """
    if hook.suspended_at is None or lacks_own(hook) or hook.signing_secret:
        return
    if not resume_if_complete(hook):
        hook.suspended_reason = WAITS_FOR_RECEIVER


def _where_suspended(query: Select[Any], pbx: Pbx | None, scope: Scope) -> Select[Any]:
    query = query.where(Hook.suspended_at.is_not(None), scope.of_hooks())
    return query if pbx is None else query.where(Hook.pbx_id == pbx.id)
