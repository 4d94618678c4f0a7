"""Secrets of hooks that are moved to another host: they stay behind."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select

from callevents.db.models import Hook, Receiver, utc_now
from callevents.delivery.request.left_out import NOT_MOVED
from callevents.enums import AuthKind
from callevents.extensions import cipher, db
from callevents.hooks.options import stored_headers
from callevents.hooks.suspension import ENTER_SECRETS

WITHOUT_SECRETS = f"Moved to another host without its secrets. {ENTER_SECRETS}"


def has_secrets(auth_secret: str, custom_headers: str) -> bool:
    """Return True if there are credentials, or headers, whose values are secret."""
    return bool(auth_secret or custom_headers)


def without(hook: Hook, auth_secret: str) -> dict[str, Any]:
    """Return the values of the hook without its secrets: suspended until they are entered again."""
    headers = [(name, cipher.encrypt(NOT_MOVED)) for name, _token in stored_headers(hook)]
    values: dict[str, Any] = {
        "custom_headers": json.dumps(headers) if headers else "",
        "suspended_at": utc_now(),
        "suspended_reason": WITHOUT_SECRETS,
    }
    if auth_secret:
        username = "" if hook.auth is AuthKind.BEARER else NOT_MOVED
        values["auth_secret"] = cipher.encrypt(json.dumps([username, NOT_MOVED]))
    return values


def find_addresses(hooks: Sequence[Hook]) -> Mapping[int, str]:
    """Return the addresses of the hooks' receivers by ID."""
    ids = {hook.receiver_id for hook in hooks if hook.receiver_id is not None}
    if not ids:
        return {}
    rows = db.session.execute(select(Receiver.id, Receiver.address).where(Receiver.id.in_(ids)))
    found = {row.id: row.address for row in rows}
    return {receiver_id: found.get(receiver_id, "") for receiver_id in ids}
