"""Makes the configuration like a document, in one transaction, which the caller commits.

To see what would change, the caller rolls back instead.
"""

import secrets
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from sqlalchemy import select

from callevents.db.locks import lock_pbx
from callevents.db.models import Extension, Hook, Pbx
from callevents.delivery.request.left_out import NOT_IMPORTED
from callevents.enums import Format
from callevents.errors import InvalidError
from callevents.extensions import db
from callevents.hooks.hooks import HookBatch
from callevents.hooks.queries import list_all_hooks
from callevents.operations.configuration.batches import batches_of
from callevents.operations.configuration.changes import (
    Change,
    Changes,
    Done,
    Kind,
    error_at,
    errors_at,
)
from callevents.operations.configuration.document import (
    ConfiguredConnector,
    ConfiguredPbx,
    Document,
)
from callevents.operations.configuration.export import describe_connector, describe_quotas
from callevents.operations.configuration.group_import import set_groups
from callevents.operations.configuration.hook_import import NewEventIds, Place, set_hooks
from callevents.operations.configuration.once_with import set_once_with
from callevents.operations.configuration.receiver_import import ImportedReceivers
from callevents.pbxs import connectors, extensions, pbxs
from callevents.pbxs.data_protection import set_data_protection
from callevents.pbxs.extension_batches import add_batch
from callevents.pbxs.number_plan import join_lengths, set_number_plan
from callevents.pbxs.quotas import LABELS, set_quotas
from callevents.pbxs.removal import begin_removal
from callevents.vendors.registry import find_vendor

INGEST_TOKEN = "ingest token"  # noqa: S105  # a name
NO_SECRET = "The secret was not imported. Enter it to connect."  # noqa: S105  # a sentence


def lock_configuration() -> None:
    """Lock all PBXs and their hooks until the transaction ends; reports are still accepted.

    What is read afterwards is what the import changes. In the order of their IDs, PBXs first, as
    all changes lock them, so that two transactions do not wait for each other.
    """
    db.session.execute(select(Pbx.id).order_by(Pbx.id).with_for_update(key_share=True))
    db.session.execute(select(Hook.id).order_by(Hook.id).with_for_update())


def import_configuration(
    document: Document, *, prune: bool = False, limit: int | None = None
) -> Sequence[Change]:
    """Add and change what differs; with `prune`, remove what the document does not have.

    `limit`: see Changes. Raises DocumentError; then nothing may be committed.
    """
    lock_configuration()
    _check_unique((one.slug for one in document.pbxs), "pbxs/{}/slug", "Another PBX has it too.")
    changes = Changes(limit)
    event_ids = NewEventIds(_find_event_ids(document))
    existing = {pbx.slug: pbx for pbx in pbxs.list_pbxs()}
    if prune:
        wanted = {one.slug for one in document.pbxs}
        for slug in sorted(existing.keys() - wanted):
            begin_removal(existing[slug], slug)
            changes.add(Done.REMOVED, Kind.PBX, slug)
    importers = [
        _Importer(one, f"pbxs/{number}", changes, event_ids, prune=prune)
        for number, one in enumerate(document.pbxs)
    ]
    for importer in importers:
        importer.find_or_create(existing)
    receivers = ImportedReceivers({one.slug: one for one in pbxs.list_pbxs()}, changes)
    receivers.set(document.receivers, "receivers")
    for importer in importers:
        importer.run(receivers)
    if prune:
        receivers.prune(document.receivers)
    db.session.flush()
    return changes.found


