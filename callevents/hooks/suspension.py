"""Suspended hooks: list, count and resume. A suspended hook sends nothing until it is resumed."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import joinedload

from callevents import audit
from callevents.audit.targets import of_hook
from callevents.db.models import Extension, Hook, Pbx
from callevents.extensions import db
from callevents.users.rights import EVERYTHING, Scope

MAX_LISTED = 1000
#: Ends the reason of hooks that are suspended because their secrets are missing.
ENTER_SECRETS = "Enter them, then resume the request."


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


def resume(hook: Hook) -> None:
    """Resume a hook. Its failed deliveries stay failed until they are resent."""
    if hook.suspended_at is not None:
        reason = {"reason": hook.suspended_reason}
        audit.record(audit.Action.HOOK_RESUMED, of_hook(hook, hook.extension), before=reason)
    hook.suspended_at = hook.failing_since = None
    hook.suspended_reason = ""


def resume_all(hooks: Collection[Hook]) -> int:
    """Resume the hooks; return their number."""
    for hook in hooks:
        resume(hook)
    return len(hooks)


def _where_suspended(query: Select[Any], pbx: Pbx | None, scope: Scope) -> Select[Any]:
    query = query.where(Hook.suspended_at.is_not(None), scope.of_hooks())
    return query if pbx is None else query.where(Hook.pbx_id == pbx.id)
