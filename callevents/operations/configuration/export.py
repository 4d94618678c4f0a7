"""Exports the configuration."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

from sqlalchemy import select

from callevents.conditions.document import describe_conditions
from callevents.db.models import Connector, Extension, Hook, Pbx
from callevents.delivery.request.masking import mask_url
from callevents.enums import HookScope
from callevents.extensions import db
from callevents.hooks.options import read_options, stored_headers
from callevents.hooks.receiver import find_receiver
from callevents.operations.configuration.document import (
    ConfiguredConnector,
    ConfiguredExtension,
    ConfiguredHook,
    ConfiguredPbx,
    ConfiguredQuotas,
    Document,
)
from callevents.operations.configuration.group_import import describe_groups
from callevents.operations.configuration.receiver_export import describe_receivers
from callevents.pbxs.number_plan import internal_lengths

#: By their Event IDs, those of the first ones with which hooks are sent once per call together.
OnceWith = Mapping[str, str]
HooksByPlace = dict[tuple[int, str | None], list[Hook]]


def export_configuration(pbxs: Sequence[Pbx]) -> Document:
    """Return the configuration of these PBXs, with a constant number of queries."""
    ids = [pbx.id for pbx in pbxs]
    hooks: HooksByPlace = defaultdict(list)
    for hook in db.session.scalars(select(Hook).where(Hook.pbx_id.in_(ids)).order_by(Hook.id)):
        hooks[hook.pbx_id, hook.extension_id].append(hook)
    extensions: dict[int, list[Extension]] = defaultdict(list)
    for extension in db.session.scalars(select(Extension).where(Extension.pbx_id.in_(ids))):
        extensions[extension.pbx_id].append(extension)
    found = db.session.scalars(select(Connector).where(Connector.pbx_id.in_(ids)))
    connectors = {connector.pbx_id: connector for connector in found}
    groups = describe_groups(ids)
    once_with = find_once_with(list(chain.from_iterable(hooks.values())))
    return Document(
        receivers=describe_receivers(pbxs),
        pbxs=[
            _describe_pbx(
                pbx, connectors.get(pbx.id), extensions[pbx.id], hooks, once_with
            ).model_copy(update={"groups": groups.get(pbx.id, [])})
            for pbx in sorted(pbxs, key=lambda one: one.slug)
        ],
    )


def _describe_pbx(
    pbx: Pbx,
    connector: Connector | None,
    extensions: Iterable[Extension],
    hooks: HooksByPlace,
    once_with: OnceWith,
) -> ConfiguredPbx:
    return ConfiguredPbx(
        slug=pbx.slug,
        name=pbx.name,
        format=pbx.format,
        has_format_secret=bool(pbx.format_secret),
        retention_days=pbx.retention_days,
        hides_numbers=pbx.hides_numbers,
        country=pbx.country,
        outside_prefix=pbx.outside_prefix,
        trunk_prefix=pbx.trunk_prefix,
        internal_lengths=internal_lengths(pbx),
        quotas=describe_quotas(pbx),
        connector=describe_connector(connector) if connector else None,
        hooks=describe_hooks(hooks.get((pbx.id, None), ()), once_with),
        extensions=[
            ConfiguredExtension(
                number=one.number,
                name=one.name,
                hooks=describe_hooks(hooks.get((pbx.id, one.id), ()), once_with),
            )
            for one in sorted(extensions, key=lambda one: (len(one.number), one.number))
        ],
    )


def describe_quotas(pbx: Pbx) -> ConfiguredQuotas:
    """Return the quotas of the PBX."""
    names = ConfiguredQuotas.model_fields
    return ConfiguredQuotas(**{name: getattr(pbx, name) for name in names})


def describe_connector(connector: Connector) -> ConfiguredConnector:
    """Return the connector without its secret."""
    names = ConfiguredConnector.model_fields
    return ConfiguredConnector(**{name: getattr(connector, name) for name in names})


def find_once_with(hooks: Sequence[Hook]) -> OnceWith:
    """Return with which hook each of these is sent once per call together, without the first."""
    first: dict[int, Hook] = {}
    found = {}
    for hook in sorted(hooks, key=lambda one: one.id):
        if hook.scope is HookScope.CALL:
            one = first.setdefault(hook.once_id or hook.id, hook)
            if one is not hook:
                found[hook.event_id] = one.event_id
    return found


def describe_hooks(hooks: Iterable[Hook], once_with: OnceWith) -> list[ConfiguredHook]:
    """Return the hooks, by event and Event ID, so that equal configurations are equal texts."""
    found = [describe_hook(hook, once_with.get(hook.event_id)) for hook in hooks]
    return sorted(found, key=lambda one: (one.event_type, one.event_id or ""))


def describe_hook(hook: Hook, once_with: str | None = None) -> ConfiguredHook:
    """Return the hook without its secrets."""
    options = read_options(hook)
    # Not checked: what is stored stays exportable when a rule changes.
    values: dict[str, Any] = {
        "event": hook.event_type.slug,
        "url": mask_url(hook.url),
        "event_id": hook.event_id,
        "method": hook.method,
        "active": hook.active,
        "note": hook.note,
        "give_up_seconds": hook.give_up_seconds,
        "in_order": hook.in_order,
        "body_format": hook.body_format,
        "parameters": hook.parameters,
        "content_type": options.body_template.content_type,
        "body_template": options.body_template.text,
        "value_maps": options.value_maps,
        "scope": options.scope,
        "once_with": once_with,
        "conditions": describe_conditions(options.conditions),
        "answers": options.answers.pointers,
        "missing_answer": options.answers.missing,
        "headers": [name for name, _secret in stored_headers(hook)],
        "authentication": hook.auth,
        "is_signed": bool(hook.signing_secret),
        "receiver": receiver.slug if (receiver := find_receiver(hook)) else None,
        "recipe_request": hook.recipe_request,
    }
    return ConfiguredHook.model_construct(**values)