class _Importer:
    """Imports one PBX."""

    def __init__(
        self,
        wanted: ConfiguredPbx,
        pointer: str,
        changes: Changes,
        event_ids: NewEventIds,
        *,
        prune: bool,
    ) -> None:
        self._event_ids = event_ids
        self._wanted = wanted
        self._pointer = pointer
        self._changes = changes
        self._prune = prune

    def find_or_create(self, existing: Mapping[str, Pbx]) -> None:
        """Find the PBX, or create it: receivers may be for it."""
        wanted = self._wanted
        self._is_new = wanted.slug not in existing
        with errors_at(self._pointer):
            found = existing.get(wanted.slug)
            self._pbx = found or pbxs.create_pbx(wanted.name, wanted.slug)

    def run(self, receivers: ImportedReceivers) -> None:
        """Import the PBX, which has been found or created."""
        self._receivers = receivers
        wanted, pbx = self._wanted, self._pbx
        numbers = (one.number.strip() for one in wanted.extensions)
        pointer = f"{self._pointer}/extensions/{{}}/number"
        _check_unique(numbers, pointer, "Another extension has it too.")
        with errors_at(self._pointer):
            lock_pbx(db.session.connection(), pbx.id)
            fields, missing = self._set_values(pbx)
        if self._is_new:
            self._changes.add(Done.ADDED, Kind.PBX, pbx.slug, missing=(INGEST_TOKEN, *missing))
        quotas = _lift_quotas(pbx)
        self._set_connector(pbx)
        self._set_extensions(pbx)
        pointer = f"{self._pointer}/groups"
        set_groups(pbx, wanted.groups, self._changes, pointer, prune=self._prune)
        _restore_quotas(pbx, quotas)
        with errors_at(f"{self._pointer}/quotas"):
            if describe_quotas(pbx) != wanted.quotas:
                set_quotas(pbx, wanted.quotas.model_dump())
                fields.append("quotas")
        if not self._is_new and fields:
            more: Any = {"fields": tuple(sorted(fields)), "missing": missing}
            self._changes.add(Done.CHANGED, Kind.PBX, pbx.slug, **more)

    def _set_values(self, pbx: Pbx) -> tuple[list[str], tuple[str, ...]]:
        """Set what the PBX itself has; return what changed, and missing secrets."""
        wanted, fields = self._wanted, []
        if pbx.name != wanted.name.strip():
            pbxs.rename_pbx(pbx, wanted.name)
            fields.append("name")
        changed, missing = self._set_format(pbx)
        fields += changed
        protection = (wanted.retention_days, wanted.hides_numbers)
        if (pbx.retention_days, pbx.hides_numbers) != protection:
            set_data_protection(
                pbx, retention_days=wanted.retention_days, hides_numbers=wanted.hides_numbers
            )
            fields.append("data_protection")
        if _set_number_plan(pbx, wanted):
            fields.append("number_plan")
        return fields, missing

    def _set_format(self, pbx: Pbx) -> tuple[list[str], tuple[str, ...]]:
        wanted = self._wanted
        if wanted.has_format_secret and find_vendor(Format(wanted.format)).signature is None:
            raise error_at(
                f"{self._pointer}/has_format_secret", "Reports in this format have no signature."
            )
        fields = ["format"] if pbx.format is not wanted.format else []
        missing: tuple[str, ...] = ()
        secret = None
        if bool(pbx.format_secret) is not wanted.has_format_secret:
            fields.append("has_format_secret")
            if wanted.has_format_secret:
                # No report without a valid signature is accepted until the secret is entered.
                secret, missing = secrets.token_hex(16), ("signature secret",)
            else:
                secret = ""
        if fields:
            pbxs.set_format(pbx, wanted.format, secret)
        return fields, missing

    def _set_connector(self, pbx: Pbx) -> None:
        wanted, found = self._wanted.connector, connectors.find_connector(pbx)
        name = (Kind.CONNECTOR, pbx.slug)
        if wanted is None:
            if found is not None and self._prune:
                connectors.remove_connector(pbx)
                self._changes.add(Done.REMOVED, *name)
            return
        with errors_at(f"{self._pointer}/connector"):
            if found is None:
                added = connectors.set_connector(pbx, _config(wanted, NOT_IMPORTED))
                added.secret, added.last_error = "", NO_SECRET
                self._changes.add(Done.ADDED, *name, missing=("secret",))
            elif fields := _differing(describe_connector(found), wanted):
                connectors.set_connector(pbx, _config(wanted, ""))
                self._changes.add(Done.CHANGED, *name, fields=fields)

    def _set_extensions(self, pbx: Pbx) -> None:
        hooks: dict[str | None, list[Hook]] = {}
        for hook in list_all_hooks(pbx):
            hooks.setdefault(hook.extension_id, []).append(hook)
        of_pbx = (HookBatch(pbx), self._event_ids, self._receivers)
        place = Place(pbx, None, f"{self._pointer}/hooks", *of_pbx)
        more: Any = {"changes": self._changes, "prune": self._prune}
        set_hooks(place, self._wanted.hooks, hooks.get(None, []), **more)
        existing = {one.number: one for one in extensions.list_extensions(pbx)}
        if self._prune:
            wanted = {one.number.strip() for one in self._wanted.extensions}
            for number in [number for number in existing if number not in wanted]:
                extensions.delete_extension(existing[number])
                self._changes.add(Done.REMOVED, Kind.EXTENSION, pbx.slug, number)
        added = self._add_extensions(pbx, existing.keys())
        for position, one in enumerate(self._wanted.extensions):
            pointer = f"{self._pointer}/extensions/{position}"
            if (extension := added.get(position)) is None:
                extension = existing[one.number.strip()]
                with errors_at(pointer):
                    self._rename(pbx, extension, one.name)
            else:
                self._changes.add(Done.ADDED, Kind.EXTENSION, pbx.slug, extension.number)
            place = Place(pbx, extension, f"{pointer}/hooks", *of_pbx)
            set_hooks(place, one.hooks, hooks.get(extension.id, []), **more)
        set_once_with(pbx, self._wanted, self._pointer, self._changes)

    def _add_extensions(self, pbx: Pbx, existing: Container[str]) -> dict[int, Extension]:
        """Add the extensions that are missing, and return them by position."""
        new = [
            (position, one)
            for position, one in enumerate(self._wanted.extensions)
            if one.number.strip() not in existing
        ]
        added: dict[int, Extension] = {}
        for some in batches_of(new):
            numbers = [(one.number, one.name) for _position, one in some]
            # The document has all of their requests.
            results = add_batch(pbx, numbers, gives_requests=False)
            for (position, _one), result in zip(some, results, strict=True):
                with errors_at(f"{self._pointer}/extensions/{position}"):
                    if result.extension is None:
                        raise InvalidError(result.errors)
                added[position] = result.extension
        return added

    def _rename(self, pbx: Pbx, extension: Extension, name: str) -> None:
        if extension.name != name.strip():
            extensions.rename_extension(extension, name)
            changed = (Kind.EXTENSION, pbx.slug, extension.number)
            self._changes.add(Done.CHANGED, *changed, fields=("name",))


