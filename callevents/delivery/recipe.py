"""Reads a hook's recipe, and makes the request of a delivery or of an example call from it."""

import json
from typing import Any

from callevents.delivery.masking import mask_address
from callevents.delivery.request import Parameters, Recipe, Request, build_request, parameters
from callevents.delivery.signing import Signing
from callevents.encryption import Cipher, UnreadableError
from callevents.enums import AuthKind, EventType, Method
from callevents.ingest import example_report
from callevents.ingest_statements import REPORTED
from callevents.models import CallEvent, Hook, new_id
from callevents.placeholders import escape_url
from callevents.policy import Policy

#: The columns of a hook that make its requests what they are.
REQUEST_COLUMNS = (
    Hook.event_id.label("hook_event_id"),
    Hook.method,
    Hook.url,
    Hook.body_format,
    Hook.parameters,
    Hook.auth,
    Hook.auth_secret,
    Hook.own_headers,
    Hook.signing_secret,
    Hook.previous_signing_secret,
    Hook.previous_secret_until,
)
#: Stands in a preview for what is generated when a hook is saved.
EVENT_ID_PLACEHOLDER = "(generated-when-saved)"


def make_request(row: Any, cipher: Cipher) -> Request:
    """Return the request of a delivery; if its secrets cannot be decrypted, one that says so.

    `row` has REQUEST_COLUMNS, the event's columns, `delivery_id` and the PBX's `slug`.
    """
    values = parameters(
        row, pbx_slug=row.slug, hook_event_id=row.hook_event_id, delivery_id=row.delivery_id
    )
    try:
        signing = read_signing(row, cipher, row.delivery_id)
        return build_request(read_recipe(row, cipher), values, signing=signing)
    except UnreadableError as error:
        url = escape_url(row.url)
        return Request(row.method, url, masked_url=mask_address(url), problem=str(error))


def read_recipe(hook: Any, cipher: Cipher) -> Recipe:
    """Return the recipe of a hook, or of a row with REQUEST_COLUMNS; raises UnreadableError."""
    username, secret = "", ""
    if hook.auth is not AuthKind.NONE:
        username, secret = json.loads(cipher.decrypt(hook.auth_secret))
    stored = json.loads(hook.own_headers) if hook.own_headers else []
    headers = [(name, cipher.decrypt(token)) for name, token in stored]
    return Recipe(
        hook.method,
        hook.url,
        hook.body_format,
        hook.parameters,
        headers,
        hook.auth,
        username,
        secret,
    )


def typed_recipe(method: Method, url: str, policy: Policy, kept: Recipe | None) -> Recipe:
    """Return the recipe of a hook that is being edited; what it keeps comes from `kept`.

    Without that, secrets that are kept are empty, which is good for showing the request only.
    """
    known = {name.lower(): value for name, value in kept.own_headers} if kept else {}
    headers = [
        (header.name, known.get(header.name.lower(), "") if header.value is None else header.value)
        for header in policy.headers
    ]
    credentials = policy.credentials
    username, secret = credentials.username, credentials.secret or ""
    if credentials.secret is None and kept:
        username, secret = kept.username, kept.secret
    return Recipe(
        method,
        url,
        policy.body_format,
        policy.parameters,
        headers,
        credentials.kind,
        username,
        secret,
    )


def read_signing(hook: Any, cipher: Cipher, message_id: str) -> Signing | None:
    """Return what signs a request with that id, None for nothing; raises UnreadableError."""
    if not hook.signing_secret:
        return None
    previous = hook.previous_signing_secret
    return Signing(
        message_id,
        cipher.decrypt(hook.signing_secret),
        cipher.decrypt(previous) if previous else "",
        hook.previous_secret_until,
    )


def example_parameters(
    event_type: EventType, *, pbx_slug: str, extension: str, event_id: str = ""
) -> Parameters:
    """Return the parameters of an example call."""
    report = example_report(event_type, extension)
    event = CallEvent(**{name: getattr(report, name) for name in REPORTED}, happened_at=report.at)
    return parameters(
        event,
        pbx_slug=pbx_slug,
        hook_event_id=event_id or EVENT_ID_PLACEHOLDER,
        delivery_id=new_id(),
    )
