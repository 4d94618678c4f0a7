"""Entries of the history as JSON, for commands, exports and mirrors."""

import json
from typing import Any

from callevents.db.models import AuditEntry


def to_values(entry: AuditEntry) -> dict[str, Any]:
    """Return the entry as JSON has it."""
    return {
        "id": entry.id,
        "at": entry.at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "actor": {
            "kind": entry.actor_kind,
            "id": entry.actor_id,
            "name": entry.actor_name,
            "address": entry.address,
        },
        "action": entry.action,
        "object": {"kind": entry.object_kind, "id": entry.object_id, "name": entry.object_name},
        "pbx_id": entry.pbx_id,
        "extension_id": entry.extension_id,
        "before": entry.before,
        "after": entry.after,
    }


def to_line(entry: AuditEntry) -> str:
    """Return the entry as one line of JSON."""
    return json.dumps(to_values(entry), ensure_ascii=False)