def _find_event_ids(document: Document) -> Iterator[str]:
    for pbx in document.pbxs:
        of_extensions = chain.from_iterable(one.hooks for one in pbx.extensions)
        for hook in chain(pbx.hooks, of_extensions):
            if hook.event_id is not None:
                yield hook.event_id


def _lift_quotas(pbx: Pbx) -> dict[str, int | None]:
    """Lift the quotas: whoever may import may set them, and those of the document come last."""
    stored = {name: getattr(pbx, name) for name in LABELS}
    _restore_quotas(pbx, dict.fromkeys(LABELS))
    return stored


def _restore_quotas(pbx: Pbx, quotas: dict[str, int | None]) -> None:
    for name, limit in quotas.items():
        setattr(pbx, name, limit)


def _config(wanted: ConfiguredConnector, secret: str) -> connectors.ConnectorConfig:
    return connectors.ConnectorConfig(**wanted.model_dump(), secret=secret)


def _differing(one: ConfiguredConnector, other: ConfiguredConnector) -> tuple[str, ...]:
    names = type(one).model_fields
    return tuple(sorted(name for name in names if getattr(one, name) != getattr(other, name)))


def _check_unique(values: Iterable[str], pointer: str, message: str) -> None:
    seen: set[str] = set()
    for position, value in enumerate(values):
        if value in seen:
            raise error_at(pointer.format(position), message)
        seen.add(value)


def _set_number_plan(pbx: Pbx, wanted: ConfiguredPbx) -> bool:
    """Set the number plan; return True if it changes."""
    texts = (wanted.country, wanted.outside_prefix, wanted.trunk_prefix)
    current = (pbx.country, pbx.outside_prefix, pbx.trunk_prefix)
    lengths = join_lengths(wanted.internal_lengths)
    if current == texts and pbx.internal_lengths == lengths:
        return False
    set_number_plan(
        pbx,
        country=wanted.country,
        outside_prefix=wanted.outside_prefix,
        trunk_prefix=wanted.trunk_prefix,
        internal_lengths=lengths,
    )
    return True
