"""The options of a hook: expiry, order, body, parameters, headers and authentication."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from callevents.db.models import GIVE_UP_SECONDS, Hook
from callevents.enums import AuthKind, BodyFormat, HookScope, MissingAnswer, ParameterSet
from callevents.extensions import cipher
from callevents.ingest.conditions import Conditions

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
    #: Of AuthKind.SCHEME: the name of the scheme.
    username: str = ""
    #: The password, the token, or what follows the scheme.
    secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class BodyTemplate:
    """A body with placeholders; see delivery/request/templates.py."""

    content_type: str = ""
    text: str = ""


@dataclass(frozen=True)
class Answers:
    """Values that are kept from answers, for later requests of the call to the same receiver.

    `pointers`: JSON pointers (RFC 6901) into the answer, by the name of the value.
    """

    pointers: Mapping[str, str] = field(default_factory=dict)
    missing: MissingAnswer = MissingAnswer.FAIL


@dataclass(frozen=True)
class HookOptions:
    """Options of a hook's deliveries and requests, besides method and URL."""

    give_up_seconds: int = GIVE_UP_SECONDS
    in_order: bool = True
    body_format: BodyFormat = BodyFormat.FORM
    parameters: ParameterSet = ParameterSet.ALL
    headers: Sequence[CustomHeader] = ()
    credentials: Credentials = Credentials()
    body_template: BodyTemplate = BodyTemplate()
    #: What is sent instead of values, by the name of the map; see the filter `map`.
    value_maps: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    scope: HookScope = HookScope.EXTENSION
    conditions: Conditions = field(default_factory=Conditions)
    answers: Answers = field(default_factory=Answers)


def read_options(hook: Hook) -> HookOptions:
    """Return the hook's options without secrets, so that storing them keeps the secrets."""
    return HookOptions(
        hook.give_up_seconds,
        hook.in_order,
        hook.body_format,
        hook.parameters,
        tuple(CustomHeader(name) for name, _token in stored_headers(hook)),
        Credentials(hook.auth),
        BodyTemplate(hook.content_type, hook.body_template),
        read_object(hook.value_maps),
        hook.scope,
        Conditions.read(hook.conditions),
        Answers(read_object(hook.answers), hook.missing_answer),
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
    hook.content_type = options.body_template.content_type
    hook.body_template = options.body_template.text
    hook.value_maps = _write_object(options.value_maps)
    hook.scope = options.scope
    hook.conditions = options.conditions.write()
    hook.answers = _write_object(options.answers.pointers)
    hook.missing_answer = options.answers.missing


def read_object(stored: str) -> Any:
    """Return a stored JSON object; an empty text is an empty one."""
    return json.loads(stored) if stored else {}


def _write_object(values: Mapping[str, Any]) -> str:
    return json.dumps(values, ensure_ascii=False) if values else ""


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
    if credentials.kind in (AuthKind.NONE, AuthKind.RECEIVER):
        return ""
    if credentials.secret is None:
        return hook.auth_secret
    return cipher.encrypt(json.dumps([credentials.username, credentials.secret]))
