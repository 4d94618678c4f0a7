"""The outbox of notifications to people: queued here, sent by operations/notify.

A notification is written in the same transaction as the change it reports.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select

from callevents.db.models import Extension, Hook, Notification, Pbx, new_id
from callevents.delivery.request.masking import mask_address
from callevents.enums import Channel

SUSPENDED = "hook.suspended"


def announce_suspension(connection: Connection, hook_id: int, reason: str, now: datetime) -> None:
    """Queue a notification on each channel that the hook was suspended."""
    hook = connection.execute(
        select(Hook.event_id, Hook.event_type, Hook.method, Hook.url, Hook.failing_since)
        .add_columns(Hook.extension_id, Extension.number, Pbx.slug, Pbx.name.label("pbx_name"))
        .join(Pbx, Hook.pbx_id == Pbx.id)
        .outerjoin(Extension, Hook.extension_id == Extension.id)
        .where(Hook.id == hook_id)
    ).one_or_none()
    if hook is None:
        return
    facts = {
        "reason": reason,
        "suspended_at": _text(now),
        "failing_since": _text(hook.failing_since),
        "event_id": hook.event_id,
        "pbx": hook.slug,
        "pbx_name": hook.pbx_name,
        "extension": hook.number or "*",
        "event": hook.event_type.slug,
        "event_label": hook.event_type.label,
        "method": hook.method,
        "url": without_query(hook.url),
        "path": f"/pbxs/{hook.slug}/extensions/{hook.extension_id or 'all'}",
    }
    _enqueue(connection, SUSPENDED, facts, now)


def without_query(url: str) -> str:
    """Return the URL without its query, which may have secrets, and those of its path masked."""
    return mask_address(url.partition("?")[0])


def _enqueue(connection: Connection, kind: str, facts: dict[str, Any], now: datetime) -> None:
    rows = [
        {
            "id": new_id(),
            "channel": channel,
            "kind": kind,
            "facts": facts,
            "created_at": now,
            "due_at": now,
            "attempts": 0,
            "error": "",
        }
        for channel in Channel
    ]
    connection.execute(insert(Notification), rows)


def _text(moment: datetime | None) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z") if moment else ""
