"""The options of a hook: how long and in which order it delivers, and what its requests carry."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from callevents.db.models import GIVE_UP_SECONDS, Hook
from callevents.enums import AuthKind, BodyFormat, ParameterSet
from callevents.extensions import cipher

#: What 'give up after' may be, in seconds, and how it is written in commands and in pages.
GIVE_UP_CHOICES = {
    30: ("30s", "30 seconds"),
    5 * 60: ("5m", "5 minutes"),
    3600: ("1h", "1 hour"),
    GIVE_UP_SECONDS: ("24h", "24 hours"),
    7 * 24 * 3600: ("7d", "7 days"),
}


@dataclass(frozen=True)
class CustomHeader:
    """A header that a hook adds to its requests. Without a value the stored one is kept."""

    name: str
    value: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Credentials:
    """How requests prove who sends them. Without a secret the stored one is kept, and its user."""

    kind: AuthKind = AuthKind.NONE
    username: str = ""
    #: The password, or the token.
    secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class HookOptions:
    """What a hook says about its deliveries beside method and URL."""

    give_up_seconds: int = GIVE_UP_SECONDS
    in_order: bool = True
    body_format: BodyFormat = BodyFormat.FORM
    parameters: ParameterSet = ParameterSet.ALL
    headers: Sequence[CustomHeader] = ()
    credentials: Credentials = Credentials()


def read_options(hook: Hook) -> HookOptions:
    """Return the hook's options; its secrets are left out, which means that they are kept."""
    return HookOptions(
        hook.give_up_seconds,
        hook.in_order,
        hook.body_format,
        hook.parameters,
        tuple(CustomHeader(name) for name, _token in stored_headers(hook)),
        Credentials(hook.auth),
    )


def store_options(hook: Hook, options: HookOptions) -> None:
    """Write a checked options into the hook, its secrets encrypted."""
    hook.give_up_seconds = options.give_up_seconds
    hook.in_order = options.in_order
    hook.body_format = options.body_format
    hook.parameters = options.parameters
    hook.custom_headers = _encrypt_headers(hook, options.headers)
    hook.auth_secret = _encrypt_credentials(hook, options.credentials)
    hook.auth = options.credentials.kind


def stored_headers(hook: Hook | None) -> list[tuple[str, str]]:
    """Return the names of the hook's own headers and their values, encrypted."""
    return json.loads(hook.custom_headers) if hook is not None and hook.custom_headers else []


def _encrypt_headers(hook: Hook, headers: Sequence[CustomHeader]) -> str:
    stored = {name.lower(): token for name, token in stored_headers(hook)}
    pairs = [
        (
            header.name,
            stored[header.name.lower()] if header.value is None else cipher.encrypt(header.value),
        )
        for header in headers
    ]
    return json.dumps(pairs) if pairs else ""


def _encrypt_credentials(hook: Hook, credentials: Credentials) -> str:
    if credentials.kind is AuthKind.NONE:
        return ""
    if credentials.secret is None:
        return hook.auth_secret
    return cipher.encrypt(json.dumps([credentials.username, credentials.secret]))
