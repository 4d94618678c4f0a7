"""The objects of actions, as the history names them."""

from dataclasses import dataclass
from typing import Any

from callevents.audit.actions import ObjectKind
from callevents.db.models import (
    ApiToken,
    Connector,
    Delivery,
    Extension,
    ExtensionGroup,
    Hook,
    IngestToken,
    OAuthApp,
    Pbx,
    Receiver,
    User,
)
from callevents.security.hidden_numbers import hide_numbers


@dataclass(frozen=True)
class Target:
    """What an action is about, and whose data it is."""

    kind: ObjectKind
    id: str
    name: str
    pbx_id: int | None = None
    extension_id: str | None = None


#: The whole installation, such as its encryption keys.
INSTALLATION = Target(ObjectKind.INSTALLATION, "", "this installation")
HISTORY = Target(ObjectKind.HISTORY, "", "history")


def of_pbx(pbx: Pbx) -> Target:
    """Return the PBX as a target."""
    return Target(ObjectKind.PBX, str(pbx.id), pbx.name, pbx.id)


def of_token(token: IngestToken) -> Target:
    """Return the ingest token as a target, named as on the pages."""
    return Target(ObjectKind.TOKEN, token.public_id, f"{token.hint}…", token.pbx_id)


def of_connector(connector: Connector, pbx: Pbx) -> Target:
    """Return the connector as a target."""
    return Target(ObjectKind.CONNECTOR, str(pbx.id), f"connector of {pbx.name}", connector.pbx_id)


def of_extension(extension: Extension) -> Target:
    """Return the extension as a target."""
    return Target(
        ObjectKind.EXTENSION, extension.id, extension.number, extension.pbx_id, extension.id
    )


def of_group(group: ExtensionGroup) -> Target:
    """Return the group as a target."""
    return Target(ObjectKind.GROUP, str(group.id), f"group {group.name}", group.pbx_id)


def of_hook(hook: Hook, extension: Extension | None) -> Target:
    """Return the hook as a target; `extension` is its extension, None for all."""
    return of_hook_row(hook, extension.number if extension else None)


def of_hook_row(hook: Hook | Any, number: str | None) -> Target:
    """Return the hook, or a row with its columns, as a target; `number` is its extension's."""
    name = f"{hook.event_type.short_label} of {number or 'all extensions'}"
    return Target(ObjectKind.HOOK, hook.event_id, name, hook.pbx_id, hook.extension_id)


def of_receiver(receiver: Receiver) -> Target:
    """Return the receiver as a target."""
    return Target(ObjectKind.RECEIVER, receiver.slug, receiver.name, receiver.pbx_id)


def of_delivery(delivery: Delivery | Any, extension_id: str | None) -> Target:
    """Return the delivery as a target; `extension_id` is that of its extension, if there is one."""
    # Of a call to a number that is no extension, the history has only the last digits.
    number = delivery.extension if extension_id else hide_numbers(delivery.extension)
    name = f"{delivery.event_type.short_label} of {number}"
    return Target(ObjectKind.DELIVERY, delivery.id, name, delivery.pbx_id, extension_id)


def of_user(user: User) -> Target:
    """Return the user as a target."""
    return Target(ObjectKind.USER, str(user.id), user.username)


def of_api_token(token: ApiToken) -> Target:
    """Return the API token as a target."""
    return Target(ObjectKind.API_TOKEN, token.id, token.name, token.pbx_id)


def of_app(app: OAuthApp) -> Target:
    """Return the app as a target."""
    return Target(ObjectKind.APP, app.id, app.name, app.pbx_id)
