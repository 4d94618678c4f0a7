"""Re-encrypts the stored secrets with a new key, and finds those that no key decrypts."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Select, or_, select, tuple_

from callevents.db.models import AppKey, Connector, Hook, IdempotencyKey, Pbx, Receiver, User
from callevents.delivery.request.receiver import read_values
from callevents.extensions import cipher, db
from callevents.security.encryption import UnreadableError

#: Hooks, or kept answers, re-encrypted in one transaction, so that none lasts long.
BATCH_SIZE = 200
#: Hooks checked when a worker starts.
MAX_CHECKED = 1000
_COLUMNS = ("auth_secret", "signing_secret", "previous_signing_secret")


@dataclass(frozen=True)
class RotationResult:
    """Result of a batch: number re-encrypted, names of the unreadable ones, last hook id."""

    count: int
    unreadable: Sequence[str]
    last_id: int


def find_unreadable() -> Sequence[str]:
    """Return whose secrets no key decrypts: Event IDs of hooks, of the first MAX_CHECKED, and more.

    What is more are the names of receivers.
    """
    decrypt = cipher.bound.decrypt
    found = db.session.scalars(_with_secrets(0, MAX_CHECKED))
    hooks = [hook.event_id for hook in found if not _transform_secrets(hook, decrypt)]
    receivers = db.session.scalars(select(Receiver).order_by(Receiver.id).limit(MAX_CHECKED))
    return hooks + [_name(one) for one in receivers if not _is_readable(one)]


def reencrypt_hooks(after_id: int, *, batch_size: int = BATCH_SIZE) -> RotationResult | None:
    """Re-encrypt the secrets of the next hooks with the first key; return None at the end."""
    hooks = db.session.scalars(_with_secrets(after_id, batch_size).with_for_update()).all()
    if not hooks:
        return None
    unreadable = [hook.event_id for hook in hooks if not _reencrypt(hook)]
    return RotationResult(len(hooks) - len(unreadable), unreadable, hooks[-1].id)


def reencrypt_connectors() -> RotationResult:
    """Re-encrypt the secrets of all connectors, which are few, with the first key."""
    found = db.session.execute(
        select(Connector, Pbx.slug).join(Pbx).order_by(Pbx.id).with_for_update()
    ).all()
    unreadable = []
    for connector, slug in found:
        try:
            connector.secret = cipher.bound.reencrypt(connector.secret)
        except UnreadableError:
            unreadable.append(f"the connector of {slug}")
    return RotationResult(len(found) - len(unreadable), unreadable, 0)


def reencrypt_format_secrets() -> RotationResult:
    """Re-encrypt the secrets that PBXs sign reports with; there are few."""
    found = db.session.scalars(select(Pbx).where(Pbx.format_secret != "").with_for_update()).all()
    unreadable = []
    for pbx in found:
        try:
            pbx.format_secret = cipher.bound.reencrypt(pbx.format_secret)
        except UnreadableError:
            unreadable.append(f"the format of {pbx.slug}")
    return RotationResult(len(found) - len(unreadable), unreadable, 0)


def reencrypt_app_keys() -> RotationResult:
    """Re-encrypt the keys of users' authenticator apps; there are few."""
    found = db.session.execute(
        select(AppKey, User.username).join(User).order_by(User.id).with_for_update()
    ).all()
    unreadable = []
    for key, username in found:
        try:
            key.secret = cipher.bound.reencrypt(key.secret)
        except UnreadableError:
            unreadable.append(f"the authenticator app of {username}")
    return RotationResult(len(found) - len(unreadable), unreadable, 0)


def reencrypt_receivers() -> RotationResult:
    """Re-encrypt the secrets of all receivers, which are few, with the first key."""
    found = db.session.scalars(select(Receiver).order_by(Receiver.id).with_for_update()).all()
    unreadable = []
    for receiver in found:
        try:
            renewed = _transform_receiver(receiver, cipher.bound.reencrypt)
        except UnreadableError:
            unreadable.append(_name(receiver))
            continue
        for name, value in renewed.items():
            setattr(receiver, name, value)
    return RotationResult(len(found) - len(unreadable), unreadable, 0)


def reencrypt_answers(
    after: tuple[str, str] = ("", ""), *, batch_size: int = BATCH_SIZE
) -> tuple[str, str] | None:
    """Re-encrypt the next answers to POSTs with an Idempotency-Key; return None at the end.

    Takes and returns the principal and key of the last one. One that no key decrypts is removed:
    a request with its key is carried out again.
    """
    place = tuple_(IdempotencyKey.principal, IdempotencyKey.key)
    query = select(IdempotencyKey).where(IdempotencyKey.body != "", place > tuple_(*after))
    ordered = query.order_by(IdempotencyKey.principal, IdempotencyKey.key).limit(batch_size)
    rows = db.session.scalars(ordered.with_for_update()).all()
    for row in rows:
        try:
            row.body = cipher.bound.reencrypt(row.body)
        except UnreadableError:
            db.session.delete(row)
    return (rows[-1].principal, rows[-1].key) if rows else None


def _with_secrets(after_id: int, limit: int) -> Select[Hook]:
    has_any = or_(Hook.custom_headers != "", *(getattr(Hook, name) != "" for name in _COLUMNS))
    return select(Hook).where(Hook.id > after_id, has_any).order_by(Hook.id).limit(limit)


def _reencrypt(hook: Hook) -> bool:
    """Re-encrypt all secrets of the hook, or none; return True if re-encrypted."""
    renewed = _transform_secrets(hook, cipher.bound.reencrypt)
    for name, value in renewed.items():
        setattr(hook, name, value)
    return bool(renewed)


def _transform_secrets(hook: Hook, change: Callable[[str], str]) -> dict[str, str]:
    """Return the hook's changed secrets by column; empty if one of them cannot be decrypted."""
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


def _name(receiver: Receiver) -> str:
    return f"the receiver {receiver.slug}"


def _is_readable(receiver: Receiver) -> bool:
    try:
        _transform_receiver(receiver, cipher.bound.decrypt)
    except UnreadableError:
        return False
    return True


def _transform_receiver(receiver: Receiver, change: Callable[[str], str]) -> dict[str, str]:
    """Return the receiver's changed secrets by column; raises UnreadableError."""
    columns = ("auth_secret", "client_key", "access_token")
    changed = {name: change(token) for name in columns if (token := getattr(receiver, name))}
    if receiver.values:
        values = [
            one._replace(value=change(one.value)) if one.is_secret else one
            for one in read_values(receiver.values)
        ]
        changed["values"] = json.dumps(values, ensure_ascii=False)
    return changed
