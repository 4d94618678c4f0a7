"""Loads a hook's request template, and builds the request of a delivery from it."""

import json
from functools import partial
from typing import Any

from callevents.db.models import Hook, Pbx
from callevents.delivery.request.build import Request, RequestTemplate, build_request
from callevents.delivery.request.call_values import derived_values, parameters
from callevents.delivery.request.fill import escape_url
from callevents.delivery.request.masking import mask_address
from callevents.delivery.request.numbers import NumberPlan
from callevents.delivery.request.receiver import LoadedReceiver, ReceiverTemplate
from callevents.delivery.request.signing import Signing
from callevents.enums import AuthKind
from callevents.security.encryption import Cipher, UnreadableError

#: The columns of a hook that define its requests.
REQUEST_COLUMNS = (
    Hook.event_id.label("hook_event_id"),
    Hook.method,
    Hook.url,
    Hook.body_format,
    Hook.parameters,
    Hook.auth,
    Hook.auth_secret,
    Hook.custom_headers,
    Hook.signing_secret,
    Hook.previous_signing_secret,
    Hook.previous_secret_until,
    Hook.content_type,
    Hook.body_template,
    Hook.value_maps,
    Hook.answers,
    Hook.missing_answer,
    Hook.receiver_id,
)
#: The columns of a PBX that say how its numbers are dialed.
PLAN_COLUMNS = (Pbx.country, Pbx.outside_prefix, Pbx.trunk_prefix, Pbx.internal_lengths)
#: Shown in a preview for the Event ID, which is generated when a hook is saved.
EVENT_ID_PLACEHOLDER = "(generated-when-saved)"


def make_request(row: Any, cipher: Cipher, receiver: LoadedReceiver | None = None) -> Request:
    """Return the request of a delivery; with `problem` set if its secrets cannot be decrypted.

    `row` has REQUEST_COLUMNS, PLAN_COLUMNS and the PBX's `slug`, the event's columns, `delivery_id`
    and `call_values`.
    """
    values = parameters(
        row,
        pbx_slug=row.slug,
        hook_event_id=row.hook_event_id,
        delivery_id=row.delivery_id,
        call_values=row.call_values,
    )
    try:
        signing = read_signing(row, cipher, row.delivery_id)
        return build_request(
            read_template(row, cipher, receiver.decrypt(cipher) if receiver else None),
            values,
            signing=signing,
            more=partial(derived_values, row, row.call_values),
            plan=NumberPlan.of(row),
        )
    except UnreadableError as error:
        url = escape_url(row.url)
        return Request(row.method, url, masked_url=mask_address(url), problem=str(error))


def read_template(
    hook: Any, cipher: Cipher, receiver: ReceiverTemplate | None = None
) -> RequestTemplate:
    """Return the template of a hook, or of a row with REQUEST_COLUMNS; raises UnreadableError.

    `receiver`: the one of the hook, if it has one.
    """
    username, secret = "", ""
    if hook.auth not in (AuthKind.NONE, AuthKind.RECEIVER):
        username, secret = json.loads(cipher.decrypt(hook.auth_secret))
    stored = json.loads(hook.custom_headers) if hook.custom_headers else []
    headers = [(name, cipher.decrypt(token)) for name, token in stored]
    return RequestTemplate(
        hook.method,
        hook.url,
        hook.body_format,
        hook.parameters,
        headers,
        hook.auth,
        username,
        secret,
        hook.content_type,
        hook.body_template,
        json.loads(hook.value_maps) if hook.value_maps else {},
        receiver=receiver,
    )


def read_signing(hook: Any, cipher: Cipher, message_id: str) -> Signing | None:
    """Return the signing data for a message ID, None without a secret; raises UnreadableError."""
    if not hook.signing_secret:
        return None
    previous = hook.previous_signing_secret
    return Signing(
        message_id,
        cipher.decrypt(hook.signing_secret),
        cipher.decrypt(previous) if previous else "",
        hook.previous_secret_until,
    )
