"""Suspended hooks: those to which nothing is sent until somebody resumes them."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import joinedload

from callevents.db.models import Extension, Hook, Pbx
from callevents.extensions import db

#: Hooks that are listed or resumed at once.
MAX_LISTED = 1000


def list_suspended(
    pbx: Pbx | None = None,
    extension: Extension | None = None,
    *,
    of_all: bool = False,
    limit: int | None = MAX_LISTED,
) -> Sequence[Hook]:
    """Return suspended hooks, the latest first: of a PBX, of one of its extensions, or of any.

    `of_all`: only those that are for all extensions.
    """
    query = (
        _suspended(select(Hook), pbx)
        .options(joinedload(Hook.pbx), joinedload(Hook.extension))
        .order_by(Hook.suspended_at.desc(), Hook.id)
        .limit(limit)
    )
    if extension is not None:
        query = query.where(Hook.extension_id == extension.id)
    elif of_all:
        query = query.where(Hook.extension_id.is_(None))
    return db.session.scalars(query).all()


def count_suspended(pbx: Pbx | None = None) -> int:
    """Return how many hooks are suspended, of a PBX or of all."""
    query = _suspended(select(func.count()).select_from(Hook), pbx)
    return db.session.scalar(query) or 0


def resume(hook: Hook) -> None:
    """Let requests be made again. What failed meanwhile stays failed until it is sent again."""
    hook.suspended_at = hook.failing_since = None
    hook.suspended_reason = ""


def resume_all(hooks: Collection[Hook]) -> int:
    """Resume these; return how many there were."""
    for hook in hooks:
        resume(hook)
    return len(hooks)


def _suspended(query: Select[Any], pbx: Pbx | None) -> Select[Any]:
    query = query.where(Hook.suspended_at.is_not(None))
    return query if pbx is None else query.where(Hook.pbx_id == pbx.id)
