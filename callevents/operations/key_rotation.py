"""All secrets as they are stored: which cannot be read, and encrypting them anew."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Select, or_, select

from callevents.db.models import Connector, Hook, Pbx
from callevents.extensions import cipher, db
from callevents.security.encryption import UnreadableError

#: Hooks that are encrypted anew in one transaction, so that none lasts long.
BATCH = 200
#: At the start so many hooks are looked at.
LOOKED_AT = 1000
_COLUMNS = ("auth_secret", "signing_secret", "previous_signing_secret")


@dataclass(frozen=True)
class Renewed:
    """What became of a batch: the hooks encrypted anew, those that cannot be, and the last id."""

    count: int
    unreadable: Sequence[str]
    last_id: int


def find_unreadable() -> Sequence[str]:
    """Return the Event IDs of hooks whose secrets no key decrypts; looks at the first thousand."""
    found = db.session.scalars(_with_secrets(0, LOOKED_AT))
    return [hook.event_id for hook in found if not _try(hook, cipher.bound.decrypt)]


def renew_batch(after_id: int) -> Renewed | None:
    """Encrypt the next hooks' secrets with the first key; None if there are no more."""
    hooks = db.session.scalars(_with_secrets(after_id, BATCH).with_for_update()).all()
    if not hooks:
        return None
    unreadable = [hook.event_id for hook in hooks if not _renew(hook)]
    return Renewed(len(hooks) - len(unreadable), unreadable, hooks[-1].id)


def renew_connectors() -> Renewed:
    """Encrypt all connectors' secrets with the first key; they are few."""
    found = db.session.execute(
        select(Connector, Pbx.slug).join(Pbx).order_by(Pbx.id).with_for_update()
    ).all()
    unreadable = []
    for connector, slug in found:
        try:
            connector.secret = cipher.bound.reencrypt(connector.secret)
        except UnreadableError:
            unreadable.append(f"the connector of {slug}")
    return Renewed(len(found) - len(unreadable), unreadable, 0)


def renew_formats() -> Renewed:
    """Encrypt anew what PBXs sign their reports with; they are few."""
    found = db.session.scalars(select(Pbx).where(Pbx.format_secret != "").with_for_update()).all()
    unreadable = []
    for pbx in found:
        try:
            pbx.format_secret = cipher.bound.reencrypt(pbx.format_secret)
        except UnreadableError:
            unreadable.append(f"the format of {pbx.slug}")
    return Renewed(len(found) - len(unreadable), unreadable, 0)


def _with_secrets(after_id: int, limit: int) -> Select[Hook]:
    has_any = or_(Hook.custom_headers != "", *(getattr(Hook, name) != "" for name in _COLUMNS))
    return select(Hook).where(Hook.id > after_id, has_any).order_by(Hook.id).limit(limit)


def _renew(hook: Hook) -> bool:
    """Encrypt all of the hook's secrets anew, or leave all as they are; return whether it did."""
    renewed = _try(hook, cipher.bound.reencrypt)
    for name, value in renewed.items():
        setattr(hook, name, value)
    return bool(renewed)


def _try(hook: Hook, change: Callable[[str], str]) -> dict[str, str]:
    """Return the hook's secrets changed, by column; nothing if one of them cannot be read."""
    changed = {}
    try:
        for name in _COLUMNS:
            if token := getattr(hook, name):
                changed[name] = change(token)
        if hook.custom_headers:
            pairs = [(name, change(token)) for name, token in json.loads(hook.custom_headers)]
            changed["custom_headers"] = json.dumps(pairs)
    except UnreadableError:
        return {}
    return changed
