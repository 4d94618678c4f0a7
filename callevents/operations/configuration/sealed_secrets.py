"""The secrets of a configuration: added to an export, and put back after an import.

They are encrypted with a passphrase; see sealing.py. What has no secret in the document keeps what
it has.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from callevents import audit
from callevents.audit.targets import INSTALLATION
from callevents.db.models import Connector, Hook, Pbx, Receiver
from callevents.delivery.request.masking import mask_url
from callevents.delivery.request.url import origin_of
from callevents.enums import AuthKind
from callevents.extensions import cipher, db
from callevents.hooks import hooks, signing_secret
from callevents.hooks.options import Credentials, CustomHeader, read_options, stored_headers
from callevents.hooks.suspension import resume_if_complete
from callevents.operations.configuration.changes import (
    Change,
    Done,
    Kind,
    error_at,
    errors_at,
)
from callevents.operations.configuration.document import Document, SealedDocument, Secrets
from callevents.operations.configuration.hook_import import SUSPENDED
from callevents.operations.configuration.importing import INGEST_TOKEN
from callevents.operations.configuration.receiver_secrets import (
    receiver_origins,
    receiver_secrets,
    receivers_of,
    restore_receiver,
)
from callevents.operations.configuration.sealing import Sealer, UnsealError
from callevents.pbxs import connectors, pbxs

Values = dict[str, Any]

SECRETS = "secrets"


@dataclass(frozen=True)
class _Owner:
    """Something with secrets. `key`: what a document names it by; `name`: what users read."""

    kind: Kind
    key: str
    name: str
    #: What its secrets are for. They are only decrypted for the same.
    address: str
    values: Values
    restore: Callable[[Values], None]


def add_secrets(document: Document, chosen: Sequence[Pbx], sealer: Sealer) -> SealedDocument:
    """Return the document with the secrets of these PBXs, and record that they were exported."""
    found = Secrets(key=sealer.header(), pbxs={}, connectors={}, hooks={}, receivers={})
    for owner in _owners(chosen):
        if owner.values:
            found.of(owner.kind)[owner.key] = sealer.seal(owner.values, owner.address)
    shown = {"shown": "all secrets of the configuration, encrypted with a passphrase"}
    audit.record(audit.Action.SECRET_REVEALED, INSTALLATION, after=shown)
    return SealedDocument(
        **{name: getattr(document, name) for name in type(document).model_fields}, secrets=found
    )


def restore_secrets(
    document: SealedDocument, passphrase: str, changes: Sequence[Change]
) -> Sequence[Change]:
    """Set the secrets that differ, after the import of the document; return all changes.

    Raises InvalidError for a wrong passphrase, DocumentError for secrets that were changed, or that
    are for another address.
    """
    if document.secrets is None:
        raise error_at("secrets", "This document was exported without secrets.")
    sealer = Sealer.of_document(passphrase, document.secrets.key)
    wanted = {one.slug for one in document.pbxs}
    restored: dict[tuple[Kind, str], str] = {}
    for owner in _owners([pbx for pbx in pbxs.list_pbxs() if pbx.slug in wanted]):
        sealed = document.secrets.of(owner.kind).get(owner.key)
        if sealed is None:
            continue
        with _errors_at(f"secrets/{owner.kind}s/{owner.key}"):
            values = sealer.unseal(sealed, owner.address)
            if values != owner.values:
                owner.restore(values)
                restored[owner.kind, owner.key] = owner.name
    db.session.flush()
    return _merge(changes, restored)


@contextmanager
def _errors_at(pointer: str) -> Iterator[None]:
    try:
        with errors_at(pointer):
            yield
    except UnsealError as error:
        raise error_at(pointer, str(error)) from None


def _merge(changes: Iterable[Change], restored: dict[tuple[Kind, str], str]) -> list[Change]:
    """Return the changes without secrets that are missing no more, and those of secrets alone."""
    left = dict(restored)
    merged = [
        one if left.pop((one.kind, one.key), None) is None else _with_secrets(one)
        for one in changes
    ]
    for (kind, key), name in left.items():
        merged.append(Change(Done.CHANGED, kind, name, (SECRETS,), key=key))
    return merged


def _with_secrets(change: Change) -> Change:
    """Return the change if the secrets of its object are set now."""
    # An ingest token is stored as a digest, so no document has it.
    missing = tuple(one for one in change.missing_secrets if one == INGEST_TOKEN)
    fields = change.fields if change.done is Done.ADDED else (*change.fields, SECRETS)
    return replace(change, missing_secrets=missing, fields=fields)


def _owners(chosen: Sequence[Pbx]) -> Iterator[_Owner]:
    ids = {pbx.id: pbx for pbx in chosen}
    for pbx in chosen:
        yield _of_pbx(pbx)
    for receiver in db.session.scalars(select(Receiver).where(receivers_of(chosen))):
        yield _of_receiver(receiver)
    for connector in db.session.scalars(select(Connector).where(Connector.pbx_id.in_(ids))):
        yield _of_connector(connector, ids[connector.pbx_id])
    for hook in db.session.scalars(
        select(Hook).options(joinedload(Hook.extension)).where(Hook.pbx_id.in_(ids))
    ):
        yield _of_hook(hook)


def _of_pbx(pbx: Pbx) -> _Owner:
    secret = pbxs.find_format_secret(pbx)

    def restore(values: Values) -> None:
        pbxs.set_format(pbx, pbx.format, values["signature_secret"])

    values = {"signature_secret": secret} if secret else {}
    return _Owner(Kind.PBX, pbx.slug, pbx.slug, f"pbx {pbx.format}", values, restore)


def _of_connector(connector: Connector, pbx: Pbx) -> _Owner:
    secret = cipher.bound.decrypt(connector.secret) if connector.secret else ""

    def restore(values: Values) -> None:
        names = connectors.ConnectorConfig.__dataclass_fields__.keys() - {"secret"}
        kept = {name: getattr(connector, name) for name in names}
        config = connectors.ConnectorConfig(**kept, secret=values["secret"])
        connectors.set_connector(pbx, config)

    address = f"{connector.kind} {connector.host}:{connector.port} {connector.uses_tls}"
    values = {"secret": secret} if secret else {}
    return _Owner(Kind.CONNECTOR, pbx.slug, pbx.slug, address, values, restore)


def _of_receiver(receiver: Receiver) -> _Owner:
    def restore(values: Values) -> None:
        restore_receiver(receiver, values)

    slug, values = receiver.slug, receiver_secrets(receiver)
    return _Owner(Kind.RECEIVER, slug, slug, receiver_origins(receiver), values, restore)


def _of_hook(hook: Hook) -> _Owner:
    def restore(values: Values) -> None:
        _restore_hook(hook, values)

    place = hook.extension.number if hook.extension else "*"
    name = f"{hook.pbx.slug} {place} {hook.event_type.slug}"
    address, values = origin_of(hook.url), _hook_secrets(hook)
    return _Owner(Kind.HOOK, hook.event_id, name, address, values, restore)


def _hook_secrets(hook: Hook) -> Values:
    decrypt = cipher.bound.decrypt
    values: Values = {}
    if mask_url(hook.url) != hook.url:
        values["url"] = hook.url
    if hook.auth_secret:
        values["credentials"] = json.loads(decrypt(hook.auth_secret))
    if headers := stored_headers(hook):
        values["headers"] = {name: decrypt(token) for name, token in headers}
    if hook.signing_secret:
        values["signing_secret"] = decrypt(hook.signing_secret)
    return values


def _restore_hook(hook: Hook, values: Values) -> None:
    options = read_options(hook)
    credentials = options.credentials
    if "credentials" in values and credentials.kind is not AuthKind.NONE:
        credentials = Credentials(credentials.kind, *values["credentials"])
    given = {name.lower(): value for name, value in values.get("headers", {}).items()}
    headers = tuple(CustomHeader(one.name, given.get(one.name.lower())) for one in options.headers)
    options = replace(options, credentials=credentials, headers=headers)
    url = values.get("url", hook.url)
    if mask_url(url) != mask_url(hook.url):
        # The document was edited after its export: its URL counts, and has no secret.
        url = hook.url
    hooks.update_hook(hook, hooks.HookData(url, hook.method, hook.active, hook.note, options))
    if hook.signing_secret and "signing_secret" in values:
        signing_secret.restore_secret(hook, values["signing_secret"])
    if hook.suspended_reason == SUSPENDED:
        resume_if_complete(hook)
