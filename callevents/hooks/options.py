"""The options of a hook: expiry, order, body, parameters, headers and authentication."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from callevents.db.models import GIVE_UP_SECONDS, Hook
from callevents.enums import AuthKind, BodyFormat, ParameterSet
from callevents.extensions import cipher

#: The choices of 'give up after': seconds, name in commands, label in pages.
GIVE_UP_CHOICES = {
    30: ("30s", "30 seconds"),
    5 * 60: ("5m", "5 minutes"),
    3600: ("1h", "1 hour"),
    GIVE_UP_SECONDS: ("24h", "24 hours"),
    7 * 24 * 3600: ("7d", "7 days"),
}


@dataclass(frozen=True)
class CustomHeader:
    """A header that a hook adds to its requests. None as value keeps the stored one."""

    name: str
    value: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Credentials:
    """The authentication of requests. None as secret keeps the stored secret and username."""

    kind: AuthKind = AuthKind.NONE
    username: str = ""
    #: The password or the token.
    secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class HookOptions:
    """Options of a hook's deliveries and requests, besides method and URL."""

    give_up_seconds: int = GIVE_UP_SECONDS
    in_order: bool = True
    body_format: BodyFormat = BodyFormat.FORM
    parameters: ParameterSet = ParameterSet.ALL
    headers: Sequence[CustomHeader] = ()
    credentials: Credentials = Credentials()


def read_options(hook: Hook) -> HookOptions:
    """Return the hook's options without secrets, so that storing them keeps the secrets."""
    return HookOptions(
        hook.give_up_seconds,
        hook.in_order,
        hook.body_format,
        hook.parameters,
        tuple(CustomHeader(name) for name, _token in stored_headers(hook)),
        Credentials(hook.auth),
    )


def store_options(hook: Hook, options: HookOptions) -> None:
    """Write validated options into the hook, with secrets encrypted."""
    hook.give_up_seconds = options.give_up_seconds
    hook.in_order = options.in_order
    hook.body_format = options.body_format
    hook.parameters = options.parameters
    hook.custom_headers = _encrypt_headers(hook, options.headers)
    hook.auth_secret = _encrypt_credentials(hook, options.credentials)
    hook.auth = options.credentials.kind


def stored_headers(hook: Hook | None) -> list[tuple[str, str]]:
    """Return name and encrypted value of each custom header of the hook."""
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
