"""Records actions in the history, in the transaction of the change: both are stored, or neither."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert

from callevents.audit import mirror
from callevents.audit.actions import Action
from callevents.audit.actor import Actor, current_actor
from callevents.audit.differences import Values, find_differences
from callevents.audit.limits import shorten
from callevents.audit.targets import Target
from callevents.db.models import MAX_AUDIT_NAME_LENGTH, AuditEntry, new_id, utc_now
from callevents.extensions import db

_NAMES = ("id", "at", "actor_kind", "actor_id", "actor_name", "address", "action", "object_kind")
_MORE = ("object_id", "object_name", "pbx_id", "extension_id", "before", "after")
COLUMNS = (*_NAMES, *_MORE)


def record(
    action: Action,
    target: Target,
    *,
    before: Values | None = None,
    after: Values | None = None,
    at: datetime | None = None,
) -> None:
    """Add an entry to the session's transaction, with what differs between `before` and `after`."""
    entry = _make_entry(action, target, before, after, current_actor(), at)
    db.session.add(entry)
    mirror.enqueue(db.session(), entry)


def record_change(action: Action, target: Target, before: Values, after: Values) -> None:
    """Record the action, unless nothing differs."""
    if find_differences(before, after) != ({}, {}):
        record(action, target, before=before, after=after)


def record_on(
    connection: Connection,
    action: Action,
    target: Target,
    *,
    actor: Actor,
    after: Values,
    at: datetime,
) -> AuditEntry:
    """Add an entry to the connection's transaction.

    The caller mirrors the entry after the commit.
    """
    entry = _make_entry(action, target, None, after, actor, at)
    values = {name: getattr(entry, name) for name in COLUMNS}
    connection.execute(insert(AuditEntry), values)
    return entry


def _make_entry(
    action: Action,
    target: Target,
    before: Values | None,
    after: Values | None,
    actor: Actor,
    at: datetime | None,
) -> AuditEntry:
    old, new = find_differences(before or {}, after or {})
    facts: dict[str, Any] = {
        "actor_kind": actor.kind.value,
        "actor_id": actor.id and actor.id[:100],
        "actor_name": _clean(actor.name),
        "address": actor.address[:64],
        "object_kind": target.kind.value,
        "object_id": target.id[:100],
        "object_name": _clean(target.name),
        "pbx_id": target.pbx_id,
        "extension_id": target.extension_id,
    }
    return AuditEntry(
        id=new_id(),
        at=at or utc_now(),
        action=action.value,
        before=shorten(old),
        after=shorten(new),
        **facts,
    )


def _clean(name: str) -> str:
    """Return the name as every database stores it; one that a stranger typed may be anything."""
    shown = (one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in name)
    return "".join(shown)[:MAX_AUDIT_NAME_LENGTH]
