"""Hooks that are suspended or failing: each alone, or those of one receiver together."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, func, or_, select
from sqlalchemy.orm import joinedload

from callevents.db.models import Attempt, Hook, Pbx, Receiver
from callevents.delivery.log.queries import last_failures
from callevents.extensions import db
from callevents.receivers.left_out import explain

MAX_SHOWN = 50


@dataclass(frozen=True)
class FailingHook:
    """A hook that is suspended or failing, and its last failed attempt."""

    hook: Hook
    last: Attempt | None


@dataclass(frozen=True)
class FailingReceiver:
    """A receiver with hooks that are suspended or failing."""

    receiver: Receiver
    suspended: int
    failing: int
    #: The PBX of these hooks; None: they are of several.
    pbx: Pbx | None
    extensions: int
    #: When the latest was suspended.
    suspended_at: datetime | None
    #: When the first failure since the last success was, of the hook that fails longest.
    failing_since: datetime | None
    #: One of the hooks, with its last failed attempt.
    example: FailingHook
    #: Which secret to enter, and where; empty if none was left out of an import.
    needs: str

    @property
    def count(self) -> int:
        """The number of its hooks that are suspended or failing."""
        return self.suspended + self.failing


def list_failing(pbx: Pbx | None = None, *, is_plain: bool = False) -> list[FailingHook]:
    """Return suspended and failing hooks: suspended first, then the longest failing.

    `is_plain`: only those without a receiver.
    """
    query = (
        _where_failing(select(Hook), pbx)
        .options(joinedload(Hook.pbx), joinedload(Hook.extension))
        .order_by(Hook.suspended_at.is_(None), Hook.failing_since, Hook.id)
        .limit(MAX_SHOWN)
    )
    if is_plain:
        query = query.where(Hook.receiver_id.is_(None))
    return _with_last(db.session.scalars(query).all())


def list_failing_receivers(pbx: Pbx | None = None) -> list[FailingReceiver]:
    """Return the receivers of suspended and failing hooks: those with suspended ones first."""
    suspended = func.count(Hook.suspended_at)
    columns: tuple[Any, ...] = (
        suspended.label("suspended"),
        func.count().label("count"),
        func.count(Hook.pbx_id.distinct()).label("pbxs"),
        func.count(Hook.extension_id.distinct()).label("extensions"),
        func.max(Hook.suspended_at).label("suspended_at"),
        func.min(Hook.failing_since).label("failing_since"),
        func.min(Hook.id).label("hook_id"),
    )
    query = (
        _where_failing(select(Hook.receiver_id, *columns), pbx)
        .where(Hook.receiver_id.is_not(None))
        .group_by(Hook.receiver_id)
        .order_by(suspended == 0, Hook.receiver_id)
        .limit(MAX_SHOWN)
    )
    rows = db.session.execute(query).all()
    found = select(Receiver).where(Receiver.id.in_([row.receiver_id for row in rows]))
    receivers = {one.id: one for one in db.session.scalars(found)}
    examples = {one.hook.id: one for one in _load_examples([row.hook_id for row in rows])}
    return [
        _make_group(row, receivers[row.receiver_id], examples[row.hook_id])
        for row in rows
        if row.receiver_id in receivers and row.hook_id in examples
    ]


def _make_group(row: Any, receiver: Receiver, example: FailingHook) -> FailingReceiver:
    return FailingReceiver(
        receiver,
        row.suspended,
        row.count - row.suspended,
        example.hook.pbx if row.pbxs == 1 else None,
        row.extensions,
        row.suspended_at,
        row.failing_since,
        example,
        explain(receiver),
    )


def _load_examples(hook_ids: Sequence[int]) -> list[FailingHook]:
    query = select(Hook).options(joinedload(Hook.pbx)).where(Hook.id.in_(hook_ids))
    return _with_last(db.session.scalars(query).all())


def _with_last(hooks: Sequence[Hook]) -> list[FailingHook]:
    last = last_failures(hooks)
    return [FailingHook(hook, last.get(hook.id)) for hook in hooks]


def _where_failing(query: Select[Any], pbx: Pbx | None) -> Select[Any]:
    query = query.where(
        or_(Hook.suspended_at.is_not(None), and_(Hook.active, Hook.failing_since.is_not(None)))
    )
    return query if pbx is None else query.where(Hook.pbx_id == pbx.id)
